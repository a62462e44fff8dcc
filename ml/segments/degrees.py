"""Degrees of membership: a probability, or the share of the points that could be had."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.segments.conditions import MILLI, MILLION, WeightOf
from ml.segments.language import Segment
from ml.segments.plan import Plan


def degrees(rows: pa.Table, plan: Plan, segment: Segment) -> Any:
    """Return each member's degree from 0 to 1; 1 for a segment whose members have none."""
    graded = segment.graded if segment.membership == "probability" else None
    if graded is None:
        return pa.repeat(pa.scalar(1.0), rows.num_rows)
    if isinstance(graded, WeightOf):
        node = next(node for node in plan.weights if node.condition is graded)
        share = pc.divide(pc.cast(rows[node.column], pa.float64()), graded.most * MILLI * MILLION)
        return pc.max_element_wise(pc.min_element_wise(share, 1.0), 0.0)
    leaf = next(leaf for leaf in plan.leaves if leaf.condition is graded)
    return pc.cast(rows[f"value_{leaf.number}"], pa.float64())
