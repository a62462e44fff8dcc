"""Play journeys for a person: what happens, when the customer comes in and goes out, whether that was expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ml.errors import ConfigError
from ml.segments.catalogue import Catalogue, load_catalogue
from ml.segments.journeys import Entry, Journey, clock, journey_files, read_journey
from ml.segments.simulate import Asked, Verdicts, changes, expected, simulate, watch
from ml.segments.vocabulary import Vocabulary, load_vocabulary
from ml.settings import settings


def play(name: str, paths: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """Return what becomes of journeys in a segment: of those in `paths`, else of all that lie beside it.

    Each has journey, description, timeline, changes, expectations and passed; times are in seconds from its start.
    """
    known = load_vocabulary()
    catalogue = load_catalogue(known=known)
    files = list(paths) or journey_files(settings().config_dir / "segments", catalogue[name].name)
    if not files:
        where = f"config/segments/journeys/{name}/"
        raise ConfigError(f"Segment {name} has no journey: write one into {where}, or name a file with --journey")
    return [_played(name, path, read_journey(path, known), catalogue, known) for path in files]


def unmet(asked: Sequence[tuple[str, Journey]], catalogue: Catalogue, known: Vocabulary) -> list[list[dict[str, Any]]]:
    """Return for each segment and journey the expectations that are not met; all of them are played at once."""
    played = [Asked(name, one, expected(one, catalogue.needed(name))) for name, one in asked]
    found = simulate(played, catalogue, known)
    met = zip(played, found, strict=True)
    return [[one for one in _expectations(ask.journey, verdicts) if not one["holds"]] for ask, verdicts in met]


def entry_words(entry: Entry, known: Vocabulary) -> str:
    """Return an entry as a person says it."""
    if entry.event is None:
        return "from now on: " + ", ".join(_given(entry))
    said = [f"{name} {getattr(entry, name)}" for name in entry.properties]
    said += [f"{len(entry.lines)} line{'s' if len(entry.lines) > 1 else ''}"] if entry.lines else []
    often = f", {entry.times} times, every {entry.every.words}" if entry.every else ""
    return known.events[entry.event].label + (f" ({', '.join(said)})" if said else "") + often


def _given(entry: Entry) -> Iterable[str]:
    for what in ("scores", "places", "ranks", "features", "profile"):
        word = {"places": " above share", "ranks": " rank"}.get(what, "")
        yield from (f"{name}{word} {value}" for name, value in getattr(entry, what).items())
    if entry.consent:
        word = "consents to" if entry.granted else "withdraws"
        yield f"{word} {entry.consent.purpose} by {entry.consent.channel}"


def _played(name: str, path: Path, journey: Journey, catalogue: Catalogue, known: Vocabulary) -> dict[str, Any]:
    verdicts = watch(Asked(name, journey, (), str(path)), catalogue, known)
    expectations = _expectations(journey, verdicts)
    moved = [
        {"at": at, "change": "leaves" if why is None else "enters", "reason": why} for at, why in changes(verdicts)
    ]
    timeline = [{"at": one.at, "what": entry_words(one, known)} for one in sorted(journey.timeline, key=lambda e: e.at)]
    return {
        "segment": name,
        "journey": str(path),
        "description": journey.description,
        "timeline": timeline,
        "changes": moved,
        "expectations": expectations,
        "passed": all(one["holds"] for one in expectations),
    }


def _expectations(journey: Journey, verdicts: Verdicts) -> list[dict[str, Any]]:
    return [
        {"at": one.at, "member": one.member, "holds": (verdicts[one.at] is not None) == one.member}
        for one in sorted(journey.expect, key=lambda one: one.at)
    ]


def table_rows(played: dict[str, Any]) -> list[list[str]]:
    """Return a played journey as rows of when, what happens and what becomes of the membership, in order of time."""
    rows = [(one["at"], 0, one["what"], "") for one in played["timeline"]]
    rows += [(one["at"], 1, "", _change(one)) for one in played["changes"]]
    for one in played["expectations"]:
        wanted = "a member" if one["member"] else "no member"
        rows.append((one["at"], 2, "", f"{'as expected' if one['holds'] else 'NOT as expected'}: {wanted}"))
    return [[clock(at), what, becomes] for at, _, what, becomes in sorted(rows)]


def _change(one: dict[str, Any]) -> str:
    return f"enters: {one['reason']}" if one["reason"] else "leaves"
