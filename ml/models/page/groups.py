"""The section that shows a model group by group."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ml.models.page import svg
from ml.models.page.parts import Band, Row, Section, Table, each
from ml.models.page.words import count, figure, money, percent, points

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.spec import ModelSpec


def groups(spec: ModelSpec, rows: pd.DataFrame, currency: str = "") -> Section:
    """Return the groups of customers with the gaps between what was expected and what happened."""
    if rows.empty:
        return Section("Groups of customers", "", ())
    unit = "percent of the actual" if spec.kind == "cents" else "points"
    lead = (
        f"Groups of fewer than {spec.evaluation.slice_customers} customers are put together. A gap is expected minus "
        f"realised, in {unit}: below 0 the model promises too little. {_seen(spec)}"
    )
    clear = int(rows["clear"].sum())
    told = f"{clear} of {len(rows)} gaps are" if clear else f"None of {len(rows)} gaps is"
    rank = "Gini" if spec.kind == "cents" else "AUC"
    note = (
        f"{told} larger than chance would leave in any of so many groups (marked; Bonferroni at 5%). {rank} with its "
        "95% interval (jackknife), where a group has ten of each outcome. Contacted: share of the group that is "
        "among those whom marketing will contact; found: share of its outcome that they hold."
    )
    head = ("group", "customers", "expected", "realised", "", f"gap, {unit}", rank, "contacted", "found")
    scale = _scale(rows)
    made: list[Row | Band] = []
    for attribute, members in rows.groupby("attribute", sort=False):
        made.append(_band(str(attribute), members))
        made += [_row(spec, row, scale, currency) for row in each(members)]
    return Section("Groups of customers", lead, (Table(head, tuple(made), note),))


def _seen(spec: ModelSpec) -> str:
    if spec.features.sensitive:
        return f"Of what is marked sensitive the model is allowed to see {', '.join(spec.features.sensitive)}."
    return "The model sees nothing that is marked sensitive; it is read here only."


def _scale(rows: pd.DataFrame) -> float:
    """Return the gap at the ends of the small drawings: most intervals fit."""
    return max(float(rows[["gap_low", "gap_high"]].abs().max(axis=1).quantile(0.9)), 1e-9)


def _band(attribute: str, members: pd.DataFrame) -> Band:
    gaps, contacted = members["gap"], members["contacted"]
    note = (
        f"gaps {points(gaps.min())} to {points(gaps.max())}; "
        f"contacted {percent(contacted.min(), 0)} to {percent(contacted.max(), 0)}"
    )
    return Band(attribute.replace("_", " "), "sensitive" if members["sensitive"].iloc[0] else "", note)


def _row(spec: ModelSpec, row: Any, scale: float, currency: str) -> Row:
    def level(value: float) -> str:
        return money(value, currency) if spec.kind == "cents" else percent(value)

    drawing = svg.interval(row.gap, row.gap_low, row.gap_high, scale, "c1" if row.clear else "c0")
    known = not math.isnan(row.rank)
    cells = (
        row.group,
        count(row.customers),
        level(row.predicted),
        level(row.actual),
        drawing,
        f"{points(row.gap)} [{points(row.gap_low)}, {points(row.gap_high)}]" + (" ✗" if row.clear else ""),
        f"{figure(row.rank)} [{row.rank_low:.2f}, {row.rank_high:.2f}]" if known else "–",
        percent(row.contacted),
        percent(row.found),
    )
    return Row(cells, bool(row.clear))
