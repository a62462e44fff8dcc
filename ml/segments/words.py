"""Definitions in plain words, for people and for the reasons of members."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch

from ml.segments.behaviour import (
    Closing,
    ContextCondition,
    EventCondition,
    SequenceCondition,
    Step,
    Where,
    Windowed,
)
from ml.segments.conditions import AllOf, AnyOf, NotOf, Weighted, WeightOf
from ml.segments.events import EventKind
from ml.segments.forms import Bounds, Form, Portion
from ml.segments.standing import (
    AttributeCondition,
    ClusterCondition,
    ConsentCondition,
    FeatureCondition,
    LifecycleCondition,
    ScoreCondition,
    SegmentCondition,
    Valued,
)

Events = Mapping[str, EventKind]
_BOUNDS = {"above": "above", "at_least": "at least", "below": "below", "at_most": "at most", "equals": "exactly"}


def sentence(condition: Form, events: Events) -> str:
    """Return a rule in words: `at least 3 orders in the last 182 days`."""
    told = _told(condition, events)
    return told[1:-1] if isinstance(condition, AllOf | AnyOf) and told.startswith("(") else told


def label(name: str) -> str:
    """Return a column's name as words; amounts lose their unit because they are shown as money."""
    return name.replace("_cents", "").replace("_", " ")


def money(cents: float) -> str:
    """Return an amount in minor units as units with two decimals."""
    return f"{cents / 100:.2f}"


