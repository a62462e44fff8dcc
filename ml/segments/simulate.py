"""Simulate segments: put made-up customers through the real features and the real SQL, and see who is in when.

All moments of all journeys are customers of one throw-away warehouse at one `as_of` (see `enactment`): features are
built once and each segment is asked once.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from ml.errors import ConfigError
from ml.features.build import build_features
from ml.features.catalogue import catalogue as features
from ml.segments.catalogue import Catalogue
from ml.segments.changes import compare
from ml.segments.conditions import leaves
from ml.segments.durations import Duration
from ml.segments.enactment import AS_OF, TABLES, Copy, enact, scores
from ml.segments.evaluate import Evaluator
from ml.segments.forms import Form
from ml.segments.history import MEMBERS, MOVES, Previous
from ml.segments.journeys import Journey, clock
from ml.segments.placing import placed, ranked, with_places
from ml.segments.rules import Rule
from ml.segments.standing import FeatureCondition, Moving, SegmentCondition
from ml.segments.vocabulary import Vocabulary
from ml.times import DAY, parse_as_of
from ml.warehouse import Warehouse

_FINE = 60  # seconds to which it is told when something changes
_PARTS = 48  # into which the time between two moments is divided to find the change
_STAMP, _SINCE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d) UTC"), re.compile(r" since \d{4}-\d\d-\d\d")
_RELATIVE = "scores"  # the group of features that compare a customer with all others


@dataclass(frozen=True)
class Asked:
    """A journey, the segment that it is put through, at some moments in seconds from its start; `source` names it."""

    segment: str
    journey: Journey
    moments: tuple[int, ...]
    source: str = "The journey"


Verdicts = dict[int, str | None]  # by moment: the reason of a member, else None


def simulate(asked: Sequence[Asked], catalogue: Catalogue, known: Vocabulary) -> list[Verdicts]:
    """Return for each journey whether its customer is in at each moment, and the reason.

    Raises `ConfigError` where a journey does not say what a segment needs and what no events can show: scores, places
    among everybody, features that compare with everybody.
    """
    rules = catalogue.needed(*{one.segment for one in asked})
    for one in asked:
        _check(one, catalogue.needed(one.segment))
    copies, places = _copies(asked), (name for rule in rules for name in ranked(rule))
    everybody = [copy for made in copies for copy in made]
    members = _members([placed(rule) for rule in rules], everybody, with_places(known, places))
    return [
        {copy.moment: _told(members[one.segment].get(copy.customer_key), copy) for copy in made}
        for one, made in zip(asked, copies, strict=True)
    ]


def watch(one: Asked, catalogue: Catalogue, known: Vocabulary) -> Verdicts:
    """Return the verdicts of a journey up to its horizon, as close to each other as needed to tell when it changes.

    Looks at each day, at each expectation, and where an event or its window begins or ends; then between two that
    differ, until a change is known to the minute.
    """
    moments, found = {*one.moments, *_grid(one.journey, catalogue.needed(one.segment))}, Verdicts()
    while moments:
        (verdicts,) = simulate([replace(one, moments=tuple(sorted(moments)))], catalogue, known)
        found = dict(sorted({**found, **verdicts}.items()))
        moments = {*_between(found)}
    return found


def changes(verdicts: Verdicts) -> list[tuple[int, str | None]]:
    """Return the moments at which a customer comes in (with the reason) or goes out (None)."""
    moments = sorted(verdicts)
    came = [(moments[0], verdicts[moments[0]])] if verdicts[moments[0]] is not None else []
    turns = ((b, verdicts[b]) for a, b in pairwise(moments) if (verdicts[a] is None) != (verdicts[b] is None))
    return [*came, *turns]


def expected(journey: Journey, rules: Iterable[Rule]) -> tuple[int, ...]:
    """Return the moments of a journey's expectations; where a rule asks who came or went, each day before them, too."""
    asked = {one.at for one in journey.expect}
    if any(isinstance(leaf, SegmentCondition) and _moves(leaf) for rule in rules for leaf in leaves(rule.condition)):
        asked |= {*range(0, max(asked, default=0), DAY)}
    return tuple(sorted(asked))


def _told(reason: str | None, copy: Copy) -> str | None:
    """Return a reason with places on the timeline for the dates of the throw-away warehouse."""
    if reason is None:
        return None
    return _STAMP.sub(lambda found: clock(copy.at(parse_as_of(found[1]).epoch)), _SINCE.sub("", reason))


def _moves(condition: Moving) -> bool:
    return condition.entered is not None or condition.left is not None


def _check(one: Asked, rules: Sequence[Rule]) -> None:
    said = {what: {n for entry in one.journey.timeline for n in getattr(entry, what)} for what in ("scores", "places")}
    given = {name for entry in one.journey.timeline for name in entry.features}
    for rule in rules:
        needs = {"scores": set(rule.models), "places": set(ranked(rule)), "features": _relative(rule)}
        for what, names in needs.items():
            missing = sorted(names - (given if what == "features" else said[what]))
            if missing:
                words = f"segment {rule.name} asks for {missing[0]}, which one customer's events cannot show"
                raise ConfigError(f"{one.source}: timeline: {words}; add {{at: 0, {what}: {{{missing[0]}: ...}}}}")


