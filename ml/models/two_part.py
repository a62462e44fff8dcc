"""Spend in two parts: the chance to buy at all, times the amount given that something is bought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from ml.models.base import Estimator

if TYPE_CHECKING:
    from ml.models.metrics import Array


class TwoPart(RegressorMixin, Estimator):  # type: ignore[misc]  # scikit-learn has no type hints
    """The hurdle model (Cragg 1971) of two fitted estimators, for amounts that are often zero.

    Args:
        buys: classifier of an amount above zero.
        amount: regressor of the amount, fitted on those above zero alone.
    """

    def __init__(self, buys: Any, amount: Any) -> None:
        self.buys = buys
        self.amount = amount

    def fit(self, X: Array, y: Array) -> Self:  # noqa: N803  # scikit-learn's name
        """Fit both parts on features of shape (n, k) and amounts of shape (n,)."""
        bought = y > 0
        self.buys_ = self.buys.fit(X, bought.astype(np.int64))
        self.amount_ = self.amount.fit(X[bought], y[bought])
        return self

    def predict(self, X: Array) -> Array:  # noqa: N803
        """Return expected amounts, shape (n,)."""
        return np.asarray(self.buys_.predict_proba(X)[:, 1] * self.amount_.predict(X), dtype=np.float64)
