"""Fit the candidates, and choose between them on the calibration snapshot."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.models import value
from ml.models.calibrate import CALIBRATORS
from ml.models.encoder import FeatureEncoder
from ml.models.estimators import build
from ml.models.features import model_features
from ml.models.level import name_of
from ml.models.metrics import PROBABILITY, VALUE, Predicted, measure
from ml.models.scorer import Scorer, raw_score
from ml.settings import settings

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.dataset import TrainingSet
    from ml.models.metrics import Array
    from ml.models.spec import ModelSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Fitted:
    """Every candidate, fitted on the training snapshots and calibrated, and which of them was taken.

    `params` are each candidate's hyper-parameters as they were used, `measured` what is worth a metric of the run,
    `told` what is worth a parameter of it.
    """

    candidates: dict[str, Scorer]
    chosen: str
    params: dict[str, Any]
    measured: dict[str, float] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    @property
    def scorer(self) -> Scorer:
        """The candidate that was taken."""
        return self.candidates[self.chosen]


def fit_candidates(spec: ModelSpec, data: TrainingSet) -> Fitted:
    """Fit every candidate on the training snapshots, calibrate it, and choose on the calibration snapshot."""
    frame, labels = data.learnt()
    params = spec.candidates.wanted(spec.linear)
    fitted = {}
    for name, values in params.items():
        started = time.perf_counter()
        fitted[name] = _fit(spec, values, frame, labels, data)
        log.info(
            "%s: %s fitted on %s rows in %.1f s", spec.name, name, f"{len(frame):,}", time.perf_counter() - started
        )
    if spec.kind == "cents":
        return _join(spec, fitted, params, data)
    return Fitted(fitted, _choose(spec, fitted, data), params)


def _join(spec: ModelSpec, fitted: dict[str, Scorer], params: dict[str, Any], data: TrainingSet) -> Fitted:
    chosen = value.choose(spec, fitted, data)
    value.add_intervals(fitted[chosen], data)
    told = {"level": name_of(fitted[chosen].calibrator), "calibrated_on_shared_window": str(data.shared)}
    return Fitted(fitted, chosen, params, value.levels_tried(fitted), told)


def _choose(spec: ModelSpec, candidates: dict[str, Scorer], data: TrainingSet) -> str:
    """Return the candidate that ranks best on the calibration snapshot, by its score before calibration."""
    metric = (PROBABILITY | VALUE)[spec.primary]
    seen = data.calibration
    ranked = {
        name: measure(Predicted(seen.label, scorer.raw(seen.features)), {"it": metric})["it"]
        for name, scorer in candidates.items()
    }
    log.info("%s: %s on the calibration snapshot: %s", spec.name, spec.primary, ranked)
    return max(ranked, key=lambda name: ranked[name])


def _fit(spec: ModelSpec, params: Any, frame: pd.DataFrame, labels: Array, data: TrainingSet) -> Scorer:
    amounts = spec.kind == "cents"
    unit = float(np.mean(labels)) if amounts else 1.0
    pipeline = build(
        params,
        _encoder(spec),
        amounts=amounts,
        seed=settings().seed,
        threads=settings().threads,
        rows=len(frame),
    ).fit(frame, labels / unit)
    raw = partial(raw_score, pipeline, kind=spec.kind, unit=unit)
    if amounts:
        return Scorer(spec.kind, pipeline, unit, value.level_for(spec, raw, data), None)
    seen = data.calibration
    return Scorer(spec.kind, pipeline, unit, CALIBRATORS[spec.calibration]().fit(raw(seen.features), seen.label), None)


def _encoder(spec: ModelSpec) -> FeatureEncoder:
    known = model_features(spec).values()
    numbers = {found.name: found.impute for found in known if found.kind == "number"}
    return FeatureEncoder(numbers, [found.name for found in known if found.kind == "category"])
