"""Metrics of probabilities and of expected values, vectorised over bootstrap weights.

Every metric takes the outcomes and scores of n customers (`Predicted`) and weights of shape
(draws, n), and returns one number a draw: shape (draws,). Weights of one are the plain metric. Ties
in the score count half, so that a rule with few distinct values is judged as what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Metric = Callable[["Predicted", Array], Array]

BINS = 10
# Spend is zero for many and skewed for the rest: between Poisson (1) and gamma (2).
TWEEDIE_POWER = 1.3
_CELLS = 4_000_000  # of one block of weights: 32 MB


@dataclass(frozen=True, eq=False)
class Predicted:
    """What happened and what was predicted, customer by customer, both of shape (n,)."""

    actual: Array
    score: Array

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Positions in ascending order of the score."""
        return np.argsort(self.score, kind="stable")

    @cached_property
    def ties(self) -> NDArray[np.intp]:
        """Where each run of equal scores begins in `order`."""
        ascending = self.score[self.order]
        return np.flatnonzero(np.r_[True, ascending[1:] != ascending[:-1]])

    def by_tie(self, weights: Array) -> Array:
        """Sum weights (draws, n) over each run of equal scores, ascending: (draws, runs)."""
        return np.add.reduceat(weights[:, self.order], self.ties, axis=1)

    def by_bin(self, weights: Array, values: Array) -> Array:
        """Sum `values` (n,) over ten equally heavy bins of the score, ascending: (draws, 10)."""
        return self.by_tie_share(weights, values, np.linspace(0, 1, BINS + 1))

    def by_tie_share(self, weights: Array, values: Array, edges: Array) -> Array:
        """Sum `values` between shares of the weight; a run of ties is split in proportion."""
        mass = _from_zero(self.by_tie(weights))
        total = _from_zero(self.by_tie(weights * values))
        cuts = [_interpolate(edges, m / m[-1], t) for m, t in zip(mass, total, strict=True)]
        return np.diff(np.stack(cuts), axis=1)


def _from_zero(parts: Array) -> Array:
    return np.concatenate([np.zeros((len(parts), 1)), np.cumsum(parts, axis=1)], axis=1)


def _interpolate(at: Array, x: Array, y: Array) -> Array:
    return np.asarray(np.interp(at, x, y), dtype=np.float64)


def _mean(weights: Array, values: Array) -> Array:
    return np.asarray(weights @ values / weights.sum(axis=1), dtype=np.float64)


def roc_auc(p: Predicted, weights: Array) -> Array:
    """Chance that a random positive outranks a random negative (Mann-Whitney)."""
    positive, negative = p.by_tie(weights * p.actual), p.by_tie(weights * (1 - p.actual))
    below = np.cumsum(negative, axis=1) - negative / 2
    return _ratio((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))


def average_precision(p: Predicted, weights: Array) -> Array:
    """Precision at every distinct score, averaged over the positives."""
    positive, everyone = p.by_tie(weights * p.actual)[:, ::-1], p.by_tie(weights)[:, ::-1]
    precision = _ratio(np.cumsum(positive, axis=1), np.cumsum(everyone, axis=1))
    return _ratio((positive * precision).sum(axis=1), positive.sum(axis=1))


def brier(p: Predicted, weights: Array) -> Array:
    """Mean squared distance of the probability from what happened."""
    return _mean(weights, np.square(p.score - p.actual))


def brier_skill(p: Predicted, weights: Array) -> Array:
    """Share of the base rate's Brier score that is saved: 0 says no more than the base rate, 1 all there is to say."""
    base = _mean(weights, p.actual)
    return 1 - _ratio(brier(p, weights), base * (1 - base))


def calibration_error(p: Predicted, weights: Array) -> Array:
    """Expected calibration error over ten equally filled bins (Naeini et al. 2015)."""
    gaps = np.abs(p.by_bin(weights, p.score) - p.by_bin(weights, p.actual))
    return np.asarray(gaps.sum(axis=1) / weights.sum(axis=1), dtype=np.float64)


