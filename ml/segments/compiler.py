"""From a definition to its query: note what each condition needs, then let `evaluate.sql` write it down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ml.segments.conditions import (
    AllOf,
    AnyOf,
    Closing,
    ConsentCondition,
    EventCondition,
    FeatureCondition,
    NotOf,
    ScoreCondition,
    SegmentCondition,
    SequenceCondition,
    Step,
    Where,
    Windowed,
)
from ml.segments.events import EventKind
from ml.segments.forms import Form, Portion
from ml.segments.language import Segment
from ml.segments.plan import (
    Check,
    Count,
    Counts,
    Granted,
    Happening,
    Leaf,
    Membership,
    Node,
    Plan,
    Rank,
    Scores,
    Sequence,
    SequenceStep,
    ShareOf,
    Value,
    Window,
)
from ml.sql import Dialect, render_file
from ml.times import AsOf

QUERY = Path("6_segments/queries/evaluate.sql")


def plan_segment(segment: Segment, events: Mapping[str, EventKind], as_of: AsOf) -> Plan:
    """Return what the query of a resolved `segment` must compute at `as_of`."""
    planner = _Planner(events, as_of)
    planner.plan.root = planner.node(segment.rule)
    return planner.plan


def segment_sql(plan: Plan, as_of: AsOf, customer_key: int | None = None, dialect: Dialect = "duckdb") -> str:
    """Return the query of a plan: one row a member, or one row for `customer_key`, member or not.

    Columns: `customer_key`, the values of the conditions, and for each condition whether it holds.
    """
    return render_file(QUERY, dialect, plan=plan, as_of=as_of, customer_key=customer_key)


class _Planner:
    """Walks a definition once; the number of a condition names its columns."""

    def __init__(self, events: Mapping[str, EventKind], as_of: AsOf) -> None:
        self.events, self.as_of, self.plan = events, as_of, Plan()

    def node(self, condition: Form) -> Node:
        match condition:
            case AllOf(all=parts):
                return Node("all", tuple(self.node(part) for part in parts))
            case AnyOf(any=parts):
                return Node("any", tuple(self.node(part) for part in parts))
            case NotOf(not_=part):
                return Node("not", (self.node(part),))
        number = len(self.plan.leaves) + 1
        leaf = Leaf(f"holds_{number}", number, condition, tuple(self.tests(condition, number)))
        self.plan.leaves.append(leaf)
        return Node("leaf", leaf=leaf)

    def tests(self, condition: Form, number: int) -> list[Check]:
        match condition:
            case FeatureCondition():
                return self.feature(condition, number)
            case ScoreCondition():
                return self.score(condition, number)
            case EventCondition():
                return self.event(condition, number)
            case SequenceCondition():
                return self.sequence(condition, number)
            case SegmentCondition(segment=name):
                self.plan.memberships.append(Membership(f"segment_{number}", name))
                return [Check(self.value(number, f"segment_{number}", "entered_at"), "is_known")]
            case ConsentCondition(consent=asked):
                self.plan.consents.append(Granted(f"consent_{number}", asked.purpose, asked.channel))
                return [Check(self.value(number, f"consent_{number}", "granted"), "is_known")]
        raise TypeError(f"{type(condition).__name__} is not a condition")

    def value(self, number: int, source: str, of: str, name: str = "value", *, zero: bool = False) -> str:
        column = f"{name}_{number}"
        self.plan.values.append(Value(column, source, of, zero))
        return column

    def feature(self, condition: FeatureCondition, number: int) -> list[Check]:
        if condition.feature not in self.plan.features:
            self.plan.features.append(condition.feature)
        value = self.value(number, "everybody", condition.feature)
        tests = [Check(value, operator, bound) for operator, bound in condition.bounds]
        if condition.equals is not None:
            tests.append(Check(value, "equals", condition.equals))
        if condition.in_ is not None:
            tests.append(Check(value, "in", condition.in_))
        if condition.is_missing is not None:
            tests.append(Check(value, "is_missing" if condition.is_missing else "is_known"))
        ranks, ranked = self.ranked(condition, number, "everybody", condition.feature)
        self.plan.feature_ranks += ranks
        return tests + ranked

    def score(self, condition: ScoreCondition, number: int) -> list[Check]:
        name = f"score_{number}"
        value, percentile = self.value(number, name, "score"), self.value(number, name, "percentile", "percentile")
        asked = {value: (condition.probability, condition.expected_value), percentile: (condition.percentile,)}
        tests = [
            Check(column, operator, bound)
            for column, comparisons in asked.items()
            for comparison in comparisons
            for operator, bound in (comparison.bounds if comparison else ())
        ]
        if condition.break_even is not None:
            tests.append(Check(value, "at_least", condition.break_even.probability))
        ranks, ranked = self.ranked(condition, number, name, "score")
        self.plan.scores.append(Scores(name, condition.score, tuple(ranks)))
        return tests + ranked

    def ranked(
        self, condition: FeatureCondition | ScoreCondition, number: int, source: str, of: str
    ) -> tuple[list[Rank], list[Check]]:
        ranks, tests = list[Rank](), list[Check]()
        for word, portion in (("top", condition.top), ("bottom", condition.bottom)):
            if portion is not None:
                rank = Rank(of, word == "top", f"{word}_place_{number}", f"{word}_ranked_{number}")
                ranks.append(rank)
                self.value(number, source, rank.place, f"{word}_place")
                self.value(number, source, rank.ranked, f"{word}_ranked")
                tests += [Check(f"value_{number}", "is_known"), _portion(rank, portion)]
        return ranks, tests

    def event(self, condition: EventCondition, number: int) -> list[Check]:
        what = self.happening(condition)
        count = Count(f"value_{number}", what, self.window(condition))
        name = f"counts_{what.kind.stream.table}"
        at = next((i for i, counts in enumerate(self.plan.counts) if counts.name == name), None)
        if at is None:
            self.plan.counts.append(Counts(name, what.kind.stream, (count,)))
        else:
            known = self.plan.counts[at]
            self.plan.counts[at] = Counts(name, known.stream, (*known.counts, count))
        value = self.value(number, name, count.column, zero=True)
        return [Check(value, operator, bound) for operator, bound in condition.bounds]

    def sequence(self, condition: SequenceCondition, number: int) -> list[Check]:
        closing = condition.then_not
        self.plan.sequences.append(
            Sequence(
                name=f"sequence_{number}",
                steps=tuple(self.step(step) for step in condition.sequence),
                closing=self.happening(closing) if closing else None,
                silence=closing.within.seconds if closing else 0,
                window=self.window(condition),
                as_of_epoch=self.as_of.epoch,
            )
        )
        self.value(number, f"sequence_{number}", "latest_epoch", "latest")
        return [Check(self.value(number, f"sequence_{number}", "times", zero=True), "at_least", 1)]

    def step(self, step: Step) -> SequenceStep:
        within, limit = (length.seconds if length else None for length in (step.within, step.no_later_than))
        return SequenceStep(self.happening(step), step.count, within, limit)

    def happening(self, condition: EventCondition | Step | Closing) -> Happening:
        kind = self.events[condition.event]
        return Happening(kind, tuple(_properties(kind, condition.where)) if condition.where else ())

    def window(self, condition: Windowed) -> Window:
        now = self.as_of.epoch
        if condition.last is not None:
            return Window(now - condition.last.seconds, now)
        if condition.between is not None:
            return Window(now - condition.between[0].seconds, now - condition.between[1].seconds)
        return Window(None, now)


def _portion(rank: Rank, portion: Portion) -> Check:
    if portion.share is not None:
        return Check(rank.place, "share", ShareOf(round(portion.share * 1_000_000), rank.ranked))
    return Check(rank.place, "at_most", portion.count)


def _properties(kind: EventKind, where: Where) -> list[Check]:
    tests = list[Check]()
    for name, asked in where:
        column = kind.stream.properties.get(name, name)
        if isinstance(asked, tuple):
            tests.append(Check(column, "in", asked))
        elif asked is not None:
            tests += [Check(column, operator, bound) for operator, bound in asked.bounds]
    return tests
