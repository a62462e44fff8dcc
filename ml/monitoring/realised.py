"""Past scores against what happened: each metric beside what the model's test promised, and a judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Literal

import numpy as np

from ml.models.metrics import Predicted, bootstrap, interval

if TYPE_CHECKING:
    from ml.models.metrics import Metric
    from ml.monitoring.config import PerformanceConfig

Status = Literal["ok", "declined", "watched", "not judged"]
DRAWS = 200
_CHANCES = 2_000


@dataclass(frozen=True)
class Realised:
    """One metric of one point in time: a row of `realised_performance`."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    promised: float | None
    status: Status
    finding: str


@dataclass(frozen=True)
class Case:
    """What one metric is judged by: the customers, the metric on them, and the test's metrics with intervals."""

    name: str
    metric: Metric
    predicted: Predicted
    promise: Mapping[str, float]
    limits: PerformanceConfig
    seed: int

    @property
    def value(self) -> float:
        """The metric over all customers."""
        return float(self.metric(self.predicted, np.ones((1, len(self.predicted.score))))[0])

    def bounds(self) -> tuple[float, float]:
        """Return the 95% interval, drawn from at most `max_rows` customers; never too narrow for all of them."""
        sample = _thinned(self.predicted, self.limits.max_rows, self.seed)
        return interval(bootstrap(sample, self.metric, DRAWS, self.seed))


def realise(
    predicted: Predicted,
    metrics: Mapping[str, Metric],
    promise: Mapping[str, float],
    limits: PerformanceConfig,
    *,
    hindrance: str = "",
    seed: int = 0,
) -> Iterator[Realised]:
    """Yield every metric of past scores, judged where a limit speaks of it.

    Args:
        predicted: outcomes and scores of the same customers.
        metrics: by name.
        promise: the version's metrics at its test; intervals as `<name>_low`, `<name>_high`.
        limits: from `config/monitoring.yaml`.
        hindrance: why nothing may be judged, when something stands in the way.
        seed: of the intervals.
    """
    hindrance = hindrance or _too_few(predicted, limits)
    for name, metric in metrics.items():
        case = Case(name, metric, predicted, promise, limits, seed)
        if not len(predicted.score):
            yield Realised(name, None, None, None, promise.get(name), "not judged", hindrance)
        elif name not in JUDGES or hindrance or name not in promise:
            status, finding = _unjudged(case, hindrance)
            yield Realised(name, case.value, None, None, promise.get(name), status, finding)
        else:
            yield JUDGES[name](case)


def _unjudged(case: Case, hindrance: str) -> tuple[Status, str]:
    if case.name not in JUDGES:
        return "watched", ""
    return "not judged", hindrance or f"the version's test has no {case.name}"


def _too_few(p: Predicted, limits: PerformanceConfig) -> str:
    count, positives = len(p.score), int((p.actual > 0).sum())
    if count < limits.min_customers:
        return f"{count} scored customers with a label, {limits.min_customers} needed"
    scarce = min(positives, count - positives) if p.actual.max() <= 1 else positives
    if scarce < limits.min_positives:
        return f"{scarce} of the rarer outcome, {limits.min_positives} needed"
    return ""


def _ranking(case: Case) -> Realised:
    """Judge AUC or Gini: has it dropped by more than `rank_drop`, and surely dropped at all?

    Two samples of customers are compared as if they were independent; where they are the same people, the interval
    is wider than it need be.
    """
    value, promised, (low, high) = case.value, case.promise[case.name], case.bounds()
    before = case.promise.get(f"{case.name}_high", promised) - case.promise.get(f"{case.name}_low", promised)
    drop, margin = promised - value, hypot(high - low, before) / 2
    has_declined = drop > case.limits.rank_drop and drop > margin
    words = f"{case.name} {value:.3f} [{low:.3f}, {high:.3f}], {promised:.3f} at its test"
    return Realised(case.name, value, low, high, promised, "declined" if has_declined else "ok", words)


def _calibration(case: Case) -> Realised:
    """Judge the calibration error: above the test's by more than the limit, and above what chance alone gives."""
    value, promised, chance = case.value, case.promise[case.name], error_by_chance(case.predicted, case.seed)
    has_declined = value - promised > case.limits.calibration_rise and value > chance
    words = f"calibration error {value:.3f}, {promised:.3f} at its test, up to {chance:.3f} by chance"
    return Realised(case.name, value, None, None, promised, "declined" if has_declined else "ok", words)


def _total(case: Case) -> Realised:
    """Judge the expected total of values: off by more than at the test plus the limit, and surely off."""
    value, promised, (low, high) = case.value, case.promise[case.name], case.bounds()
    is_off = abs(value) - abs(promised) > case.limits.total_off and not low <= 0 <= high
    words = f"expected total {value:+.1%} [{low:+.1%}, {high:+.1%}] off, {promised:+.1%} at its test"
    return Realised(case.name, value, low, high, promised, "declined" if is_off else "ok", words)


JUDGES: dict[str, Callable[[Case], Realised]] = {
    "auc": _ranking,
    "gini": _ranking,
    "ece": _calibration,
    "total_error": _total,
}


def error_by_chance(p: Predicted, seed: int) -> float:
    """Return the calibration error that perfectly calibrated scores exceed once in forty times.

    Each bin's outcome is drawn around its expected one (consistency resampling, Bröcker and Smith 2007; sums of many
    independent outcomes are normal).
    """
    spread = np.sqrt(p.by_bin(np.ones((1, len(p.score))), p.score * (1 - p.score)))
    gaps = np.abs(np.random.default_rng(seed).normal(size=(_CHANCES, spread.shape[1])) * spread)
    return float(np.quantile(gaps.sum(axis=1) / len(p.score), 0.975))


def _thinned(p: Predicted, most: int, seed: int) -> Predicted:
    if len(p.score) <= most:
        return p
    kept = np.random.default_rng(seed).choice(len(p.score), most, replace=False)
    return Predicted(p.actual[kept], p.score[kept])
