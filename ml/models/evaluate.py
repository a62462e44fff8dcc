"""Judge a model on the test snapshot, beside its baselines, on the same customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.models.baselines import BTYD, rules
from ml.models.calibrate import Period, fit_calibration
from ml.models.folds import judging
from ml.models.level import Level, Seen
from ml.models.metrics import (
    BINS,
    PROBABILITY,
    VALUE,
    Metric,
    Predicted,
    captured_at,
    intervals,
    measure,
    paired_interval,
    precision_at,
)
from ml.models.slices import slice_table
from ml.models.survival import measures, outlooks
from ml.models.thresholds import choice_table, contact_choices, threshold_table, wilson
from ml.models.value import coverage
from ml.settings import settings

if TYPE_CHECKING:
    from ml.models.dataset import TrainingSet
    from ml.models.metrics import Array
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec
    from ml.warehouse import Warehouse

DRAWS = 200


@dataclass(frozen=True)
class Gain:
    """What a model gains over another on the same customers: the mean and the 90% interval of the paired difference."""

    over: str
    metric: str
    mean: float
    low: float
    high: float

    @property
    def is_shown(self) -> bool:
        """Whether the interval lies above zero."""
        return self.low > 0

    def __str__(self) -> str:
        return f"{self.metric} {self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"

    def words(self) -> str:
        """Say whether the model beats the other, and by how much."""
        return f"{'beats' if self.is_shown else 'not shown to beat'} {self.over}: {self}"

    def tags(self, prefix: str) -> dict[str, str]:
        """Return the figures as tags of a version."""
        return {f"{prefix}{name}": f"{number:.5f}" for name, number in self.figures().items()}

    def figures(self) -> dict[str, float]:
        """Return mean, low and high by the names that tags and metrics have."""
        return {"gain": self.mean, "gain_low": self.low, "gain_high": self.high}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The test of one training: metrics of the chosen model with intervals, of its baselines and rivals.

    `over_rule` is the gain over the best rule. `deciles` is a `decile_table`, `contacts` and `thresholds` are a
    `choice_table`, `slices` is a `slice_table`.
    """

    chosen: str
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    candidates: dict[str, dict[str, float]]
    deciles: pd.DataFrame
    predictions: pd.DataFrame
    over_rule: Gain
    contacts: pd.DataFrame
    thresholds: pd.DataFrame
    slices: pd.DataFrame

    def flat(self) -> dict[str, float]:
        """Return everything under one level of names, as MLflow wants it."""
        others = {"baseline": self.baselines, "candidate": self.candidates}
        beside = {
            f"{kind}.{name}.{metric}": value
            for kind, group in others.items()
            for name, found in group.items()
            for metric, value in found.items()
        }
        over = {f"rule_{name}": number for name, number in self.over_rule.figures().items()}
        return self.metrics | over | beside

    def curves(self) -> dict[str, Predicted]:
        """Return the chosen model and the baselines as they are drawn."""
        actual = self.predictions["actual"].to_numpy()
        names = dict.fromkeys([self.chosen, *self.baselines])
        return {name: Predicted(actual, self.predictions[name].to_numpy()) for name in names}


def metrics_of(spec: ModelSpec) -> dict[str, Metric]:
    """Return the metrics that fit what the model predicts, those at the share that is contacted included."""
    share = spec.evaluation.contact_share
    name = f"{share * 100:g}"
    if spec.kind == "cents":
        return VALUE | {f"captured_{name}": captured_at(share)}
    return PROBABILITY | {f"precision_{name}": precision_at(share), f"recall_{name}": captured_at(share)}


def evaluate(
    spec: ModelSpec, chosen: str, candidates: Mapping[str, Scorer], data: TrainingSet, warehouse: Warehouse
) -> Evaluation:
    """Measure the chosen candidate, the others and the rules on the test snapshot."""
    scores = {name: scorer.predict(data.test.features) for name, scorer in candidates.items()}
    ruled = {name: _ruled(spec, name, rule, data) for name, rule in rules(spec).items()}
    predicted = {name: Predicted(data.test.label, score) for name, score in (ruled | scores).items()}
    found = {name: measure(p, metrics_of(spec)) for name, p in predicted.items()}
    ours, actual = scores[chosen], data.test.label
    seen = pd.DataFrame({"customer_key": data.test.keys, "actual": actual, **ruled, **scores, "chosen": ours})
    contacted, later = contact_choices(spec, ours), outlooks(candidates[chosen], data.test)
    slices = slice_table(spec, data.test, ours, contacted[1].chosen, warehouse)
    return Evaluation(
        chosen,
        found[chosen]
        | _intervals(spec, predicted[chosen])
        | coverage(candidates[chosen], ours, actual)
        | measures(later)
        | _context(data, slices),
        {name: found[name] for name in (*ruled, spec.linear)},
        {name: found[name] for name in scores},
        decile_table(predicted[chosen]),
        seen,
        over_best_rule(spec, seen),
        choice_table(spec, contacted, ours, actual),
        threshold_table(spec, stored(spec, later, predicted[chosen])),
        slices,
    )


