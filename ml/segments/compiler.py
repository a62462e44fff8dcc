"""From rules to what must be computed: each condition asks `Measures` for its facts and says what must hold of them."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatchmethod

from ml.segments.behaviour import ContextCondition, EventCondition, SequenceCondition, Step, Windowed
from ml.segments.conditions import MILLI, MILLION, AllOf, AnyOf, NotOf, Weighted, WeightOf
from ml.segments.forms import Form, Portion
from ml.segments.happenings import happening, stream_of, window
from ml.segments.meanings import Meanings
from ml.segments.measures import Measures
from ml.segments.plan import Leaf, Moves, Node, Plan, Points, Within
from ml.segments.quantities import (
    Check,
    Granted,
    Happening,
    Of,
    Rank,
    Sequence,
    SequenceStep,
    ShareOf,
    Source,
    Tally,
    Value,
    Window,
)
from ml.segments.rules import Rule
from ml.segments.standing import (
    AttributeCondition,
    ClusterCondition,
    ConsentCondition,
    FeatureCondition,
    LifecycleCondition,
    ScoreCondition,
    SegmentCondition,
    Span,
    Valued,
)
from ml.segments.vocabulary import Vocabulary
from ml.times import AsOf


def plan_rule(rule: Rule, known: Vocabulary, measures: Measures) -> Plan:
    """Return what a resolved rule asks; the facts it needs are added to `measures`."""
    planner = _Planner(_as_meant(known, rule.meanings), measures)
    asked = [planner.node(part) for part in rule.asked]
    barred = [replace(planner.node(part), silent=True) for part in rule.barred]
    planner.plan.root = Node("all", (*asked, *barred))
    return planner.plan


def _as_meant(known: Vocabulary, meanings: Meanings) -> Vocabulary:
    clusterings = {**known.clusterings, **meanings.clusterings}
    return replace(known, lifecycle=meanings.lifecycle or known.lifecycle, clusterings=clusterings)


class _Planner:
    """Walks conditions once; the number of a leaf names its columns."""

    def __init__(self, known: Vocabulary, measures: Measures) -> None:
        self.known, self.measures, self.plan = known, measures, Plan()
        self.number = 0

    def node(self, condition: Form) -> Node:
        match condition:
            case AllOf(all=parts):
                return Node("all", tuple(self.node(part) for part in parts))
            case AnyOf(any=parts):
                return Node("any", tuple(self.node(part) for part in parts))
            case NotOf(not_=part):
                return Node("not", (self.node(part),))
            case WeightOf():
                return self.weight(condition)
        return Node("leaf", leaf=self.leaf(condition))

    def leaf(self, condition: Form) -> Leaf:
        self.number += 1
        leaf = Leaf(f"holds_{self.number}", self.number, condition, tuple(self.tests(condition)))
        self.plan.leaves.append(leaf)
        return leaf

    def weight(self, condition: WeightOf) -> Node:
        parts, points = list[Node](), list[Points]()
        for part in condition.weight:
            parts.append(self.node(part.if_ or part))
            share = None if part.if_ else f"value_{self.number}"
            points.append(Points(round(part.points * MILLI), share))
        column = f"points_{len(self.plan.weights) + 1}"
        threshold = round(condition.at_least * MILLI) * MILLION
        made = Node("weight", tuple(parts), None, tuple(points), threshold, column, condition)
        self.plan.weights.append(made)
        return made

    @singledispatchmethod
    def tests(self, condition: Form) -> list[Check]:
        raise TypeError(f"{type(condition).__name__} is not a condition")

    @tests.register
    def _feature(self, condition: FeatureCondition) -> list[Check]:
        fact = self.measures.feature(condition.feature)
        value = self.value(fact)
        tests = _compared(condition, value)
        for word, portion in _portions(condition):
            places = () if portion.within else self.measures.feature_rank(condition.feature, descending=word == "top")
            tests += self.placed(word, portion, fact, places)
        return tests

    @tests.register
    def _attribute(self, condition: AttributeCondition) -> list[Check]:
        return _compared(condition, self.value(self.measures.attribute(condition.attribute)))

    @tests.register
    def _score(self, condition: ScoreCondition) -> list[Check]:
        model, at = condition.score, self.scored(condition)
        fact = self.measures.score(model, "score", at)
        value = self.value(fact)
        percentile = self.value(self.measures.score(model, "percentile", at), "percentile")
        asked = {value: (condition.probability, condition.expected_value), percentile: (condition.percentile,)}
        tests = [
            Check(column, operator, bound)
            for column, comparisons in asked.items()
            for comparison in comparisons
            for operator, bound in (comparison.bounds if comparison else ())
        ]
        if condition.break_even is not None:
            tests.append(Check(value, "at_least", condition.break_even.probability))
        if condition.rank is not None:
            place = self.value(self.measures.score(model, "offer_rank", at), "place")
            tests += [Check(place, operator, bound) for operator, bound in condition.rank.bounds]
        for word, portion in _portions(condition):
            places = () if portion.within else self.measures.score_rank(model, at, descending=word == "top")
            tests += self.placed(word, portion, fact, places)
        return tests

    @tests.register
    def _cluster(self, condition: ClusterCondition) -> list[Check]:
        clustering = self.known.clusterings[condition.cluster]
        return [Check(self.value(self.measures.cluster(condition.cluster, clustering)), "in", condition.in_)]

    @tests.register
    def _graded(self, part: Weighted) -> list[Check]:
        return [Check(self.value(self.measures.score(str(part.score), "score", self.measures.as_of)), "is_known")]

    @tests.register
    def _lifecycle(self, condition: LifecycleCondition) -> list[Check]:
        now, ends = self.measures.as_of.epoch, _ends(condition)
        points = [now - back for back in ends] if ends else [now]
        flags = list[str]()
        for name, at in zip(("was", "value") if ends else ("value",), points, strict=True):
            stage, column = self.measures.stage(at, self.known.lifecycle)
            self.value(column, name)
            flags.append(self.value(self.measures.in_stage(stage, condition.lifecycle), f"{name}_in"))
        wanted = ["is_true"] if not ends else ["is_false", "is_true"] if condition.entered else ["is_true", "is_false"]
        return [Check(flag, operator) for flag, operator in zip(flags, wanted, strict=True)]

    @tests.register
    def _event(self, condition: EventCondition) -> list[Check]:
        what, window = happening(condition, self.known.events), self.window(condition)
        if condition.number is not None:
            return self.nth(what, window, condition.number)
        of: Of = "sum" if condition.sum else "distinct" if condition.distinct else "count"
        name = condition.sum or condition.distinct
        column = what.kind.stream.properties[name] if name else None
        value = self.value(self.measures.tally(Tally(what, window, of, column)))
        return [Check(value, operator, bound) for operator, bound in condition.bounds]

    def nth(self, what: Happening, window: Window, number: int) -> list[Check]:
        value = self.value(self.measures.tally(Tally(what, Window(None, window.end))))
        tests = [Check(value, "at_least", number)]
        if window.start is not None:
            before = self.measures.tally(Tally(what, Window(None, window.start)))
            tests.append(Check(self.value(before, "before"), "below", number))
        return tests

    @tests.register
    def _sequence(self, condition: SequenceCondition) -> list[Check]:
        closing = condition.then_not
        sequence = Sequence(
            steps=tuple(self.step(step) for step in condition.sequence),
            closing=happening(closing, self.known.events) if closing else None,
            silence=closing.within.seconds if closing else 0,
            window=self.window(condition),
            now=self.measures.as_of.epoch,
            links=condition.same or (),
        )
        times, latest = self.measures.sequence(sequence)
        self.value(latest, "latest")
        return [Check(self.value(times), "at_least", 1)]

    @tests.register
    def _context(self, condition: ContextCondition) -> list[Check]:
        stream = stream_of(condition)
        column, window = stream.properties[condition.context], self.window(condition)
        if condition.of == "last":
            return [Check(self.value(self.measures.visit(stream, window, column)), "in", condition.in_)]
        having, visits = self.measures.visits_having(stream, window, Check(column, "in", condition.in_))
        return [Check(self.value(having), "most_of", self.value(visits, "visits"))]

    @tests.register
    def _segment(self, condition: SegmentCondition) -> list[Check]:
        ends = _ends(condition)
        if ends is None:
            source = self.plan.members.setdefault(condition.segment, f"member_{len(self.plan.members) + 1}")
            return [Check(self.value("entered_at", source=source), "is_known")]
        begin, end = (self.measures.as_of.epoch - back for back in ends)
        asked = Moves(condition.segment, "entered" if condition.entered else "left", begin, end)
        source = self.plan.moves.setdefault(asked, f"moved_{len(self.plan.moves) + 1}")
        return [Check(self.value("moved_epoch", source=source), "is_known")]

    @tests.register
    def _consent(self, condition: ConsentCondition) -> list[Check]:
        asked = condition.consent
        return [Check(self.value(self.measures.consent(Granted(asked.purpose, asked.channel))), "is_known")]

    def value(self, of: str, name: str = "value", source: str = "measured") -> str:
        """Note a column that the condition's tests and words use, and return its name there."""
        column = f"{name}_{self.number}"
        self.plan.values.append(Value(column, Source(source, of)))
        return column

    def placed(self, word: str, portion: Portion, fact: str, everybody: tuple[str, ...]) -> list[Check]:
        """Return the tests of a place among everybody, or among the members of a segment."""
        rank, source = Rank(fact, word == "top"), "measured"
        if portion.within:
            asked = Within(portion.within, rank)
            source = self.plan.rankings.setdefault(asked, f"ranking_{len(self.plan.rankings) + 1}")
        columns = (everybody or (rank.place, rank.ranked), ("place", "ranked"))
        place, ranked = (self.value(of, f"{word}_{name}", source) for of, name in zip(*columns, strict=True))
        known = Check(f"value_{self.number}", "is_known")
        if portion.share is not None:
            return [known, Check(place, "share", ShareOf(round(portion.share * MILLION), ranked))]
        return [known, Check(place, "at_most", portion.count)]

    def scored(self, condition: ScoreCondition) -> AsOf:
        """Return when the scores were made that a condition uses."""
        now = self.measures.as_of
        return self.measures.scored.get(condition.score, now) if condition.max_age else now

    def window(self, condition: Windowed) -> Window:
        return window(condition, self.measures.as_of.epoch, self.known.events)

    def step(self, step: Step) -> SequenceStep:
        within, limit = (length.seconds if length else None for length in (step.within, step.no_later_than))
        return SequenceStep(happening(step, self.known.events), step.count, within, limit)


def _compared(condition: Valued, value: str) -> list[Check]:
    tests = [Check(value, operator, bound) for operator, bound in condition.bounds]
    if condition.equals is not None:
        tests.append(Check(value, "equals", condition.equals))
    if condition.in_ is not None:
        tests.append(Check(value, "in", condition.in_))
    if condition.is_missing is not None:
        tests.append(Check(value, "is_missing" if condition.is_missing else "is_known"))
    return tests


def _ends(condition: LifecycleCondition | SegmentCondition) -> tuple[int, int] | None:
    span: Span | None = condition.entered or condition.left
    return span.seconds if span else None


def _portions(condition: FeatureCondition | ScoreCondition) -> list[tuple[str, Portion]]:
    asked = (("top", condition.top), ("bottom", condition.bottom))
    return [(word, portion) for word, portion in asked if portion is not None]
