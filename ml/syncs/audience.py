"""An audience: one segment on one destination, with everything its sync has to respect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ml.segments.catalogue import cached_catalogue
from ml.segments.language import Guard, Segment
from ml.settings import settings
from ml.syncs.config import Destination, destination
from ml.times import AsOf, parse_as_of


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
    expires: date | None = None

    def guard_at(self, as_of: AsOf) -> Guard | None:
        """Return the guard of a push; none once the segment has expired, because then everybody is to leave."""
        is_over = self.expires is not None and as_of >= parse_as_of(self.expires.isoformat())
        return None if is_over else self.guard

    @property
    def name(self) -> str:
        """What the list is called on the platform."""
        return self.settings.name_of(self.segment)

    def __str__(self) -> str:
        return f"{self.destination}/{self.segment}"


def audience(segment: str, destination_name: str) -> Audience:
    """Resolve a segment on a destination from their YAML. Raises `ConfigError`."""
    catalogue = cached_catalogue(settings().config_dir / "segments")
    found, target = catalogue[segment], destination(destination_name)
    return Audience(
        segment=segment,
        destination=destination_name,
        settings=target,
        purpose=found.consent.purpose,
        channel=found.consent.channel,
        guard=found.guard or target.guard,
        siblings=_siblings(catalogue.segments.values(), found, destination_name),
        expires=found.expires,
    )


def _siblings(segments: Iterable[Segment], segment: Segment, destination_name: str) -> tuple[str, ...]:
    others = (o for o in segments if destination_name in o.destinations and o.consent == segment.consent)
    return tuple(sorted({segment.name, *(other.name for other in others)}))