def ordinal(number: int) -> str:
    """Return a place in a row: 1st, 2nd, 3rd, 11th."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def when(window: Windowed, events: Events) -> str:
    """Return a window in words."""
    if window.last is not None:
        return f"in the last {window.last.words}"
    if window.between is not None:
        return f"between {window.between[0].words} and {window.between[1].words} ago"
    if window.more_than is not None:
        return f"more than {window.more_than.words} ago"
    if isinstance(window, EventCondition) and window.since is not None:
        return f"since the last {events[window.since.event].label}{having(window.since.where)}"
    return "so far"


def having(where: Where | None) -> str:
    """Return the properties asked of an event, in parentheses with a space before, or nothing."""
    said = []
    for name, asked in where or ():
        if isinstance(asked, tuple):
            said.append(f"{label(name)} {' or '.join(asked)}")
        elif isinstance(asked, Bounds):
            said.append(f"{label(name)} {bounds(asked, in_cents=name == 'value')}")
    return f" ({', '.join(said)})" if said else ""


def bounds(asked: Bounds, *, in_cents: bool = False) -> str:
    """Return bounds in words."""
    return " and ".join(f"{_BOUNDS[key]} {money(n) if in_cents else f'{n:g}'}" for key, n in asked.bounds)


def steps(condition: SequenceCondition, events: Events) -> str:
    """Return a sequence in words, without its window."""
    told = ", then ".join(_step(step, events) for step in condition.sequence)
    linked = f", all of one {' and '.join(label(name) for name in condition.same)}" if condition.same else ""
    return told + linked + silence(condition.then_not, events)


def silence(closing: Closing | None, events: Events) -> str:
    """Return what must not follow, with a comma before, or nothing."""
    if closing is None:
        return ""
    return f", without a {events[closing.event].label}{having(closing.where)} within {closing.within.words}"


def visits(condition: ContextCondition) -> str:
    """Return what a visit is called: channels are those of orders."""
    return "order" if condition.context == "channel" else "visit"


@singledispatch
def _told(condition: Form, events: Events) -> str:  # noqa: ARG001 - the shape of all
    raise TypeError(f"{type(condition).__name__} is not a condition")


@_told.register
def _all(condition: AllOf, events: Events) -> str:
    return _joined([_told(part, events) for part in condition.all], " and ")


@_told.register
def _any(condition: AnyOf, events: Events) -> str:
    return _joined([_told(part, events) for part in condition.any], " or ")


@_told.register
def _not(condition: NotOf, events: Events) -> str:
    return f"not {_told(condition.not_, events)}"


@_told.register
def _weight(condition: WeightOf, events: Events) -> str:
    parts = ", ".join(f"{part.points:g} for {_told(part.if_ or part, events)}" for part in condition.weight)
    return f"at least {condition.at_least:g} points of: {parts}"


@_told.register
def _weighted(part: Weighted, events: Events) -> str:  # noqa: ARG001 - the shape of all
    return f"{label(str(part.score))} probability, in full at 1"


@_told.register
def _feature(condition: FeatureCondition, events: Events) -> str:  # noqa: ARG001 - the shape of all
    told = [*_valued(condition, in_cents="_cents" in condition.feature), *_portions(condition)]
    return f"{label(condition.feature)} {' and '.join(told)}"


@_told.register
def _attribute(condition: AttributeCondition, events: Events) -> str:  # noqa: ARG001 - the shape of all
    return f"{label(condition.attribute)} {' and '.join(_valued(condition))}"


@_told.register
def _score(condition: ScoreCondition, events: Events) -> str:  # noqa: ARG001 - the shape of all
    told = []
    if condition.probability is not None:
        told.append(f"probability {bounds(condition.probability)}")
    if condition.break_even is not None:
        told.append(f"probability at least {condition.break_even.probability:.4g}, where a contact pays")
    if condition.expected_value is not None:
        told.append(f"expected value {bounds(condition.expected_value, in_cents=True)}")
    if condition.percentile is not None:
        told.append(f"percentile {bounds(condition.percentile)}")
    if condition.rank is not None:
        told.append(f"place among the customer's offers {bounds(condition.rank)}")
    return f"{label(condition.score)} {' and '.join(told + _portions(condition))}"


@_told.register
def _lifecycle(condition: LifecycleCondition, events: Events) -> str:  # noqa: ARG001 - the shape of all
    stages = " or ".join(label(stage) for stage in condition.lifecycle)
    if condition.entered:
        return f"became {stages} {condition.entered.words}"
    return f"ceased to be {stages} {condition.left.words}" if condition.left else f"lifecycle {stages}"


@_told.register
def _cluster(condition: ClusterCondition, events: Events) -> str:  # noqa: ARG001 - the shape of all
    return f"{label(condition.cluster)} cluster {' or '.join(label(name) for name in condition.in_)}"


@_told.register
def _segment(condition: SegmentCondition, events: Events) -> str:  # noqa: ARG001 - the shape of all
    if condition.entered:
        return f"entered {condition.segment} {condition.entered.words}"
    return f"left {condition.segment} {condition.left.words}" if condition.left else f"in {condition.segment}"


@_told.register
def _consent(condition: ConsentCondition, events: Events) -> str:  # noqa: ARG001 - the shape of all
    return f"consent to {condition.consent.purpose} by {condition.consent.channel}"


@_told.register
def _event(condition: EventCondition, events: Events) -> str:
    kind, tail = events[condition.event], f"{having(condition.where)} {when(condition, events)}"
    if condition.number is not None:
        return f"the {'first' if condition.number == 1 else ordinal(condition.number)} {kind.label} ever{tail}"
    in_cents = condition.sum == "value"
    compared = " and ".join(f"{_BOUNDS[key]} {money(n) if in_cents else n}" for key, n in condition.bounds)
    if condition.sum:
        return f"{label(condition.sum)} of {kind.counted()} {compared}{tail}"
    last = condition.bounds[-1][1]
    if condition.distinct:
        return f"{compared} different {label(condition.distinct)} values of {kind.counted()}{tail}"
    return f"{compared} {kind.counted(last)}{tail}"


@_told.register
def _sequence(condition: SequenceCondition, events: Events) -> str:
    return f"{steps(condition, events)}, {when(condition, events)}"


@_told.register
def _context(condition: ContextCondition, events: Events) -> str:
    which = "last" if condition.of == "last" else "most"
    noun = visits(condition) if condition.of == "last" else f"{visits(condition)}s"
    return f"{condition.context} {' or '.join(condition.in_)} at the {which} {noun} {when(condition, events)}"


def _joined(parts: list[str], word: str) -> str:
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"


def _portion(word: str, portion: Portion) -> str:
    of = f" of {portion.within}" if portion.within else ""
    if portion.share is None:
        return f"among the {word} {portion.count}{of}"
    return f"in the {word} {portion.share * 100:.4g}%{of}"


def _portions(condition: FeatureCondition | ScoreCondition) -> list[str]:
    asked = (("top", condition.top), ("bottom", condition.bottom))
    return [_portion(word, portion) for word, portion in asked if portion is not None]


def _valued(condition: Valued, *, in_cents: bool = False) -> list[str]:
    told = [f"{_BOUNDS[key]} {money(n) if in_cents else f'{n:g}'}" for key, n in condition.bounds]
    if condition.equals is not None:
        told.append(f"is {condition.equals}")
    if condition.in_ is not None:
        told.append(f"is {' or '.join(str(value) for value in condition.in_)}")
    if condition.is_missing is not None:
        told.append("unknown" if condition.is_missing else "known")
    return told


def _step(step: Step, events: Events) -> str:
    kind = events[step.event]
    told = f"{step.count} {kind.counted(step.count)}" if step.count > 1 else f"a {kind.label}"
    told += having(step.where)
    told += f" within {step.within.words}" if step.within else ""
    return told + (f" at most {step.no_later_than.words} later" if step.no_later_than else "")
