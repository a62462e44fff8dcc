"""From rules to what must be computed: each condition asks `Measures` for its facts and says what must hold of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatchmethod

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
from ml.segments.measures import Measures
from ml.segments.plan import (
    Check,
    Granted,
    Happening,
    Leaf,
    Node,
    Plan,
    Sequence,
    SequenceStep,
    ShareOf,
    Tally,
    Value,
    Window,
)

Events = Mapping[str, EventKind]


def plan_rule(condition: Form, events: Events, measures: Measures) -> Plan:
    """Return what a resolved condition asks; the facts it needs are added to `measures`."""
    planner = _Planner(events, measures)
    planner.plan.root = planner.node(condition)
    return planner.plan


class _Planner:
    """Walks a condition once; the number of a leaf names its columns."""

    def __init__(self, events: Events, measures: Measures) -> None:
        self.events, self.measures, self.plan = events, measures, Plan()
        self.number = 0

    def node(self, condition: Form) -> Node:
        match condition:
            case AllOf(all=parts):
                return Node("all", tuple(self.node(part) for part in parts))
            case AnyOf(any=parts):
                return Node("any", tuple(self.node(part) for part in parts))
            case NotOf(not_=part):
                return Node("not", (self.node(part),))
        self.number += 1
        leaf = Leaf(f"holds_{self.number}", self.number, condition, tuple(self.tests(condition)))
        self.plan.leaves.append(leaf)
        return Node("leaf", leaf=leaf)

    @singledispatchmethod
    def tests(self, condition: Form) -> list[Check]:
        raise TypeError(f"{type(condition).__name__} is not a condition")

    @tests.register
    def _feature(self, condition: FeatureCondition) -> list[Check]:
        value = self.value(self.measures.feature(condition.feature))
        tests = [Check(value, operator, bound) for operator, bound in condition.bounds]
        if condition.equals is not None:
            tests.append(Check(value, "equals", condition.equals))
        if condition.in_ is not None:
            tests.append(Check(value, "in", condition.in_))
        if condition.is_missing is not None:
            tests.append(Check(value, "is_missing" if condition.is_missing else "is_known"))
        for word, portion in _portions(condition):
            places = self.measures.feature_rank(condition.feature, descending=word == "top")
            tests += [Check(value, "is_known"), self.placed(word, portion, places)]
        return tests

    @tests.register
    def _score(self, condition: ScoreCondition) -> list[Check]:
        model = condition.score
        self.plan.models.add(model)
        value = self.value(self.measures.score(model, "score"))
        percentile = self.value(self.measures.score(model, "percentile"), "percentile")
        asked = {value: (condition.probability, condition.expected_value), percentile: (condition.percentile,)}
        tests = [
            Check(column, operator, bound)
            for column, comparisons in asked.items()
            for comparison in comparisons
            for operator, bound in (comparison.bounds if comparison else ())
        ]
        if condition.break_even is not None:
            tests.append(Check(value, "at_least", condition.break_even.probability))
        for word, portion in _portions(condition):
            places = self.measures.score_rank(model, descending=word == "top")
            tests += [Check(value, "is_known"), self.placed(word, portion, places)]
        return tests

    @tests.register
    def _event(self, condition: EventCondition) -> list[Check]:
        tally = Tally(self.happening(condition), self.window(condition))
        value = self.value(self.measures.tally(tally))
        return [Check(value, operator, bound) for operator, bound in condition.bounds]

    @tests.register
    def _sequence(self, condition: SequenceCondition) -> list[Check]:
        closing = condition.then_not
        sequence = Sequence(
            steps=tuple(self.step(step) for step in condition.sequence),
            closing=self.happening(closing) if closing else None,
            silence=closing.within.seconds if closing else 0,
            window=self.window(condition),
            now=self.measures.as_of.epoch,
        )
        times, latest = self.measures.sequence(sequence)
        self.value(latest, "latest")
        return [Check(self.value(times), "at_least", 1)]

    @tests.register
    def _segment(self, condition: SegmentCondition) -> list[Check]:
        source = self.plan.memberships.setdefault(condition.segment, f"member_{len(self.plan.memberships) + 1}")
        return [Check(self.value("entered_at", source=source), "is_known")]

    @tests.register
    def _consent(self, condition: ConsentCondition) -> list[Check]:
        asked = condition.consent
        return [Check(self.value(self.measures.consent(Granted(asked.purpose, asked.channel))), "is_known")]

    def value(self, of: str, name: str = "value", source: str = "measured") -> str:
        """Note a column that the condition's tests and words use, and return its name there."""
        column = f"{name}_{self.number}"
        self.plan.values.append(Value(column, source, of))
        return column

    def placed(self, word: str, portion: Portion, places: tuple[str, str]) -> Check:
        place, ranked = (self.value(of, f"{word}_{n}") for of, n in zip(places, ("place", "ranked"), strict=True))
        if portion.share is not None:
            return Check(place, "share", ShareOf(round(portion.share * 1_000_000), ranked))
        return Check(place, "at_most", portion.count)

    def step(self, step: Step) -> SequenceStep:
        within, limit = (length.seconds if length else None for length in (step.within, step.no_later_than))
        return SequenceStep(self.happening(step), step.count, within, limit)

    def happening(self, condition: EventCondition | Step | Closing) -> Happening:
        kind = self.events[condition.event]
        return Happening(kind, tuple(_properties(kind, condition.where)) if condition.where else ())

    def window(self, condition: Windowed) -> Window:
        now = self.measures.as_of.epoch
        if condition.last is not None:
            return Window(now - condition.last.seconds, now)
        if condition.between is not None:
            return Window(now - condition.between[0].seconds, now - condition.between[1].seconds)
        return Window(None, now)


def _portions(condition: FeatureCondition | ScoreCondition) -> list[tuple[str, Portion]]:
    asked = (("top", condition.top), ("bottom", condition.bottom))
    return [(word, portion) for word, portion in asked if portion is not None]


def _properties(kind: EventKind, where: Where) -> list[Check]:
    tests = list[Check]()
    for name, asked in where:
        column = kind.stream.properties.get(name, name)
        if isinstance(asked, tuple):
            tests.append(Check(column, "in", asked))
        elif asked is not None:
            tests += [Check(column, operator, bound) for operator, bound in asked.bounds]
    return tests
