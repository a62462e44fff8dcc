"""Why a customer is in a segment, in words with the values, made for all rows at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from ml.segments.conditions import MILLI, MILLION, WeightOf
from ml.segments.facts import Column, fact, flat, join, shown
from ml.segments.forms import Form
from ml.segments.plan import Leaf, Node, Plan
from ml.segments.vocabulary import Vocabulary

_NO_TEXT = pa.scalar(None, pa.string())


def reasons(rows: pa.Table, plan: Plan, known: Vocabulary) -> pa.Array:
    """Return one text a row of `judged.sql`: the facts that decide the rule, joined by `; `.

    Under `any` only the branches that hold are told; under `not`, what is known instead; of a weighted sum the
    points and what earned them.
    """
    everywhere = pa.repeat(pa.scalar(value=True), rows.num_rows)
    told = [
        pc.if_else(deciding, _said(rows, part, known), _NO_TEXT)
        for part, deciding in _deciding(rows, plan.root, everywhere, wanted=True)
    ]
    return flat(pc.binary_join_element_wise(*told, "; ", null_handling="skip"))


def truth(rows: pa.Table, node: Node) -> Column:
    """Return for each row whether a part of the rule holds."""
    if node.leaf is not None:
        return flat(rows.column(node.leaf.column))
    if node.kind == "weight":
        return pc.greater_equal(flat(rows.column(node.column)), node.threshold)
    parts = [truth(rows, part) for part in node.parts]
    if node.kind == "not":
        return pc.invert(parts[0])
    return reduce(pc.and_ if node.kind == "all" else pc.or_, parts)


def _said(rows: pa.Table, part: Leaf | Node, known: Vocabulary) -> Column:
    if isinstance(part, Leaf):
        return fact(rows, part, known)
    points = pc.divide(pc.cast(flat(rows.column(part.column)), pa.float64()), float(MILLI * MILLION))
    return join(shown(points), f" of {_most(part.condition):g} points")


def _most(condition: Form | None) -> float:
    return condition.most if isinstance(condition, WeightOf) else 0


def _deciding(rows: pa.Table, node: Node, here: Column, *, wanted: bool) -> Iterator[tuple[Leaf | Node, Column]]:
    """Yield each condition, or weighted sum, with the rows in which it bears on the outcome."""
    if node.leaf is not None:
        yield node.leaf, here
    elif node.kind == "not":
        yield from _deciding(rows, node.parts[0], here, wanted=not wanted)
    elif node.kind == "weight":
        yield node, here
        earning = [part for part, points in zip(node.parts, node.points, strict=True) if points.thousandths > 0]
        for part in earning if wanted else ():
            yield from _deciding(rows, part, pc.and_(here, truth(rows, part)), wanted=True)
    else:
        everyone = (node.kind == "all") == wanted
        for part in (part for part in node.parts if not (part.silent and wanted)):
            holds = truth(rows, part)
            bears = here if everyone else pc.and_(here, holds if wanted else pc.invert(holds))
            yield from _deciding(rows, part, bears, wanted=wanted)
