"""From named features to the numbers that an estimator takes, learnt once on the training snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from ml.models.base import Estimator

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from ml.models.metrics import Array

MISSING = "missing"
_LEVELS = 12
_RARE = 0.005


class FeatureEncoder(Estimator):
    """Numbers as they are, categories as one column a frequent level.

    A number imputed with `zero` or `median` in the catalogue is filled; otherwise it stays NaN, which trees read as
    it is. A level seen in fewer than 0.5% of the training rows, or never, sets none of its feature's columns.

    Args:
        numbers: numeric features and how each is imputed (zero, median, missing or none).
        categories: categorical features.
    """

    def __init__(self, numbers: Mapping[str, str], categories: list[str]) -> None:
        self.numbers = numbers
        self.categories = categories

    def fit(self, frame: pd.DataFrame, y: object = None) -> Self:
        """Learn medians and levels from a frame of features, one row a customer and snapshot."""
        del y
        self.fill_ = {name: 0.0 for name, how in self.numbers.items() if how == "zero"}
        self.fill_ |= {name: _median(frame[name]) for name, how in self.numbers.items() if how == "median"}
        self.levels_ = {name: _frequent(frame[name]) for name in self.categories}
        return self

    def transform(self, frame: pd.DataFrame) -> Array:
        """Return shape (rows, columns), float64, in the order of `origins`."""
        numbers = frame[list(self.numbers)].fillna(self.fill_).to_numpy(dtype=np.float64)
        dummies = [(frame[name] == level).to_numpy() for name, levels in self.levels_.items() for level in levels]
        return np.column_stack([numbers, *dummies]) if dummies else numbers

    @property
    def origins(self) -> list[str]:
        """The feature behind each column of `transform`."""
        return [*self.numbers, *(name for name, levels in self.levels_.items() for _ in levels)]


def _median(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.median()) if len(known) else 0.0


def _frequent(values: pd.Series) -> list[str]:
    counts = values.value_counts(normalize=True)
    frequent = counts[counts >= _RARE].head(_LEVELS)
    return sorted(str(level) for level in frequent.index)


def signed_log(values: Array) -> Array:
    """Return sign(x) log(1 + |x|): a linear model sees orders of magnitude, not the largest spender."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)), dtype=np.float64)