def average_precision_lift(p: Predicted, weights: Array) -> Array:
    """Average precision as a multiple of the base rate, which a random order reaches."""
    return _ratio(average_precision(p, weights), _mean(weights, p.actual))


def lift_at_tenth(p: Predicted, weights: Array) -> Array:
    """Positives among the highest-scored tenth, as a multiple of the base rate."""
    return captured_at(0.1)(p, weights) * BINS


def captured_at(share: float) -> Metric:
    """Return the metric: share of the outcome (recall, or of the amounts) found in the highest-scored `share`."""

    def captured(p: Predicted, weights: Array) -> Array:
        return _ratio(_top(p, weights, share), weights @ p.actual)

    return captured


def precision_at(share: float) -> Metric:
    """Return the metric: mean outcome (share of positives) among the highest-scored `share`."""

    def precision(p: Predicted, weights: Array) -> Array:
        return _ratio(_top(p, weights, share), weights.sum(axis=1) * share)

    return precision


def _top(p: Predicted, weights: Array, share: float) -> Array:
    return p.by_tie_share(weights, p.actual, np.array([0.0, 1 - share, 1.0]))[:, -1]


def normalised_gini(p: Predicted, weights: Array) -> Array:
    """Area between the gains curve and chance, as a share of a perfect ranking's."""
    perfect = Predicted(p.actual, p.actual)
    return _ratio(_gini(p, weights), _gini(perfect, weights))


def _gini(p: Predicted, weights: Array) -> Array:
    ordered = weights[:, p.order]  # gathered once: the dear part
    runs = (np.add.reduceat(part, p.ties, axis=1) for part in (ordered, ordered * p.actual[p.order]))
    people, value = (_from_zero(part) for part in runs)
    area = (np.diff(people, axis=1) * (value[:, 1:] + value[:, :-1])).sum(axis=1)
    return np.asarray(1 - _ratio(area, people[:, -1] * value[:, -1]), dtype=np.float64)


def decile_mape(p: Predicted, weights: Array) -> Array:
    """Mean over the score's deciles of |predicted - actual| / actual, of the sums in each.

    A decile where nothing happened counts as wholly wrong when something was predicted.
    """
    predicted, actual = p.by_bin(weights, p.score), p.by_bin(weights, p.actual)
    errors = np.where(actual > 0, _ratio(np.abs(predicted - actual), actual), (predicted > 0).astype(np.float64))
    return np.asarray(errors.mean(axis=1), dtype=np.float64)


def total_error(p: Predicted, weights: Array) -> Array:
    """How far the predicted total is from the actual one: +0.1 is 10% too much."""
    return _ratio(weights @ p.score, weights @ p.actual) - 1


def spearman(p: Predicted, weights: Array) -> Array:
    """Correlation of the ranks, ties at their middle rank."""
    scores = _ranks(p, weights)
    actuals = _ranks(Predicted(p.actual, p.actual), weights)
    mass = weights.sum(axis=1, keepdims=True)
    x = scores - (weights * scores).sum(axis=1, keepdims=True) / mass
    y = actuals - (weights * actuals).sum(axis=1, keepdims=True) / mass
    spread = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
    return _ratio((weights * x * y).sum(axis=1), spread)


def _ranks(p: Predicted, weights: Array) -> Array:
    mass = p.by_tie(weights)
    middle = np.cumsum(mass, axis=1) - mass / 2
    runs = np.diff(np.r_[p.ties, len(p.score)])
    ranks = np.empty(weights.shape)
    ranks[:, p.order] = np.repeat(middle, runs, axis=1)
    return ranks


def mean_absolute_error(p: Predicted, weights: Array) -> Array:
    """Mean distance in cents. Never a gate alone: predicting the median wins it and loses the revenue."""
    return _mean(weights, np.abs(p.score - p.actual))


def rmsle(p: Predicted, weights: Array) -> Array:
    """Root mean squared distance of log(1 + amount), amounts in units of 100 cents."""
    gaps = np.log1p(np.maximum(p.score, 0) / 100) - np.log1p(p.actual / 100)
    return np.sqrt(_mean(weights, np.square(gaps)))


