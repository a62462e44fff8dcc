"""The section of a survival model: how each of its horizons came out in the test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml.models.page.parts import Row, Section, Table
from ml.models.page.words import figure, percent

if TYPE_CHECKING:
    from ml.models.spec import ModelSpec


def horizons(spec: ModelSpec, metrics: Mapping[str, float]) -> Section:
    """Return one row a horizon, of those that were within reach; nothing for a model of one horizon."""
    rows = [
        Row(
            (
                f"{days} days",
                *(percent(metrics[f"{name}_{days}d"], 1) for name in ("base", "expected")),
                *(figure(metrics[f"{name}_{days}d"]) for name in ("auc", "brier", "ece")),
            ),
            days == spec.horizon_days,
        )
        for days in spec.survival_days
        if f"auc_{days}d" in metrics
    ]
    lead = "The chance of no order within each horizon; of one customer it can only fall from one to the next."
    head = ("no order within", "happened", "expected", "AUC", "Brier score", "calibration error")
    return Section("Horizons", lead, (Table(head, tuple(rows)),) if rows else ())
