"""Replay segments at past points in time: with features, scores and events of then, one date after the other."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from ml.segments.changes import Changes, compare
from ml.segments.conditions import leaves
from ml.segments.evaluate import Batch, Evaluator
from ml.segments.history import MOVES, Previous, moved
from ml.segments.rules import Rule
from ml.segments.standing import ScoreCondition
from ml.segments.vocabulary import Vocabulary
from ml.times import AsOf
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    from ml.scores.past import PastModels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replayed:
    """One rule at one date: its members, who came and went since the date before, and which models it used.

    `previous` is None at the rule's first date, when nobody is seen to enter.
    """

    changes: Changes
    previous: Previous | None
    model_versions: str

    @property
    def keys(self) -> pa.ChunkedArray:
        """The members."""
        return self.changes.members["customer_key"]


@dataclass(frozen=True)
class Moment:
    """One date: everybody known then, the rules that could be replayed, and why the others could not."""

    as_of: AsOf
    base: int
    replayed: dict[str, Replayed]
    refused: dict[str, str]


@dataclass
class _Told:
    """The runs of segments as the replay has seen them so far; what `History` asks."""

    runs: dict[str, Previous] = field(default_factory=dict)
    seen: dict[str, list[pa.Table]] = field(default_factory=dict)

    def previous(self, segment: str) -> Previous:
        return self.runs.get(segment, Previous())

    def built(self) -> set[str]:
        return set()

    def members(self, segment: str) -> pa.Table:
        raise KeyError(f"{segment} is replayed after a segment that names it")

    def moves(self, segment: str) -> pa.Table:
        return pa.concat_tables([MOVES.empty_table(), *self.seen.get(segment, [])])

    def note(self, segment: str, at: AsOf, changes: Changes, *, is_first: bool) -> None:
        self.runs[segment] = Previous(as_of=at.at, evaluated_at=at.at, members=changes.members)
        if not is_first:
            self.seen.setdefault(segment, []).append(moved(changes.moved, at.epoch))


@dataclass(frozen=True)
class Replay:
    """Replays rules, in the order in which they can be evaluated.

    `wanted` names those whose models are fitted again where need be; the others are replayed besides where that takes
    no more models. `until` is up to when rows are loaded.
    """

    warehouse: Warehouse
    known: Vocabulary
    until: AsOf
    rules: Sequence[Rule]
    wanted: Collection[str]

    def run(self, dates: Sequence[AsOf]) -> Iterator[Moment]:
        """Yield each date, the earliest first.

        Membership is evaluated anew at each of them; what a definition says of entering or leaving other segments is
        seen from date to date. Consent and attributes are as they stand today.
        """
        told, models = _Told(), self._past_models() if self._models else None
        for at in sorted(dates):
            yield self._moment(at, told, models)

    def _past_models(self) -> PastModels:
        from ml.scores.past import PastModels

        return PastModels(self.warehouse, self.until)

    def _moment(self, at: AsOf, told: _Told, models: PastModels | None) -> Moment:
        from ml.models.snapshots import ensure_features

        ensure_features([at], self.until, self.warehouse)
        base = self.warehouse.count("customer_features", {"as_of": at})
        if not base:
            return Moment(at, 0, {}, {rule.name: "no customer was known then" for rule in self.rules})
        scores = models.scores(self._models, at, offers=self._offers) if models else None
        evaluator = Evaluator(self.warehouse, at, self.known, told, scores.rows if scores else None)
        moment, missing = Moment(at, base, {}, {}), scores.missing if scores else {}
        ready = [rule for rule in self.rules if self._may(rule, missing, moment.refused)]
        with evaluator.batch(ready) as batch:
            for rule in ready:
                moment.replayed[rule.name] = _replayed(rule, batch, told)
        log.info("%d segments replayed at %s; not known then: %s", len(ready), at, sorted(moment.refused) or "none")
        return moment

    @cached_property
    def _models(self) -> set[str]:
        return {name for rule in self.rules if rule.name in self.wanted for name in rule.models}

    @cached_property
    def _offers(self) -> set[str]:
        return {name for rule in self.rules if rule.name in self.wanted for name in _ranked(rule)}

    def _may(self, rule: Rule, missing: Mapping[str, str], refused: dict[str, str]) -> bool:
        """Whether all that a rule needs is known; else note why not."""
        more = {*rule.models} - self._models or _ranked(rule) - self._offers
        reasons = [f"{' and '.join(sorted(more))} would have to be fitted for it"] if more else []
        reasons += [missing[name] for name in rule.models if name in missing]
        reasons += [f"{name}, which it names: {refused[name]}" for name in rule.references if name in refused]
        if reasons:
            refused[rule.name] = "; ".join(reasons)
        return not reasons


def _replayed(rule: Rule, batch: Batch, told: _Told) -> Replayed:
    """Return a rule's members, and tell them to those that name it."""
    before, at = told.previous(rule.name), batch.evaluator.as_of
    changes = compare(batch.members(rule.name), before.members, at.at)
    is_first = before.as_of is None
    batch.provide(rule.name, changes, is_first=is_first)
    told.note(rule.name, at, changes, is_first=is_first)
    return Replayed(changes, None if is_first else before, batch.evaluator.model_versions(rule))


def _ranked(rule: Rule) -> set[str]:
    """Return the offers of which a rule asks the place among a customer's."""
    scores = (leaf for leaf in leaves(rule.condition) if isinstance(leaf, ScoreCondition))
    return {leaf.score for leaf in scores if leaf.rank is not None}
