"""What is known of a condition for each customer, in words with the values, whether it holds or not."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.segments.behaviour import ContextCondition, EventCondition, SequenceCondition
from ml.segments.conditions import Weighted
from ml.segments.forms import Form
from ml.segments.plan import Leaf
from ml.segments.standing import (
    AttributeCondition,
    ClusterCondition,
    ConsentCondition,
    FeatureCondition,
    LifecycleCondition,
    ScoreCondition,
    SegmentCondition,
)
from ml.segments.vocabulary import Vocabulary
from ml.segments.words import having, label, ordinal, silence, steps, visits, when

Column = Any  # an Arrow column, or one value for every row


def fact(rows: pa.Table, leaf: Leaf, known: Vocabulary) -> Column:
    """Return one text a row of `judged.sql`."""
    return _fact(leaf.condition, _Values(rows, leaf.number), known)


def shown(value: Column) -> Column:
    """Return numbers and texts as text; `unknown` for what is missing."""
    if pa.types.is_floating(value.type):
        value = pc.round(value, 2)
    return pc.fill_null(pc.cast(value, pa.string()), "unknown")


def join(*parts: Column) -> Column:
    """Return the parts of each row one after the other."""
    return pc.binary_join_element_wise(*parts, "")


def flat(column: Column) -> Column:
    """Return a column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


class _Values:
    """The columns of one condition by the names that its planning gave them."""

    def __init__(self, rows: pa.Table, number: int) -> None:
        self._rows, self._number = rows, number

    def __getitem__(self, name: str) -> Column:
        return flat(self._rows.column(f"{name}_{self._number}"))

    def __contains__(self, name: str) -> bool:
        return f"{name}_{self._number}" in self._rows.column_names


@singledispatch
def _fact(condition: Form, of: _Values, known: Vocabulary) -> Column:  # noqa: ARG001 - the shape of all
    raise TypeError(f"{type(condition).__name__} is not a condition")


@_fact.register
def _feature(condition: FeatureCondition, of: _Values, known: Vocabulary) -> Column:  # noqa: ARG001
    value = _money(of["value"]) if "_cents" in condition.feature else shown(of["value"])
    return join(f"{label(condition.feature)} ", value, _place(condition, of))


@_fact.register
def _attribute(condition: AttributeCondition, of: _Values, known: Vocabulary) -> Column:  # noqa: ARG001
    return join(f"{label(condition.attribute)} ", shown(of["value"]))


@_fact.register
def _score(condition: ScoreCondition, of: _Values, known: Vocabulary) -> Column:
    is_amount = known.scores[condition.score] == "cents"
    what, value = ("expected value", _money(of["value"])) if is_amount else ("probability", shown(of["value"]))
    parts = [f"{label(condition.score)} {what} ", value]
    if condition.break_even is not None:
        parts.append(f" (a contact pays from {condition.break_even.probability:.2f})")
    if condition.percentile is not None:
        parts += [", percentile ", shown(of["percentile"])]
    if condition.rank is not None:
        parts += [", place among the customer's offers ", shown(of["place"])]
    return join(*parts, _place(condition, of))


@_fact.register
def _cluster(condition: ClusterCondition, of: _Values, known: Vocabulary) -> Column:  # noqa: ARG001
    return join(f"{label(condition.cluster)} cluster ", pc.replace_substring(of["value"], "_", " "))


@_fact.register
def _graded(condition: Weighted, of: _Values, known: Vocabulary) -> Column:  # noqa: ARG001
    return join(f"{label(str(condition.score))} probability ", shown(of["value"]))


@_fact.register
def _lifecycle(condition: LifecycleCondition, of: _Values, known: Vocabulary) -> Column:  # noqa: ARG001
    def stage(name: str) -> Column:
        words = pc.fill_null(pc.replace_substring(of[name], "_", " "), "no customer yet")
        is_back = "reactivated" in condition.lifecycle
        return pc.if_else(of[f"{name}_in"], _or(condition.lifecycle, of[name], words), words) if is_back else words

    if "was" not in of:
        return join("lifecycle ", stage("value"))
    span = condition.entered or condition.left
    return join("lifecycle ", stage("value"), ", before ", stage("was"), f" ({span.words})" if span else "")


def _or(stages: tuple[str, ...], found: Column, words: Column) -> Column:
    """Return the stage, `reactivated` where it is asked for and the stage itself is not."""
    return pc.if_else(pc.is_in(found, value_set=pa.array(stages)), words, "reactivated")


@_fact.register
def _segment(condition: SegmentCondition, of: _Values, known: Vocabulary) -> Column:  # noqa: ARG001
    name, value, span = condition.segment, of["value"], condition.entered or condition.left
    if span is None:
        return _either(value, join(f"in {name} since ", _date(value)), f"not in {name}")
    verb = "entered" if condition.entered else "left"
    return _either(value, join(f"{verb} {name} on ", _date(value)), f"has not {verb} {name} {span.words}")


