"""Fit the candidates as the search found them best, and choose between them on the calibration snapshot."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ml.models import calibrate, value
from ml.models.level import name_of
from ml.models.metrics import PROBABILITY, VALUE, Predicted, measure
from ml.models.scorer import Scorer, raw_score
from ml.models.search import Found, search, weigh
from ml.models.setting import Learning
from ml.models.survival import fit_hazards

if TYPE_CHECKING:
    from ml.models.dataset import TrainingSet
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


def fit_candidates(spec: ModelSpec, data: TrainingSet, found: Found | None = None) -> Fitted:
    """Search each candidate's values unless they were `found`, fit all, calibrate them, and choose one."""
    if spec.survival_days:
        scorers, told = fit_hazards(spec, data)
        return Fitted(scorers, _choose(spec, scorers, data), spec.candidates.wanted(spec.linear), told=told)
    found = found or search(spec, data)
    learning = Learning(spec, *data.learnt())
    with ThreadPoolExecutor(learning.side_by_side) as pool:
        fitted = dict(pool.map(lambda name: (name, _fit(spec, name, found, learning, data)), found.taken))
    join = _join if spec.kind == "cents" else _calibrated
    return join(spec, fitted, found, data)


def _fit(spec: ModelSpec, name: str, found: Found, learning: Learning, data: TrainingSet) -> Scorer:
    started = time.perf_counter()
    pipeline = learning.fit(found.taken[name].setting)
    raw = partial(raw_score, pipeline, kind=spec.kind, unit=learning.unit)
    log.info(
        "%s: %s fitted on %s rows in %.1f s", spec.name, name, f"{len(learning.y):,}", time.perf_counter() - started
    )
    if spec.kind == "cents":
        return Scorer(spec.kind, pipeline, learning.unit, value.level_for(spec, raw, data), None)
    seen = calibrate.Period(raw(data.calibration.features), data.calibration.label)
    calibrator = calibrate.fit_calibration(spec.calibration, [*found.earlier(name), seen])
    return Scorer(spec.kind, pipeline, learning.unit, calibrator, None)


def _join(spec: ModelSpec, fitted: dict[str, Scorer], found: Found, data: TrainingSet) -> Fitted:
    """Choose the candidate that ranks, with the level that holds, and give it intervals."""
    chosen = value.choose(spec, fitted, data)
    value.add_intervals(fitted[chosen], data)
    told = {"level": name_of(fitted[chosen].calibrator), "calibrated_on_shared_window": str(data.shared)}
    return Fitted(fitted, chosen, found.params, found.measured | value.levels_tried(fitted), found.told | told)


def _calibrated(spec: ModelSpec, fitted: dict[str, Scorer], found: Found, data: TrainingSet) -> Fitted:
    """Choose the candidate that ranks, and say what its calibration and its weights are worth."""
    chosen = _choose(spec, fitted, data)
    scorer = fitted[chosen]
    periods = [*found.earlier(chosen), calibrate.Period(scorer.raw(data.calibration.features), data.calibration.label)]
    tried = {f"calibration.{name}.log_loss": loss for name, loss in calibrate.losses(periods).items()}
    told = {
        "calibration.chosen": calibrate.name_of(scorer.calibrator),
        "calibration.windows": str(len(periods)),
        "weights.chosen": "balanced" if found.taken[chosen].setting.balanced else "none",
    }
    measured = found.measured | tried | weigh(spec, data, found, chosen)
    return Fitted(fitted, chosen, found.params, measured, found.told | told)


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
