"""Evaluate rules at a point in time: their members, each with the reason. Nothing is written."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml import engines
from ml.errors import NotEnoughData
from ml.segments.changes import Changes, compare
from ml.segments.compiler import plan_rule
from ml.segments.conditions import Weighted
from ml.segments.degrees import degrees
from ml.segments.facts import fact
from ml.segments.history import MOVES, History, StoredHistory, moved
from ml.segments.language import Segment
from ml.segments.measures import Measures
from ml.segments.plan import Plan
from ml.segments.program import Told, judge, measure
from ml.segments.reasons import reasons, truth
from ml.segments.rules import Rule
from ml.segments.standing import ScoreCondition
from ml.segments.vocabulary import Vocabulary
from ml.sql import table
from ml.times import AsOf
from ml.warehouse import Warehouse

_VERSIONS = Path("6_segments/queries/model_versions.sql")


class StaleScores(NotEnoughData):
    """A model has no scores as young as a segment asks; `is_skip` when it says that its members stand meanwhile."""

    def __init__(self, message: str, *, is_skip: bool) -> None:
        super().__init__(message)
        self.is_skip = is_skip


@dataclass(frozen=True)
class Scored:
    """When a model scored last, and with which version."""

    as_of: AsOf
    version: str


def latest_scores(rows: pa.Table, as_of: AsOf) -> dict[str, Scored]:
    """Return when each model scored last in rows of `customer_scores`, and with which version."""
    runs = rows.filter(pc.less_equal(rows["as_of"], pa.scalar(as_of.at, pa.timestamp("us"))))
    found = runs.group_by(["model", "as_of"]).aggregate([("model_version", "min")]).sort_by("as_of").to_pylist()
    return {row["model"]: Scored(AsOf(row["as_of"]), row["model_version_min"]) for row in found}


@dataclass(frozen=True)
class Evaluator:
    """Evaluates rules at one `as_of`; what all of them need is read once.

    The past may be told instead of read: `given_history` for the runs of segments, `given_scores` (rows of
    `customer_scores`, any as_of up to this one) for what models expected.
    """

    warehouse: Warehouse
    as_of: AsOf
    known: Vocabulary
    given_history: History | None = None
    given_scores: pa.Table | None = None

    @cached_property
    def history(self) -> History:
        """The runs of segments."""
        return self.given_history or StoredHistory(self.warehouse, self.as_of)

    @cached_property
    def base(self) -> int:
        """Customers known at `as_of`. Raises `NotEnoughData` when there are none."""
        self.warehouse.create("segment_members", "segment_runs", *table("segment_members").reads)
        found = self.warehouse.count("customer_features", {"as_of": self.as_of})
        if not found:
            raise NotEnoughData(f"customer_features has no rows at {self.as_of}: run build_features for it first")
        return found

    @cached_property
    def _consenting(self) -> dict[tuple[str, str], pa.Array]:
        return {}

    @cached_property
    def _built(self) -> set[str]:
        return self.history.built()

    @cached_property
    def scored(self) -> Mapping[str, Scored]:
        """The latest scores of each model at `as_of` or before."""
        if self.given_scores is not None:
            return latest_scores(self.given_scores, self.as_of)
        rows = self.warehouse.select_arrow(_VERSIONS, as_of=self.as_of).to_pylist()
        return {row["model"]: Scored(AsOf(row["scored_at"]), row["model_version"]) for row in rows}

    @contextmanager
    def batch(self, rules: Sequence[Rule]) -> Iterator[Batch]:
        """Compute what all of `rules` need, once, and give what answers for each of them.

        Rules that name segments find them in the history at `as_of`, unless they are told (`Batch.provide`).
        """
        self.base  # noqa: B018 - raises when there is nobody, and makes the tables
        with self.warehouse.session() as session:
            yield Batch(self, session, rules)

    @contextmanager
    def trial(self, rules: Sequence[Rule]) -> Iterator[Batch]:
        """Evaluate rules whose members need not be stored: those that any of them names come before it.

        Raises `NotEnoughData` when something they need is not there.
        """
        for rule in rules:
            self.check(rule, [other.name for other in rules])
        named = {name for rule in rules for name in rule.references}
        with self.batch(rules) as batch:
            for rule in rules:
                if rule.name in named:
                    batch.settle(rule.name)
            yield batch

    def members(self, rule: Rule | Segment) -> pa.Table:
        """Return customer_key, reason and degree of one segment alone, in order of customer_key.

        Raises `NotEnoughData` when a model did not score, or a segment it names was not built, at `as_of`.
        """
        rule = rule if isinstance(rule, Rule) else Rule(rule)
        self.check(rule)
        with self.batch([rule]) as batch:
            return batch.members(rule.name)

    def consenting(self, segment: Segment) -> pa.Array:
        """Return the customers who have granted the segment's purpose on its channel, as things stand today."""
        asked = (segment.consent.purpose, segment.consent.channel)
        if asked not in self._consenting:
            where = {"purpose": asked[0], "channel": asked[1], "granted": True}
            rows = self.warehouse.read_arrow("customer_consents", ["customer_key"], where)
            self._consenting[asked] = rows["customer_key"].combine_chunks()
        return self._consenting[asked]

    def model_versions(self, rule: Rule) -> str:
        """Return the versions of the models that a rule uses, as a JSON object."""
        return json.dumps({model: self.scored[model].version for model in rule.models})

    def check(self, rule: Rule, provided: Collection[str] = (), *, is_carried: bool = False) -> None:
        """Raise `NotEnoughData` unless everything that a rule needs is there.

        `provided` are segments that need no run at `as_of`. Members that are carried over need what says whom a rule
        bars, but for scores that it can do without (`stale: skip`).
        """
        self.base  # noqa: B018 - raises when there is nobody
        asked = rule.bar if is_carried else rule
        for leaf in asked.scores if asked else ():
            if not (is_carried and _is_skip(leaf)):
                self._check_score(rule.name, leaf)
        for other in asked.references if asked else ():
            if other not in provided and other not in self._built:
                raise NotEnoughData(
                    f"Segment {rule.name}: {other}, which it names, is not built at {self.as_of}; build it first"
                )

    def _check_score(self, name: str, leaf: ScoreCondition | Weighted) -> None:
        asked, model = leaf if isinstance(leaf, ScoreCondition) else None, str(leaf.score)
        found = self.scored.get(model)
        age = asked.max_age.seconds if asked and asked.max_age else 0
        if found is not None and self.as_of.epoch - found.as_of.epoch <= age:
            return
        old = f"its latest are of {found.as_of}" if found else "it never scored before"
        young = f" or up to {asked.max_age.words} before" if asked and asked.max_age else ""
        raise StaleScores(
            f"Segment {name}: {model} has no scores at {self.as_of}{young}: {old}; train it and run score_customers",
            is_skip=_is_skip(leaf),
        )


