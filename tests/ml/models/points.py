"""Snapshots made of numbers alone: points in time without a warehouse, whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml.models.dataset import Snapshot, TrainingSet
from ml.models.spec import ModelSpec
from ml.times import parse_as_of

SEEN = ("recency_days", "orders_84d", "views_28d")


def spec(**more: object) -> ModelSpec:
    """A churn model that sees three features, of which the third is noise."""
    told = {"name": "x", "description": "x", "task": "churn", "horizon_days": 28, "active_window_days": 28}
    return ModelSpec.model_validate(told | {"features": {"include": SEEN}} | more)


def data(customers: int = 400, days: tuple[int, ...] = (168, 140, 112, 84, 56, 28), **more: float) -> TrainingSet:
    """Snapshots so many days before 2024-06-01, the last two to calibrate and to test."""
    *train, calibration, test = (snapshot(customers, back, **more) for back in days)
    return TrainingSet(tuple(train), calibration, test)


def snapshot(customers: int, back: int, base: float = -1.0) -> Snapshot:
    """Customers at a point in time; silence and few orders make the outcome likely, `base` is its log odds."""
    rng = np.random.default_rng(back)
    frame = pd.DataFrame({name: rng.integers(0, 10, customers).astype(float) for name in SEEN})
    odds = base + 0.4 * (frame["recency_days"] - 4.5) - 0.4 * (frame["orders_84d"] - 4.5)
    label = (rng.random(customers) < 1 / (1 + np.exp(-odds.to_numpy()))).astype(float)
    keys = np.arange(customers, dtype=np.int64) + 2**62
    return Snapshot(parse_as_of("2024-06-01").minus(back), keys, frame, frame, label)