def _relative(rule: Rule) -> set[str]:
    found = {leaf.feature for leaf in leaves(rule.condition) if isinstance(leaf, FeatureCondition)}
    return {name for name in found if features()[name].group == _RELATIVE}


def _copies(asked: Sequence[Asked]) -> list[list[Copy]]:
    made, number = [], 0
    for one in asked:
        made.append([Copy(number + index, one.journey, moment) for index, moment in enumerate(one.moments, start=1)])
        number += len(one.moments)
    return made


def _members(rules: Sequence[Rule], copies: Sequence[Copy], known: Vocabulary) -> dict[str, dict[int, str]]:
    """Return the reasons of each segment's members by customer_key."""
    with tempfile.TemporaryDirectory(prefix="audienceflow-journeys-") as folder:
        house = Warehouse(f"duckdb:///{Path(folder) / 'journeys.duckdb'}")
        with house.held():
            _fill(house, copies, known)
            return _judged(house, rules, copies, known)


def _fill(house: Warehouse, copies: Sequence[Copy], known: Vocabulary) -> None:
    rows = enact(copies, known.events)
    house.create(*TABLES)
    with house.session() as session:
        for name in TABLES:
            session.append(name, rows.arrow(name))
    build_features(str(AS_OF), house)
    _give(house, {copy.customer_key: copy.given("features") for copy in copies})


def _give(house: Warehouse, given: Mapping[int, Mapping[str, object]]) -> None:
    """Put given features in the place of those that were built."""
    if not any(given.values()):
        return
    built = house.read_arrow("customer_features", where={"as_of": AS_OF})
    rows = [{**row, **given[row["customer_key"]]} for row in built.to_pylist()]
    house.write("customer_features", pa.Table.from_pylist(rows, schema=built.schema), {"as_of": AS_OF})


def _judged(
    house: Warehouse, rules: Sequence[Rule], copies: Sequence[Copy], known: Vocabulary
) -> dict[str, dict[int, str]]:
    if not house.count("customer_features", {"as_of": AS_OF}):
        return {rule.name: {} for rule in rules}  # Nothing has happened yet at any moment.
    history = Seen(copies)
    evaluator = Evaluator(house, AS_OF, known, given_history=history, given_scores=scores(copies))
    with evaluator.batch(rules) as batch:
        for rule in rules:
            found = batch.members(rule.name)
            history.members_of[rule.name] = dict(zip(*(found[c].to_pylist() for c in _WORDS), strict=True))
            batch.provide(rule.name, compare(found, MEMBERS.empty_table(), AS_OF.at), is_first=True)
    return history.members_of


_WORDS = ("customer_key", "reason")


@dataclass
class Seen:
    """The history of segments as far as a simulation saw it: each moment of a journey is a run."""

    copies: Sequence[Copy]
    members_of: dict[str, dict[int, str]] = field(default_factory=dict)

    def previous(self, segment: str) -> Previous:  # noqa: ARG002 - the shape of a history
        """Return no run: who moved is told by `moves`."""
        return Previous()

    def built(self) -> set[str]:
        """Return the segments that were evaluated."""
        return {*self.members_of}

    def members(self, segment: str) -> pa.Table:  # noqa: ARG002 - the shape of a history
        """Return nobody: members are provided as they are found."""
        return MEMBERS.empty_table()

    def moves(self, segment: str) -> pa.Table:
        """Return for each copy who came and went at the moments of its journey up to its own."""
        return pa.Table.from_pylist([*self._moves(self.members_of[segment])], schema=MOVES)

    def _moves(self, members: Mapping[int, str]) -> Iterator[dict[str, object]]:
        turns = list[tuple[int, str]]()
        for before, copy in pairwise([None, *self.copies]):
            if copy is None or before is None or before.journey is not copy.journey:
                turns = []
            elif (copy.customer_key in members) != (before.customer_key in members):
                turns.append((copy.moment, "entered" if copy.customer_key in members else "left"))
            for moment, change in turns:
                epoch = copy.epoch(moment) if copy else 0
                yield {"customer_key": copy.customer_key if copy else 0, "change": change, "moved_epoch": epoch}


def _grid(journey: Journey, rules: Iterable[Rule]) -> Iterator[int]:
    end = journey.end + journey.horizon.seconds
    spans = {one.seconds for rule in rules for one in _durations(rule.condition)}
    starts = {moment for entry in journey.timeline for moment in entry.moments}
    # What happens at a second is seen from the next one on.
    edges = {start + span + late for start in starts for span in {0, *spans} for late in (0, 1)}
    days = {*range(0, end + 1, DAY * max(1, end // DAY // _DAYS))}
    return (moment for moment in {*edges, *days, *expected(journey, ())} if moment <= end)


_DAYS = 200


def _durations(form: object) -> Iterator[Duration]:
    """Yield every length of time in a condition."""
    if isinstance(form, Duration):
        yield form
    parts = [value for _, value in form] if isinstance(form, Form) else form if isinstance(form, tuple) else ()
    for part in parts:
        yield from _durations(part)


def _between(found: Verdicts) -> Iterator[int]:
    """Yield moments between two that differ and are more than a minute apart."""
    for a, b in pairwise(sorted(found)):
        if (found[a] is None) != (found[b] is None) and b - a > _FINE:
            step = max(_FINE, (b - a) // _PARTS)
            yield from range(a + step, b, step)
