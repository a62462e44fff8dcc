"""Scores that the made-up shop gave in the past: right ones, and ones that say nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml.sql import table
from ml.times import AsOf
from ml.warehouse import Warehouse
from tests.ml.models.shop import features


def true_chance(at: AsOf) -> np.ndarray:
    """The probability by which the shop's customers fall silent."""
    known = features(at)
    return 1 / (1 + np.exp(-(0.25 * known["recency_days"] - 0.35 * known["orders_84d"] - 0.5)))


def write_scores(
    warehouse: Warehouse, at: AsOf, *, model: str = "churn_28d", version: str = "1", worth: bool = True
) -> None:
    """Write what a version said at `at`: the true chance, or, of no worth, the chance of somebody else."""
    chance = np.asarray(true_chance(at))
    score = chance if worth else np.random.default_rng(0).permutation(chance)
    rows = pd.DataFrame({"customer_key": features(at)["customer_key"], "score": score})
    told = {"kind": "probability", "model_version": version, "percentile": 0.5, "top_reasons": "[]"}
    told |= {"rank": np.arange(1, len(rows) + 1)}
    silent = {*table("customer_scores").column_names} - {"customer_key", "score", "as_of", "model"}
    rows = rows.assign(**(dict.fromkeys(silent) | told))
    warehouse.write("customer_scores", rows, {"as_of": at, "model": model})