@_fact.register
def _consent(condition: ConsentCondition, of: _Values, known: Vocabulary) -> Column:  # noqa: ARG001
    words = f"consent to {condition.consent.purpose} by {condition.consent.channel}"
    return _either(of["value"], words, f"no {words}")


@_fact.register
def _event(condition: EventCondition, of: _Values, known: Vocabulary) -> Column:
    kind, value = known.events[condition.event], of["value"]
    tail = f"{having(condition.where)} {when(condition, known.events)}"
    if condition.number is not None:
        return _nth(condition, of, kind.label, f"{having(condition.where)}{_window(condition, known)}")
    if condition.sum:
        amount = _money(value) if condition.sum == "value" else shown(value)
        told = join(f"{label(condition.sum)} of {kind.counted()} ", amount, tail)
    elif condition.distinct:
        many = f"different {label(condition.distinct)} values of {kind.counted()}"
        told = join(_times(value), " ", _noun(value, many.replace("values", "value"), many), tail)
    else:
        told = join(_times(value), " ", _noun(value, kind.label, kind.counted()), tail)
    if condition.since is None:
        return told
    return _either(value, told, f"no {known.events[condition.since.event].label} to count from")


def _window(condition: EventCondition, known: Vocabulary) -> str:
    return "" if condition.ever else f" {when(condition, known.events)}"


def _nth(condition: EventCondition, of: _Values, name: str, tail: str) -> Column:
    which = "first" if condition.number == 1 else ordinal(condition.number or 1)
    before = of["before"] if "before" in of else pa.scalar(0, pa.int64())
    happened = pc.and_(pc.greater_equal(of["value"], condition.number), pc.less(before, condition.number))
    early = pc.greater_equal(before, condition.number)
    missing = pc.if_else(early, f"{which} {name} was earlier", f"no {which} {name} so far")
    return pc.if_else(happened, f"{which} {name} ever{tail}", missing)


@_fact.register
def _sequence(condition: SequenceCondition, of: _Values, known: Vocabulary) -> Column:
    value, first = of["value"], condition.sequence[0]
    window = when(condition, known.events)
    if len(condition.sequence) == 1 and first.count == 1 and not condition.same:
        kind, tail = known.events[first.event], silence(condition.then_not, known.events)
        words = [_noun(value, kind.label, kind.counted()), f"{having(first.where)} {window}{tail}"]
        told = join(_times(value), " ", *words)
    else:
        words = [_noun(value, "time", "times"), f" {window}"]
        told = join(f"{steps(condition, known.events)}: ", _times(value), " ", *words)
    latest = of["latest"]
    at = pc.strftime(pc.cast(pc.cast(latest, pa.int64()), pa.timestamp("s")), "%Y-%m-%d %H:%M UTC")
    return join(told, _either(latest, join(", latest ", at), ""))


@_fact.register
def _context(condition: ContextCondition, of: _Values, known: Vocabulary) -> Column:
    window, noun = when(condition, known.events), visits(condition)
    if condition.of == "last":
        return join(f"{condition.context} ", shown(of["value"]), f" at the last {noun} {window}")
    wanted = f"{condition.context} {' or '.join(condition.in_)}"
    count = [shown(of["value"]), " of ", shown(of["visits"]), " ", _noun(of["visits"], noun, f"{noun}s")]
    return join(f"{wanted} at ", *count, f" {window}")


def _place(condition: FeatureCondition | ScoreCondition, of: _Values) -> Column:
    """Return ` (place 31 of 2469 from the top)` where the condition ranks, else nothing."""
    for word, portion in (("top", condition.top), ("bottom", condition.bottom)):
        if portion is not None:
            places = [shown(of[f"{word}_place"]), " of ", shown(of[f"{word}_ranked"])]
            within = f" in {portion.within}" if portion.within else ""
            return join(" (place ", *places, f" from the {word}{within})")
    return ""


def _money(cents: Column) -> Column:
    """Return minor units as units with two decimals, without leaving whole numbers."""
    whole = pc.cast(pc.round(cents), pa.int64(), safe=False) if pa.types.is_floating(cents.type) else cents
    size = pc.abs(whole)
    units = pc.divide(size, 100)
    rest = pc.utf8_lpad(pc.cast(pc.subtract(size, pc.multiply(units, 100)), pa.string()), 2, "0")
    sign = pc.if_else(pc.less(whole, 0), "-", "")
    return pc.fill_null(join(sign, pc.cast(units, pa.string()), ".", rest), "unknown")


def _date(value: Column) -> Column:
    if pa.types.is_integer(value.type):
        value = pc.cast(value, pa.timestamp("s"))
    return pc.strftime(pc.cast(value, pa.timestamp("s")), "%Y-%m-%d")


def _times(count: Column) -> Column:
    return pc.fill_null(pc.if_else(pc.equal(count, 0), "no", pc.cast(count, pa.string())), "")


def _noun(count: Column, one: str, many: str) -> Column:
    return pc.fill_null(pc.if_else(pc.equal(count, 1), one, many), many)


def _either(value: Column, known: Column, unknown: str) -> Column:
    return pc.if_else(pc.is_valid(value), known, unknown)
