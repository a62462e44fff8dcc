"""Prediction intervals for amounts: how widely the spend of customers of whom the same was expected went apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from ml.models.base import Estimator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.models.metrics import Array

COVERAGE = 0.8
_BINS = 10
_LEAST_ROWS = 50
_TRIED = np.arange(0.30, 0.991, 0.01)


class Intervals(Estimator):
    """Split conformal intervals by expected amount.

    Customers of the calibration snapshot are ordered by what was expected of them and cut into groups of equal size;
    a group's quantiles are its interval, and between groups it is interpolated. Where enough customers of a group
    spend nothing, its interval begins at 0 and ends at the quantile of its share; else it leaves out as many below as
    above. That share is one for all groups, and such that the intervals hold for `coverage` of the calibration
    customers. What holds for all together may be more among those who rarely buy, and less among those who do.

    Because they are looked up by the expected amount, they follow it to another level and another time.

    Args:
        coverage: share of customers whose spend lies within, ends included.

    Source: Vovk, Gammerman and Shafer, Algorithmic learning in a random world (2005), section 4.
    """

    def __init__(self, coverage: float = COVERAGE) -> None:
        self.coverage = coverage

    def fit(self, expected: Array, actual: Array) -> Self:
        """Learn the quantiles from expected and actual amounts of customers not trained on, both of shape (n,)."""
        order = np.argsort(expected, kind="stable")
        groups = np.array_split(order, max(1, min(_BINS, len(order) // _LEAST_ROWS)))
        self.centres_ = np.array([float(expected[rows].mean()) for rows in groups])
        spent = [np.sort(actual[rows]) for rows in groups]
        for share in _TRIED:
            self.low_, self.high_ = _ends(spent, float(share))
            if within(actual, *self.predict(expected)).mean() >= self.coverage:
                break
        return self

    def predict(self, expected: Array) -> tuple[Array, Array]:
        """Return the lower and upper end for each expected amount, both of shape (n,), in its unit."""
        low, high = (np.interp(expected, self.centres_, ends) for ends in (self.low_, self.high_))
        beyond = np.maximum(expected / max(float(self.centres_[-1]), 1e-12), 1.0)  # the ends grow in proportion
        return low * beyond, high * beyond


def within(actual: Array, low: Array, high: Array) -> NDArray[np.bool_]:
    """Return whether each amount lies in its interval, ends included."""
    return np.asarray((low <= actual) & (actual <= high))


def _ends(spent: list[Array], share: float) -> tuple[Array, Array]:
    ends = np.array([_interval(values, share) for values in spent])
    low, high = np.maximum.accumulate(ends, axis=0).T
    return low, high


def _interval(ascending: Array, share: float) -> tuple[float, float]:
    low = _quantile(ascending, (1 - share) / 2)
    return low, _quantile(ascending, share if low <= 0 else (1 + share) / 2)


def _quantile(ascending: Array, share: float) -> float:
    """Return the least value that at least `share` of the values do not exceed."""
    place = int(np.ceil(share * len(ascending))) - 1
    return float(ascending[min(max(place, 0), len(ascending) - 1)])