def gain_over(spec: ModelSpec, seen: pd.DataFrame, name: str, theirs: Array, metric: str) -> Gain:
    """Return the gain of the chosen model over another's scores, on a test's customers (columns actual, chosen)."""
    outcome = seen["actual"].to_numpy()
    pair = (Predicted(outcome, seen["chosen"].to_numpy()), Predicted(outcome, theirs))
    return Gain(name, metric, *paired_interval(pair, metrics_of(spec)[metric], DRAWS, settings().seed))


def over_best_rule(spec: ModelSpec, seen: pd.DataFrame) -> Gain:
    """Return the gain over the rule that ranks best on these customers, of those that need no model of ours."""
    gains = [gain_over(spec, seen, name, seen[name].to_numpy(), spec.primary) for name in rules(spec)]
    return min(gains, key=lambda gain: gain.mean)


def stored(spec: ModelSpec, later: Mapping[int, Predicted], ours: Predicted) -> dict[str, Predicted]:
    """Return what was predicted and happened under the names of the scores: one, or a survival model's horizons."""
    return {spec.score_within(days): p for days, p in later.items()} or {spec.score_name: ours}


def decile_table(p: Predicted) -> pd.DataFrame:
    """Return ten rows, the highest scores first.

    Columns: decile, customers, predicted and actual means, actual_low and actual_high (95%: Wilson's for yes or no,
    else normal), captured (share of the outcome in this tenth and those above).
    """
    once, sums = np.ones((1, len(p.score))), (np.ones(len(p.score)), p.score, p.actual, p.actual**2)
    people, predicted, actual, squares = (p.by_bin(once, values)[0][::-1] for values in sums)
    bounds = [_bounds(*row) for row in zip(people, actual, squares, strict=True)]
    return pd.DataFrame(
        {
            "decile": np.arange(1, BINS + 1),
            "customers": people,
            "predicted": predicted / people,
            "actual": actual / people,
            "actual_low": [low for low, _ in bounds],
            "actual_high": [high for _, high in bounds],
            "captured": np.cumsum(actual) / max(actual.sum(), 1e-12),
        }
    )


def _bounds(people: float, actual: float, squares: float) -> tuple[float, float]:
    if actual == squares:  # every outcome is 0 or 1
        return wilson(actual, people)
    mean = actual / people
    error = 1.96 * float(np.sqrt(max(squares / people - mean**2, 0.0) / people))
    return mean - error, mean + error


def _ruled(spec: ModelSpec, name: str, rule: Callable[[pd.DataFrame], Array], data: TrainingSet) -> Array:
    """Return a rule's score on the test snapshot, calibrated as a model's is; BTYD is a model and stays as it is."""
    then, now = rule(data.calibration.rules), rule(data.test.rules)
    if spec.kind == "cents":
        return now if name == BTYD else Level().fit(Seen(then, data.calibration.label, then)).predict(now)
    earlier = [Period(rule(seen.rules), seen.label) for seen in judging(data, spec.horizon_days)]
    calibrator = fit_calibration(spec.calibration, [*earlier, Period(then, data.calibration.label)])
    return np.asarray(calibrator.predict(now), dtype=np.float64)


def _intervals(spec: ModelSpec, p: Predicted) -> dict[str, float]:
    found = intervals(p, metrics_of(spec), DRAWS, settings().seed)
    lows = {f"{name}_low": low for name, (low, _) in found.items()}
    return lows | {f"{name}_high": high for name, (_, high) in found.items()}


def _context(data: TrainingSet, slices: pd.DataFrame) -> dict[str, float]:
    label = data.test.label
    return {
        "test_customers": float(len(label)),
        "test_positives": float((label > 0).sum()),
        "test_mean": float(label.mean()),
        "slices": float(len(slices)),
        "slices_off": float(slices["clear"].sum()) if len(slices) else 0.0,
    }
