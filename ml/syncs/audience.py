"""An audience: one segment on one destination, with everything its sync has to respect."""

from __future__ import annotations

from dataclasses import dataclass

from ml.config import did_you_mean
from ml.errors import ConfigError
from ml.segments.language import Segment, read_segment
from ml.settings import settings
from ml.syncs.config import Destination, destination
from ml.syncs.plan import Guard


@dataclass(frozen=True)
class Audience:
    """What a sync needs to know before it reads any data.

    `siblings` are the segments whose names may stand in this platform's contacts: those that go to the same
    destination under the same consent.
    """

    segment: str
    destination: str
    settings: Destination
    purpose: str
    channel: str
    guard: Guard
    siblings: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the list is called on the platform."""
        return self.settings.name_of(self.segment)

    def __str__(self) -> str:
        return f"{self.destination}/{self.segment}"


def audience(segment: str, destination_name: str) -> Audience:
    """Resolve a segment on a destination from their YAML. Raises `ConfigError`."""
    segments = _segments()
    if segment not in segments:
        raise ConfigError(f"config/segments: no segment {segment!r}{did_you_mean(segment, segments)}")
    found, target = segments[segment], destination(destination_name)
    return Audience(
        segment=segment,
        destination=destination_name,
        settings=target,
        purpose=found.consent.purpose,
        channel=found.consent.channel,
        guard=Guard(
            maximum_removal_share=found.guard.maximum_removal_share,
            maximum_size_change=found.guard.maximum_size_change,
            minimum_members=target.minimum_members,
            on_empty=target.on_empty,
        ),
        siblings=_siblings(segments, found, destination_name),
    )


def _segments() -> dict[str, Segment]:
    return {path.stem: read_segment(path)[0] for path in (settings().config_dir / "segments").glob("*.yaml")}


def _siblings(segments: dict[str, Segment], segment: Segment, destination_name: str) -> tuple[str, ...]:
    others = (o for o in segments.values() if destination_name in o.destinations and o.consent == segment.consent)
    return tuple(sorted({segment.name, *(other.name for other in others)}))
