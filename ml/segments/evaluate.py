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
from ml.segments.changes import compare
from ml.segments.compiler import plan_rule
from ml.segments.history import previous, stored_members
from ml.segments.language import Segment
from ml.segments.measures import Measures
from ml.segments.plan import Plan
from ml.segments.program import judge, measure
from ml.segments.reasons import fact, reasons, truth
from ml.segments.rules import Rule
from ml.segments.vocabulary import Vocabulary
from ml.sql import table
from ml.times import AsOf
from ml.warehouse import Warehouse

_VERSIONS = Path("6_segments/queries/model_versions.sql")


@dataclass(frozen=True)
class Evaluator:
    """Evaluates rules at one `as_of`; what all of them need is read once."""

    warehouse: Warehouse
    as_of: AsOf
    known: Vocabulary

    @cached_property
    def base(self) -> int:
        """Customers known at `as_of`. Raises `NotEnoughData` when there are none."""
        self.warehouse.create("segment_members", "segment_runs", *table("segment_members").reads)
        found = self.warehouse.count("customer_features", {"as_of": self.as_of})
        if not found:
            raise NotEnoughData(f"customer_features has no rows at {self.as_of}: run build_features for it first")
        return found

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """The version of each model that scored at `as_of`."""
        rows = self.warehouse.select_arrow(_VERSIONS, as_of=self.as_of).to_pylist()
        return {row["model"]: row["model_version"] for row in rows}

    @contextmanager
    def batch(self, rules: Sequence[Rule]) -> Iterator[Batch]:
        """Compute what all of `rules` need, once, and give what answers for each of them.

        Rules that name segments find them stored at `as_of`, unless they are told (`Batch.provide`).
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
        with self.batch(rules) as batch:
            named = {name for rule in rules for name in rule.references}
            for rule in rules:
                if rule.name in named:
                    batch.settle(rule.name)
            yield batch

    def members(self, segment: Segment) -> pa.Table:
        """Return customer_key and reason of one segment alone, in order of customer_key.

        Raises `NotEnoughData` when a model did not score, or a segment it names was not built, at `as_of`.
        """
        rule = Rule(segment)
        self.check(rule)
        with self.batch([rule]) as batch:
            return batch.members(rule.name)

    def consenting(self, segment: Segment) -> pa.Array:
        """Return the customers who have granted the segment's purpose on its channel, as things stand today."""
        asked = {"purpose": segment.consent.purpose, "channel": segment.consent.channel, "granted": True}
        granted = self.warehouse.read_arrow("customer_consents", ["customer_key"], where=asked)
        return granted["customer_key"].combine_chunks()

    def model_versions(self, rule: Rule) -> str:
        """Return the versions of the models that a rule uses, as a JSON object."""
        used = sorted(plan_rule(rule.condition, self.known.events, Measures(self.as_of)).models)
        return json.dumps({model: self.versions[model] for model in used})

    def check(self, rule: Rule, provided: Collection[str] = ()) -> None:
        """Raise `NotEnoughData` unless everything that a rule needs is there.

        `provided` are segments that need not be stored at `as_of`.
        """
        self.base  # noqa: B018 - raises when there is nobody
        for model in sorted(plan_rule(rule.condition, self.known.events, Measures(self.as_of)).models):
            if model not in self.versions:
                raise NotEnoughData(
                    f"Segment {rule.name}: {model} has no scores at {self.as_of}; train it and run score_customers"
                )
        for other in rule.references:
            stored = {"segment": other, "as_of": self.as_of}
            if other not in provided and not self.warehouse.count("segment_runs", stored):
                raise NotEnoughData(
                    f"Segment {rule.name}: {other}, which it names, is not built at {self.as_of}; build it first"
                )


class Batch:
    """Rules over facts that were computed once for all of them, within one session of the warehouse."""

    def __init__(self, evaluator: Evaluator, session: engines.Session, rules: Sequence[Rule]) -> None:
        self.evaluator, self._session = evaluator, session
        self._measures = Measures(evaluator.as_of)
        events = evaluator.known.events
        self.plans = {rule.name: plan_rule(rule.condition, events, self._measures) for rule in rules}
        self._tables: dict[str, str] = {}
        self._is_measured = False

    def members(self, name: str) -> pa.Table:
        """Return customer_key and reason of a rule's members, in order of customer_key."""
        plan = self.plans[name]
        rows = self._judge(plan, None).sort_by("customer_key")
        told = reasons(rows, plan, self.evaluator.known)
        return pa.table({"customer_key": rows["customer_key"], "reason": told})

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
        return bool(truth(rows, plan.root)[0].as_py()), told

    def provide(self, name: str, members: pa.Table) -> None:
        """Say who the members of a segment are (customer_key, entered_at), for the rules that name it."""
        if any(name in plan.memberships for plan in self.plans.values()):
            self._tables[name] = f"run_members_{len(self._tables) + 1}"
            self._session.temporary(self._tables[name], members.select(["customer_key", "entered_at"]))

    def settle(self, name: str) -> None:
        """Evaluate a rule for those that name it, as if it had been built."""
        before = previous(self.evaluator.warehouse, name, self.evaluator.as_of)
        self.provide(name, compare(self.members(name), before.members, self.evaluator.as_of.at).members)

    def _judge(self, plan: Plan, customer_key: int | None) -> pa.Table:
        dialect = self.evaluator.warehouse.engine.dialect
        if not self._is_measured:
            for statement in measure(self._measures, dialect):
                self._session.materialise(statement.name, statement.sql)
            self._is_measured = True
        for segment in plan.memberships:
            if segment not in self._tables:
                self.provide(segment, stored_members(self.evaluator.warehouse, segment, self.evaluator.as_of))
        return self._session.arrow(judge(plan, self._tables, customer_key, dialect))


def count_true(flags: pa.Array) -> int:
    """Return how many flags are set."""
    return int(pc.sum(flags).as_py() or 0)