def explained(p: Predicted, weights: Array) -> Array:
    """Share of the Tweedie deviance that the expected amounts explain: 0 is as good as the mean, 1 is perfect.

    A proper score: ranking, spread and total all count, and no wrong expectation can win (Gneiting 2011).
    """
    low, high = 1 - TWEEDIE_POWER, 2 - TWEEDIE_POWER
    score = np.maximum(p.score, 1.0)  # a cent: nobody is known to spend nothing
    spent, mean = _mean(weights, p.actual**high) / (low * high), _mean(weights, p.actual)
    left = spent + _mean(weights, score**high / high - p.actual * score**low / low)
    return 1 - _ratio(left, spent + mean**high * (1 / high - 1 / low))


def _ratio(top: Array, bottom: Array) -> Array:
    """Divide; zero where the denominator is zero (an empty decile, a draw without positives)."""
    return np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom != 0)


PROBABILITY: dict[str, Metric] = {
    "auc": roc_auc,
    "average_precision": average_precision,
    "ap_lift": average_precision_lift,
    "brier": brier,
    "brier_skill": brier_skill,
    "ece": calibration_error,
    "lift_10": lift_at_tenth,
}
VALUE: dict[str, Metric] = {
    "gini": normalised_gini,
    "decile_mape": decile_mape,
    "total_error": total_error,
    "spearman": spearman,
    "mae_cents": mean_absolute_error,
    "rmsle": rmsle,
    "explained": explained,
}


def measure(p: Predicted, metrics: dict[str, Metric]) -> dict[str, float]:
    """Return each metric over all customers."""
    once = np.ones((1, len(p.score)))
    return {name: float(metric(p, once)[0]) for name, metric in metrics.items()}


def bootstrap(p: Predicted, metric: Metric, draws: int, seed: int) -> Array:
    """Return the metric of `draws` resamples of the customers, shape (draws,).

    The same `seed` and n give the same resamples, so two scores of the same customers may be
    subtracted draw by draw: a paired bootstrap (Efron and Tibshirani 1993).
    """
    return np.concatenate([metric(p, w) for w in bootstrap_weights(len(p.score), draws, seed)])


def intervals(p: Predicted, metrics: dict[str, Metric], draws: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return the 95% bootstrap interval of each metric around its value, all of them on the same resamples.

    Resampling moves some metrics: repeated customers make calibration errors larger. The draws are shifted back by
    that bias (Efron and Tibshirani 1993, section 10), else the interval would leave the value itself outside.
    """
    blocks = [[m(p, w) for m in metrics.values()] for w in bootstrap_weights(len(p.score), draws, seed)]
    found = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    values = measure(p, metrics)
    return {name: _around(values[name], drawn) for name, drawn in zip(metrics, found, strict=True)}


def _around(value: float, draws: Array) -> tuple[float, float]:
    low, high = interval(draws - draws.mean() + value)
    return (max(low, 0.0) if draws.min() >= 0 else low), high


def jackknife_error(p: Predicted, metric: Metric, groups: int = 20) -> float:
    """Return a metric's standard error from leaving out one of `groups` parts of the customers at a time.

    A tenth of a bootstrap's cost (Shao and Wu 1989). The customers must be in no order that the outcome follows.
    """
    left_out = np.arange(len(p.score)) % groups == np.arange(groups)[:, None]
    found = metric(p, (~left_out).astype(np.float64))
    return float(np.sqrt((groups - 1) * found.var()))


def bootstrap_weights(n: int, draws: int, seed: int) -> Iterator[Array]:
    """Yield how often each of n customers is drawn, in blocks of shape (some draws, n)."""
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // n)
    for first in range(0, draws, block):
        rows = [np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(min(block, draws - first))]
        yield np.asarray(rows, dtype=np.float64)


def interval(draws: Array, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_interval(
    pair: tuple[Predicted, Predicted], metric: Metric, draws: int, seed: int, level: float = 0.9
) -> tuple[float, float, float]:
    """Return mean, low and high of the first minus the second score of the same resampled customers."""
    gain = bootstrap(pair[0], metric, draws, seed) - bootstrap(pair[1], metric, draws, seed)
    return float(gain.mean()), *interval(gain, level)
