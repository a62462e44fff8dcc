"""Judge a model on the test snapshot, beside its baselines, on the same customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.models.baselines import rules
from ml.models.calibrate import CALIBRATORS
from ml.models.metrics import BINS, PROBABILITY, VALUE, Metric, Predicted, bootstrap, interval, measure
from ml.settings import settings

if TYPE_CHECKING:
    from ml.models.dataset import TrainingSet
    from ml.models.metrics import Array
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec

DRAWS = 200


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The test of one training: metrics of the chosen model with intervals, of its baselines and rivals."""

    chosen: str
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    candidates: dict[str, dict[str, float]]
    deciles: pd.DataFrame
    predictions: pd.DataFrame

    def flat(self) -> dict[str, float]:
        """Return everything under one level of names, as MLflow wants it."""
        others = {"baseline": self.baselines, "candidate": self.candidates}
        return self.metrics | {
            f"{kind}.{name}.{metric}": value
            for kind, group in others.items()
            for name, found in group.items()
            for metric, value in found.items()
        }

    def curves(self) -> dict[str, Predicted]:
        """Return the chosen model and the baselines as they are drawn."""
        actual = self.predictions["actual"].to_numpy()
        names = dict.fromkeys([self.chosen, *self.baselines])
        return {name: Predicted(actual, self.predictions[name].to_numpy()) for name in names}


def metrics_of(spec: ModelSpec) -> dict[str, Metric]:
    """Return the metrics that fit what the model predicts."""
    return VALUE if spec.kind == "cents" else PROBABILITY


def evaluate(spec: ModelSpec, chosen: str, candidates: Mapping[str, Scorer], data: TrainingSet) -> Evaluation:
    """Measure the chosen candidate, the others and the rules on the test snapshot."""
    scores = {name: scorer.predict(data.test.features) for name, scorer in candidates.items()}
    ruled = {name: _ruled(spec, rule, data) for name, rule in rules(spec).items()}
    predicted = {name: Predicted(data.test.label, score) for name, score in (ruled | scores).items()}
    found = {name: measure(p, metrics_of(spec)) for name, p in predicted.items()}
    return Evaluation(
        chosen,
        found[chosen] | _intervals(spec, predicted[chosen]) | _context(data),
        {name: found[name] for name in (*ruled, spec.linear)},
        {name: found[name] for name in scores},
        decile_table(predicted[chosen]),
        pd.DataFrame({"customer_key": data.test.keys, "actual": data.test.label, **ruled, **scores}),
    )


def decile_table(p: Predicted) -> pd.DataFrame:
    """Return ten rows, the highest scores first: customers, mean predicted, mean actual, share of the outcome."""
    once = np.ones((1, len(p.score)))
    people, predicted, actual = (p.by_bin(once, v)[0][::-1] for v in (np.ones(len(p.score)), p.score, p.actual))
    share = np.cumsum(actual) / max(actual.sum(), 1e-12)
    columns = {"predicted": predicted / people, "actual": actual / people, "captured": share}
    return pd.DataFrame({"decile": np.arange(1, BINS + 1), "customers": people, **columns})


def _ruled(spec: ModelSpec, rule: Callable[[pd.DataFrame], Array], data: TrainingSet) -> Array:
    """Return a rule's score on the test snapshot, calibrated as a model's is."""
    calibrator = CALIBRATORS[spec.calibration]().fit(rule(data.calibration.rules), data.calibration.label)
    return np.asarray(calibrator.predict(rule(data.test.rules)), dtype=np.float64)


def _intervals(spec: ModelSpec, p: Predicted) -> dict[str, float]:
    found = {}
    for name, metric in metrics_of(spec).items():
        found[f"{name}_low"], found[f"{name}_high"] = interval(bootstrap(p, metric, DRAWS, settings().seed))
    return found


def _context(data: TrainingSet) -> dict[str, float]:
    label = data.test.label
    return {
        "test_customers": float(len(label)),
        "test_positives": float((label > 0).sum()),
        "test_mean": float(label.mean()),
    }
