"""Definitions in plain words, for people and for the reasons of members."""

from __future__ import annotations

from collections.abc import Mapping

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
from ml.segments.forms import Bounds, Form, Portion

Events = Mapping[str, EventKind]
_BOUNDS = {"above": "above", "at_least": "at least", "below": "below", "at_most": "at most", "equals": "exactly"}


def sentence(condition: Form, events: Events) -> str:
    """Return a rule in words: `at least 3 orders in the last 182 days`."""
    told = _told(condition, events)
    return told[1:-1] if isinstance(condition, AllOf | AnyOf) and told.startswith("(") else told


def _told(condition: Form, events: Events) -> str:
    match condition:
        case AllOf(all=parts):
            return _joined([_told(part, events) for part in parts], " and ")
        case AnyOf(any=parts):
            return _joined([_told(part, events) for part in parts], " or ")
        case NotOf(not_=part):
            return f"not {_told(part, events)}"
    return _leaf(condition, events)


def _leaf(condition: Form, events: Events) -> str:
    match condition:
        case FeatureCondition():
            return f"{label(condition.feature)} {_feature(condition)}"
        case ScoreCondition():
            return f"{label(condition.score)} {_score(condition)}"
        case EventCondition():
            return _event(condition, events)
        case SequenceCondition():
            return f"{steps(condition, events)}, {when(condition)}"
        case SegmentCondition(segment=name):
            return f"in {name}"
        case ConsentCondition(consent=asked):
            return f"consent to {asked.purpose} by {asked.channel}"
    raise TypeError(f"{type(condition).__name__} is not a condition")


def label(name: str) -> str:
    """Return a column's name as words; amounts lose their unit because they are shown as money."""
    return name.replace("_cents", "").replace("_", " ")


def money(cents: float) -> str:
    """Return an amount in minor units as units with two decimals."""
    return f"{cents / 100:.2f}"


def when(window: Windowed) -> str:
    """Return a window in words."""
    if window.last is not None:
        return f"in the last {window.last.words}"
    if window.between is not None:
        return f"between {window.between[0].words} and {window.between[1].words} ago"
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
    return told + silence(condition.then_not, events)


def silence(closing: Closing | None, events: Events) -> str:
    """Return what must not follow, with a comma before, or nothing."""
    if closing is None:
        return ""
    return f", without a {events[closing.event].label}{having(closing.where)} within {closing.within.words}"


def _joined(parts: list[str], word: str) -> str:
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"


def _portion(word: str, portion: Portion) -> str:
    return f"among the {word} {portion.count}" if portion.share is None else f"in the {word} {portion.share * 100:.4g}%"


def _portions(condition: FeatureCondition | ScoreCondition) -> list[str]:
    asked = (("top", condition.top), ("bottom", condition.bottom))
    return [_portion(word, portion) for word, portion in asked if portion is not None]


def _feature(condition: FeatureCondition) -> str:
    in_cents = "_cents" in condition.feature
    told = [f"{_BOUNDS[key]} {money(n) if in_cents else f'{n:g}'}" for key, n in condition.bounds]
    if condition.equals is not None:
        told.append(f"is {condition.equals}")
    if condition.in_ is not None:
        told.append(f"is {' or '.join(str(value) for value in condition.in_)}")
    if condition.is_missing is not None:
        told.append("unknown" if condition.is_missing else "known")
    return " and ".join(told + _portions(condition))


def _score(condition: ScoreCondition) -> str:
    told = []
    if condition.probability is not None:
        told.append(f"probability {bounds(condition.probability)}")
    if condition.break_even is not None:
        told.append(f"probability at least {condition.break_even.probability:.4g}, where a contact pays")
    if condition.expected_value is not None:
        told.append(f"expected value {bounds(condition.expected_value, in_cents=True)}")
    if condition.percentile is not None:
        told.append(f"percentile {bounds(condition.percentile)}")
    return " and ".join(told + _portions(condition))


def _event(condition: EventCondition, events: Events) -> str:
    kind = events[condition.event]
    counts = " and ".join(f"{_BOUNDS[key]} {n}" for key, n in condition.bounds)
    last = condition.bounds[-1][1]
    return f"{counts} {kind.counted(last)}{having(condition.where)} {when(condition)}"


def _step(step: Step, events: Events) -> str:
    kind = events[step.event]
    told = f"{step.count} {kind.counted(step.count)}" if step.count > 1 else f"a {kind.label}"
    told += having(step.where)
    told += f" within {step.within.words}" if step.within else ""
    return told + (f" at most {step.no_later_than.words} later" if step.no_later_than else "")
