"""Why a customer is in a segment, in words with the values, made for all rows at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.segments.conditions import (
    ConsentCondition,
    EventCondition,
    FeatureCondition,
    ScoreCondition,
    SegmentCondition,
    SequenceCondition,
)
from ml.segments.plan import Leaf, Node, Plan
from ml.segments.vocabulary import Vocabulary
from ml.segments.words import having, label, silence, steps, when

Column = Any  # an Arrow column, or one value for every row
_NO_TEXT = pa.scalar(None, pa.string())


def reasons(rows: pa.Table, plan: Plan, known: Vocabulary) -> pa.Array:
    """Return one text a row of `judged.sql`: the facts that decide the rule, joined by `; `.

    Under `any` only the branches that hold are told; under `not`, what is known instead.
    """
    everywhere = pa.repeat(pa.scalar(value=True), rows.num_rows)
    told = [
        pc.if_else(deciding, fact(rows, leaf, known), _NO_TEXT)
        for leaf, deciding in _deciding(rows, plan.root, everywhere, wanted=True)
    ]
    return _flat(pc.binary_join_element_wise(*told, "; ", null_handling="skip"))


def fact(rows: pa.Table, leaf: Leaf, known: Vocabulary) -> Column:
    """Return what is known of a condition for each row, whether it holds or not."""
    value = _flat(rows.column(f"value_{leaf.number}"))
    match leaf.condition:
        case FeatureCondition(feature=name):
            shown = _money(value) if "_cents" in name else _shown(value)
            return _join(f"{label(name)} ", shown, _place(rows, leaf))
        case ScoreCondition():
            return _score(rows, leaf, leaf.condition, value, known)
        case EventCondition() as condition:
            kind = known.events[condition.event]
            tail = f"{having(condition.where)} {when(condition)}"
            return _join(_times(value), " ", _noun(value, kind.label, kind.counted()), tail)
        case SequenceCondition() as condition:
            return _sequence(rows, leaf, condition, value, known)
        case SegmentCondition(segment=name):
            since = pc.strftime(pc.cast(value, pa.timestamp("s")), "%Y-%m-%d")
            return _either(value, _join(f"in {name} since ", since), f"not in {name}")
        case ConsentCondition(consent=asked):
            words = f"consent to {asked.purpose} by {asked.channel}"
            return _either(value, words, f"no {words}")
    raise TypeError(f"{type(leaf.condition).__name__} is not a condition")


def _deciding(rows: pa.Table, node: Node, here: Column, *, wanted: bool) -> Iterator[tuple[Leaf, Column]]:
    """Yield each condition with the rows in which it bears on the outcome."""
    if node.leaf is not None:
        yield node.leaf, here
    elif node.kind == "not":
        yield from _deciding(rows, node.parts[0], here, wanted=not wanted)
    else:
        everyone = (node.kind == "all") == wanted
        for part in node.parts:
            holds = truth(rows, part)
            bears = here if everyone else pc.and_(here, holds if wanted else pc.invert(holds))
            yield from _deciding(rows, part, bears, wanted=wanted)


def truth(rows: pa.Table, node: Node) -> Column:
    """Return for each row whether a part of the rule holds."""
    if node.leaf is not None:
        return _flat(rows.column(node.leaf.column))
    parts = [truth(rows, part) for part in node.parts]
    if node.kind == "not":
        return pc.invert(parts[0])
    return reduce(pc.and_ if node.kind == "all" else pc.or_, parts)


def _score(rows: pa.Table, leaf: Leaf, condition: ScoreCondition, value: Column, known: Vocabulary) -> Column:
    is_amount = known.scores[condition.score] == "cents"
    what, shown = ("expected value", _money(value)) if is_amount else ("probability", _shown(value))
    parts = [f"{label(condition.score)} {what} ", shown]
    if condition.break_even is not None:
        parts.append(f" (a contact pays from {condition.break_even.probability:.2f})")
    if condition.percentile is not None:
        parts += [", percentile ", _shown(_flat(rows.column(f"percentile_{leaf.number}")))]
    return _join(*parts, _place(rows, leaf))


def _sequence(rows: pa.Table, leaf: Leaf, condition: SequenceCondition, value: Column, known: Vocabulary) -> Column:
    first = condition.sequence[0]
    if len(condition.sequence) == 1 and first.count == 1:
        kind, tail = known.events[first.event], silence(condition.then_not, known.events)
        told = _join(
            _times(value),
            " ",
            _noun(value, kind.label, kind.counted()),
            f"{having(first.where)} {when(condition)}{tail}",
        )
    else:
        told = _join(
            f"{steps(condition, known.events)}: ",
            _times(value),
            " ",
            _noun(value, "time", "times"),
            f" {when(condition)}",
        )
    latest = _flat(rows.column(f"latest_{leaf.number}"))
    at = pc.strftime(pc.cast(pc.cast(latest, pa.int64()), pa.timestamp("s")), "%Y-%m-%d %H:%M UTC")
    return _join(told, _either(latest, _join(", latest ", at), ""))


def _place(rows: pa.Table, leaf: Leaf) -> Column:
    """Return ` (place 31 of 2469)` where the condition ranks, else nothing."""
    for word in ("top", "bottom"):
        column = f"{word}_place_{leaf.number}"
        if column in rows.column_names:
            place, ranked = (_shown(_flat(rows.column(name))) for name in (column, f"{word}_ranked_{leaf.number}"))
            return _join(" (place ", place, " of ", ranked, " from the top)" if word == "top" else " from the bottom)")
    return ""


def _shown(value: Column) -> Column:
    if pa.types.is_floating(value.type):
        value = pc.round(value, 2)
    return pc.fill_null(pc.cast(value, pa.string()), "unknown")


def _money(cents: Column) -> Column:
    """Return minor units as units with two decimals, without leaving whole numbers."""
    whole = pc.cast(pc.round(cents), pa.int64(), safe=False) if pa.types.is_floating(cents.type) else cents
    size = pc.abs(whole)
    units = pc.divide(size, 100)
    rest = pc.utf8_lpad(pc.cast(pc.subtract(size, pc.multiply(units, 100)), pa.string()), 2, "0")
    sign = pc.if_else(pc.less(whole, 0), "-", "")
    return pc.fill_null(_join(sign, pc.cast(units, pa.string()), ".", rest), "unknown")


def _times(count: Column) -> Column:
    return pc.if_else(pc.equal(count, 0), "no", pc.cast(count, pa.string()))


def _noun(count: Column, one: str, many: str) -> Column:
    return pc.if_else(pc.equal(count, 1), one, many)


def _either(value: Column, known: Column, unknown: str) -> Column:
    return pc.if_else(pc.is_valid(value), known, unknown)


def _join(*parts: Column) -> Column:
    return pc.binary_join_element_wise(*parts, "")


def _flat(column: Column) -> Column:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
