"""The level of expected spend: from a ranking score to cents that add up.

Trees rank customers well, but their level is that of the label windows they learnt from. Where customers grow older
than any that were learnt from, or the season turns, it no longer holds; the total that BG/NBD and Gamma-Gamma expect
does (Fader and Hardie). Every level keeps the ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.linear_model import TweedieRegressor

from ml.errors import NotEnoughData
from ml.models.base import Estimator
from ml.models.expected import EXPECTED
from ml.models.metrics import TWEEDIE_POWER, Array, Predicted, explained, measure

_LEAST_ROWS = 200  # fewer say nothing about the spread
_BINS = 200


@dataclass(frozen=True, eq=False)
class Seen:
    """A snapshot's customers: raw score, actual cents and the cents that BTYD expects, each of shape (n,)."""

    raw: Array
    actual: Array
    expected: Array


class AsLearnt(Estimator):
    """The level of the training snapshots' label windows."""

    def fit(self, seen: Seen) -> Self:
        """Learn nothing."""
        del seen
        return self

    def predict(self, raw: Array) -> Array:
        """Return cents, shape (n,)."""
        return np.asarray(raw, dtype=np.float64)


class Level(Estimator):
    """One factor, so that the expected cents of the calibration snapshot add up to what was spent."""

    def fit(self, seen: Seen) -> Self:
        """Learn the factor."""
        self.factor_ = _ratio(seen.actual, seen.raw)
        return self

    def predict(self, raw: Array) -> Array:
        """Return cents, shape (n,)."""
        return np.asarray(raw * self.factor_, dtype=np.float64)


class ExpectedTotal(Estimator):
    """One factor, so that the cents of the customers being scored add up to what BTYD expects of them all."""

    reads: ClassVar[tuple[str, ...]] = (EXPECTED,)

    def fit(self, seen: Seen) -> Self:
        """Learn nothing: the total is BTYD's, wherever customers are scored."""
        del seen
        return self

    def predict(self, raw: Array, expected: Array) -> Array:
        """Return cents, shape (n,); n must be the whole population, for its total is followed.

        Raises `NotEnoughData` where BTYD expects nothing of anybody.
        """
        return _follow(raw, expected)


class ExpectedSpread(Estimator):
    """BTYD's total, and its spread: an exponent makes high scores as much higher than low ones as BTYD does."""

    reads: ClassVar[tuple[str, ...]] = (EXPECTED,)

    def fit(self, seen: Seen) -> Self:
        """Learn the exponent for populations too small to show their own."""
        self.exponent_ = _exponent(seen.raw, seen.expected)
        return self

    def predict(self, raw: Array, expected: Array) -> Array:
        """Return cents, shape (n,); n must be the whole population, for its total and spread are followed.

        Raises `NotEnoughData` where BTYD expects nothing of anybody.
        """
        exponent = _exponent(raw, expected) if len(raw) >= _LEAST_ROWS else self.exponent_
        return _follow(np.power(np.maximum(raw, 0.0), exponent), expected)


LEVELS: dict[str, Any] = {"none": AsLearnt, "level": Level, "btyd": ExpectedTotal, "btyd_spread": ExpectedSpread}


def choose_level(wanted: str, before: Seen | None, seen: Seen) -> Any:
    """Return the level that explains most on the calibration snapshot, fitted there (`ml.models.metrics.explained`).

    Its `tried_` holds what each level that was tried explains. One that carries over what was learnt is judged as it
    will be used: fitted one snapshot earlier (`before`) and carried to the calibration snapshot. Where calibration
    shares the training's window there is no `before`: nothing vouches for a carried level, and only BTYD's remain.

    Args:
        wanted: a key of `LEVELS`, or `auto` for the best of them.
        before: the last training snapshot, or None where calibration shares its window.
        seen: the calibration snapshot.

    Raises:
        NotEnoughData: no level is left: the history is too short to carry one, and BTYD cannot be fitted.
    """
    names = _possible(before, seen) if wanted == "auto" else [wanted]
    if not names:
        raise NotEnoughData(
            "the history is too short to show whether the level of spend carries over, and BTYD cannot be fitted "
            "either; load more history, or set calibration: level to accept the level of the training window"
        )
    fitted = {name: LEVELS[name]().fit(before or seen) for name in names}
    tried = {name: explains(Predicted(seen.actual, apply(level, seen))) for name, level in fitted.items()}
    chosen = LEVELS[max(tried, key=lambda name: tried[name])]().fit(seen)
    chosen.tried_ = tried
    return chosen


def name_of(level: Any) -> str:
    """Return the name of a level, as the model's file writes it."""
    return next(name for name, kind in LEVELS.items() if type(level) is kind)


def _possible(before: Seen | None, seen: Seen) -> list[str]:
    known = seen.expected.sum() > 0 and (before is None or before.expected.sum() > 0)
    return [name for name in LEVELS if (known if LEVELS[name].reads else before is not None)]


def apply(level: Any, seen: Seen) -> Array:
    """Return the cents of a snapshot's customers under a fitted level, shape (n,)."""
    return np.asarray(level.predict(seen.raw, *([seen.expected] if level.reads else [])), dtype=np.float64)


def explains(predicted: Predicted) -> float:
    """Return the share of the Tweedie deviance that is explained."""
    return measure(predicted, {"it": explained})["it"]


def _follow(score: Array, expected: Array) -> Array:
    if not len(score):
        return score
    if not expected.sum() > 0:
        raise NotEnoughData(
            "the model's level follows what BTYD expects, and it expects nothing of these customers: the log says why "
            "it could not be fitted; load their order history, or train again with calibration: level"
        )
    return np.asarray(score * _ratio(expected, score), dtype=np.float64)


def _ratio(top: Array, bottom: Array) -> float:
    total = float(bottom.sum())
    return float(top.sum()) / total if total > 0 else 1.0


def _exponent(raw: Array, expected: Array) -> float:
    """Return the slope of log expected spend over the log score, by a Tweedie regression on bins of the score."""
    order = np.argsort(raw, kind="stable")
    bins = np.array_split(order[raw[order] > 0], _BINS)
    means = np.array([(raw[rows].mean(), expected[rows].mean(), len(rows)) for rows in bins if len(rows)])
    if len(means) < 2 or means[0, 0] == means[-1, 0]:
        return 1.0
    score, cents, weight = means.T
    model = TweedieRegressor(power=TWEEDIE_POWER, alpha=0, link="log", solver="newton-cholesky", max_iter=200)
    model.fit(np.log(score)[:, None], cents / cents.mean(), weight)
    return float(np.clip(model.coef_[0], 0.2, 5.0))
