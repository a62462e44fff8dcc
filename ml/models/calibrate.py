"""Calibration: from a raw score to a probability that holds, or to cents that add up.

Fitted on a snapshot that the estimator has not seen. The sigmoid (Platt 1999) has two parameters and is the
default: with few positives, isotonic regression follows noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ml.models.base import Estimator

if TYPE_CHECKING:
    from ml.models.metrics import Array

_EDGE = 1e-6


def logit(probability: Array) -> Array:
    """Return log(p / (1 - p)), finite at 0 and 1."""
    inside = np.clip(probability, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)


class Sigmoid(Estimator):
    """A logistic curve over the score's log odds; never turns the ranking round."""

    def fit(self, score: Array, actual: Array) -> Self:
        """Learn slope and intercept from raw probabilities and outcomes, both of shape (n,)."""
        model = LogisticRegression(C=1e6, max_iter=500).fit(logit(score)[:, None], actual)
        self.slope_ = max(0.0, float(model.coef_[0, 0]))
        self.intercept_ = float(model.intercept_[0]) if self.slope_ else float(logit(actual.mean()))
        return self

    def predict(self, score: Array) -> Array:
        """Return calibrated probabilities, shape (n,)."""
        return np.asarray(1 / (1 + np.exp(-self.intercept_ - self.slope_ * logit(score))), dtype=np.float64)


class Isotonic(Estimator):
    """A rising step function; wants some thousand positives."""

    def fit(self, score: Array, actual: Array) -> Self:
        """Learn the steps from raw probabilities and outcomes, both of shape (n,)."""
        self.steps_ = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score, actual)
        return self

    def predict(self, score: Array) -> Array:
        """Return calibrated probabilities, shape (n,)."""
        return np.asarray(self.steps_.predict(score), dtype=np.float64)


class Level(Estimator):
    """One factor, so that expected amounts add up to the actual total; the ranking stays."""

    def fit(self, score: Array, actual: Array) -> Self:
        """Learn the factor from expected and actual amounts, both of shape (n,)."""
        total = float(score.sum())
        self.factor_ = float(actual.sum()) / total if total > 0 else 1.0
        return self

    def predict(self, score: Array) -> Array:
        """Return rescaled amounts, shape (n,), never below zero."""
        return np.asarray(np.maximum(score * self.factor_, 0.0), dtype=np.float64)


class Identity(Estimator):
    """The score as it is."""

    def fit(self, score: Array, actual: Array) -> Self:
        """Learn nothing."""
        del score, actual
        return self

    def predict(self, score: Array) -> Array:
        """Return the score."""
        return np.asarray(score, dtype=np.float64)


CALIBRATORS: dict[str, Any] = {
    "sigmoid": Sigmoid,
    "isotonic": Isotonic,
    "level": Level,
    "none": Identity,
}
