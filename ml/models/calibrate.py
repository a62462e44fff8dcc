"""Calibration: from a raw score to a probability that holds.

Fitted on label windows that the estimator has not learnt from. Which curve, if any, is decided by log-loss on windows
that the curve has not seen either: a curve that fits one month may be wrong for the next (how many offers are redeemed
hangs on how many are made), and isotonic regression always fits best what it was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ml.models.base import Estimator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.models.metrics import Array

AUTO = "auto"
_EDGE = 1e-6
_PARTS = 5  # of the customers, where there is one window only


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
    "none": Identity,
}


@dataclass(frozen=True, eq=False)
class Period:
    """Customers of one label window: raw scores of a model that did not learn from them, and outcomes, each (n,)."""

    score: Array
    actual: Array

    @property
    def tells(self) -> bool:
        """Whether both outcomes are there."""
        return bool(0 < (self.actual > 0).sum() < len(self.actual))

    def of(self, chosen: Any) -> Period:
        """Return some of the customers."""
        return Period(self.score[chosen], self.actual[chosen])


def pooled(periods: Sequence[Period]) -> Period:
    """Return all customers of all periods."""
    return Period(np.concatenate([p.score for p in periods]), np.concatenate([p.actual for p in periods]))


def fit_calibration(how: str, periods: Sequence[Period]) -> Any:
    """Return a fitted calibrator; `auto` takes the one with the least `losses`."""
    if how == AUTO:
        found = losses(periods)
        how = min(found, key=lambda name: found[name])
    everyone = pooled(periods)
    return CALIBRATORS[how]().fit(everyone.score, everyone.actual)


def losses(periods: Sequence[Period]) -> dict[str, float]:
    """Return each calibrator's mean log-loss, on periods that it has not seen."""
    return {name: log_loss(held_out(name, periods)) for name in CALIBRATORS}


def held_out(how: str, periods: Sequence[Period]) -> Period:
    """Return the calibrated scores of all periods, each by a calibrator of the others.

    Where only one period has both outcomes, its customers are split in five instead.
    """
    known = [period for period in periods if period.tells]
    apart = known if len(known) > 1 else _parts(pooled(periods))
    return pooled([_judged(how, apart, number) for number in range(len(apart))])


def _judged(how: str, periods: Sequence[Period], number: int) -> Period:
    others = pooled([period for other, period in enumerate(periods) if other != number])
    calibrator = CALIBRATORS[how if others.tells else "none"]().fit(others.score, others.actual)
    return Period(calibrator.predict(periods[number].score), periods[number].actual)


def _parts(period: Period) -> list[Period]:
    place = np.arange(len(period.score)) % _PARTS
    return [period.of(place == part) for part in range(min(_PARTS, len(period.score)))]


def log_loss(period: Period) -> float:
    """Return the mean negative log-likelihood of what happened; a certainty that was wrong costs 13.8, not infinity."""
    p = np.clip(period.score, _EDGE, 1 - _EDGE)
    return float(-np.mean(np.where(period.actual > 0, np.log(p), np.log1p(-p))))


def name_of(calibrator: Any) -> str:
    """Return the name under which a calibrator is registered."""
    return next(name for name, kind in CALIBRATORS.items() if type(calibrator) is kind)
