"""Rules that a marketer could apply without a model; every run shows them beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ml.features.catalogue import catalogue
from ml.models.expected import EXPECTED

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.metrics import Array
    from ml.models.spec import ModelSpec

BTYD = "btyd"
Rule = Callable[["pd.DataFrame"], "Array"]
_NEVER = 3_650.0  # days: stands for an order that never was
_SCORES = ["recency_score", "frequency_score", "monetary_score"]


def rule_features(spec: ModelSpec) -> list[str]:
    """Return the features that the rules of a model read, whether or not the model itself sees them."""
    return [_recency_name(spec), *_SCORES, *([_window_name(spec), EXPECTED] if spec.kind == "cents" else [])]


def rules(spec: ModelSpec) -> dict[str, Rule]:
    """Return the rules of a model: each turns a frame of features into a raw score, shape (rows,).

    A raw score lies between 0 and 1 (or is an amount), and is calibrated before it is measured; only `BTYD`, which is
    a model of its own, stays as it is.
    """
    found: dict[str, Rule] = {
        "recency": lambda frame: _as_raw(_recency(frame, _recency_name(spec)), spec),
        "rfm": lambda frame: _as_raw(_rfm(frame), spec),
    }
    if spec.kind == "cents":
        found["last_window"] = lambda frame: _filled(frame, _window_name(spec), 0.0)
        found[BTYD] = lambda frame: _filled(frame, EXPECTED, 0.0)
    return found


def _as_raw(liking: Array, spec: ModelSpec) -> Array:
    """Turn a rule's liking (higher: likelier to buy) into a raw score of what the model predicts."""
    if spec.kind == "cents":
        return np.exp(liking)
    return np.asarray(1 / (1 + np.exp(liking if spec.task in {"churn", "survival"} else -liking)), dtype=np.float64)


def _recency(frame: pd.DataFrame, name: str) -> Array:
    return -np.log1p(_filled(frame, name, _NEVER))


def _rfm(frame: pd.DataFrame) -> Array:
    return np.asarray(frame[_SCORES].fillna(1).to_numpy(dtype=np.float64).mean(axis=1) - 3, dtype=np.float64)


def _filled(frame: pd.DataFrame, name: str, value: float) -> Array:
    return frame[name].fillna(value).to_numpy(dtype=np.float64)


def _recency_name(spec: ModelSpec) -> str:
    return "target_recency_days" if spec.target else "recency_days"


def _window_name(spec: ModelSpec) -> str:
    """Return the spend feature whose window is nearest to the horizon."""
    windows = [int(found[1]) for name in catalogue() if (found := re.fullmatch(r"spend_cents_(\d+)d", name))]
    nearest = min(windows, key=lambda days: abs(np.log(days / spec.horizon_days)))
    return f"spend_cents_{nearest}d"