def _is_skip(leaf: ScoreCondition | Weighted) -> bool:
    return isinstance(leaf, ScoreCondition) and leaf.stale == "skip"


class Batch:
    """Rules over facts that are computed once for all of them, within one session of the warehouse."""

    def __init__(self, evaluator: Evaluator, session: engines.Session, rules: Sequence[Rule]) -> None:
        self.evaluator, self._session = evaluator, session
        scored = {model: found.as_of for model, found in evaluator.scored.items()}
        self.measures = Measures(evaluator.as_of, scored)
        self.plans = {rule.name: plan_rule(rule, evaluator.known, self.measures) for rule in rules}
        self._rules = {rule.name: rule for rule in rules}
        self._told = Told({}, {})
        self._settled: dict[str, pa.Table] = {}
        self._is_measured = False

    def members(self, name: str) -> pa.Table:
        """Return customer_key, reason and degree of a rule's members, in order of customer_key."""
        if name in self._settled:
            return self._settled[name]
        plan, segment = self.plans[name], self._rules[name].segment
        rows = self._judge(plan, None).sort_by("customer_key")
        if segment.is_expired(self.evaluator.as_of):
            rows = rows.slice(0, 0)
        told = reasons(rows, plan, self.evaluator.known)
        return pa.table({"customer_key": rows["customer_key"], "reason": told, "degree": degrees(rows, plan, segment)})

    def unbarred(self, rule: Rule, members: pa.Table) -> pa.Table:
        """Return those of earlier members whom a rule does not bar today; its bar must be one of the batch's rules."""
        if rule.bar is None:
            return members
        may_stay = self._judge(self.plans[rule.bar.name], None)["customer_key"].combine_chunks()
        return members.filter(pc.is_in(members["customer_key"], value_set=may_stay))

    def verdict(self, name: str, customer_key: int) -> tuple[bool, list[tuple[bool, str]]] | None:
        """Return whether one customer is in, and for each condition whether it holds and what is known.

        None for a customer who is not known at `as_of`.
        """
        plan = self.plans[name]
        rows = self._judge(plan, customer_key)
        if not rows.num_rows:
            return None
        known = self.evaluator.known
        told = [(rows[leaf.column][0].as_py(), fact(rows, leaf, known)[0].as_py()) for leaf in plan.leaves]
        is_over = self._rules[name].segment.is_expired(self.evaluator.as_of)
        return bool(truth(rows, plan.root)[0].as_py()) and not is_over, told

    def settle(self, name: str) -> Changes:
        """Evaluate a rule for those that name it, as if it had been built, and return what changed."""
        before = self.evaluator.history.previous(name)
        self._settled[name] = self.members(name)
        changes = compare(self._settled[name], before.members, self.evaluator.as_of.at)
        self.provide(name, changes, is_first=before.as_of is None)
        return changes

    def provide(self, name: str, changes: Changes, *, is_first: bool) -> None:
        """Say who the members of a segment are, for the rules that name it; in a first run nobody enters."""
        moves = MOVES.empty_table() if is_first else moved(changes.moved, self.evaluator.as_of.epoch)
        self._tell(name, changes.members, moves)

    def _tell(self, name: str, members: pa.Table, moves: pa.Table) -> None:
        if any(name in plan.segments for plan in self.plans.values()):
            number = len(self._told.members) + 1
            since = members.select(["customer_key", "entered_at"])
            self._told.members[name] = self._table(f"run_members_{number}", since)
            if any(asked.segment == name for plan in self.plans.values() for asked in plan.moves):
                moves = pa.concat_tables([self.evaluator.history.moves(name), moves])
                self._told.moves[name] = self._table(f"run_moves_{number}", moves)

    def _table(self, name: str, rows: pa.Table) -> str:
        self._session.temporary(name, rows)
        return name

    def _judge(self, plan: Plan, customer_key: int | None) -> pa.Table:
        dialect = self.evaluator.warehouse.engine.dialect
        if not self._is_measured:
            if self.evaluator.given_scores is not None:
                self.measures.scores_table = self._table("run_scores", self.evaluator.given_scores)
            for statement in measure(self.measures, dialect):
                self._session.materialise(statement.name, statement.sql)
            self._is_measured = True
        for segment in sorted(plan.segments - {*self._told.members}):
            found = self.evaluator.history.members(segment)
            before = self.evaluator.history.previous(segment)
            moves = compare(found.drop(["entered_at"]), before.members, self.evaluator.as_of.at).moved
            self.provide(segment, Changes(found, moves), is_first=before.as_of is None)
        return self._session.arrow(judge(plan, self._told, customer_key, dialect))


def count_true(flags: pa.Array) -> int:
    """Return how many flags are set."""
    return int(pc.sum(flags).as_py() or 0)
