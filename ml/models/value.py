"""Value models are two things joined: a candidate that ranks, and a level that makes the cents add up.

Which two is decided on the calibration snapshot: of the candidates that rank as well as the best, the one that
explains most of what was spent, under the level that does best for it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.errors import NotEnoughData
from ml.models.expected import EXPECTED
from ml.models.intervals import Intervals, within
from ml.models.level import Seen, choose_level, explains
from ml.models.metrics import VALUE, Predicted, measure, paired_interval
from ml.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from ml.models.dataset import Snapshot, TrainingSet
    from ml.models.metrics import Array
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec

log = logging.getLogger(__name__)

_DRAWS = 50


def level_for(spec: ModelSpec, raw: Callable[[pd.DataFrame], Array], data: TrainingSet) -> Any:
    """Return the level of a candidate (see `ml.models.level`), fitted on the calibration snapshot.

    `raw` gives the candidate's cents for a frame of features. Raises `NotEnoughData` when no level can be vouched for.
    """
    before = None if data.shared else _seen(data.train[-1], raw)
    try:
        return choose_level(spec.calibration, before, _seen(data.calibration, raw))
    except NotEnoughData as error:
        raise NotEnoughData(f"{spec.name}: {error}") from error


def _seen(snapshot: Snapshot, raw: Callable[[pd.DataFrame], Array]) -> Seen:
    expected = snapshot.features[EXPECTED].to_numpy(dtype=np.float64)
    return Seen(raw(snapshot.features), snapshot.label, expected)


def choose(spec: ModelSpec, candidates: Mapping[str, Scorer], data: TrainingSet) -> str:
    """Return the candidate to take: of those not clearly worse than the best ranker, the one that explains most.

    Clearly worse is a paired 90% interval of the normalised Gini that excludes zero, on the calibration snapshot.
    """
    seen = data.calibration
    found = {name: Predicted(seen.label, scorer.predict(seen.features)) for name, scorer in candidates.items()}
    ginis = {name: measure(p, {"gini": VALUE["gini"]})["gini"] for name, p in found.items()}
    first = max(ginis, key=lambda name: ginis[name])
    near = [first, *(name for name in found if name != first and _near(found[first], found[name]))]
    shares = {name: explains(found[name]) for name in near}
    log.info("%s: gini %s, explained by the equals %s on the calibration snapshot", spec.name, ginis, shares)
    return max(shares, key=lambda name: shares[name])


def _near(best: Predicted, other: Predicted) -> bool:
    _, low, _ = paired_interval((best, other), VALUE["gini"], _DRAWS, settings().seed)
    return low <= 0


def add_intervals(scorer: Scorer, data: TrainingSet) -> None:
    """Fit the scorer's 80% intervals on the calibration snapshot."""
    seen = data.calibration
    scorer.intervals = Intervals().fit(scorer.predict(seen.features), seen.label)


def coverage(scorer: Scorer, score: Array, actual: Array) -> dict[str, float]:
    """Return what became of the 80% intervals on the test: `coverage_80`, and `coverage_80_top` of the top tenth."""
    ends = scorer.interval(score)
    if ends is None:
        return {}
    held = within(actual, *ends)
    top = np.argsort(-score, kind="stable")[: max(1, len(score) // 10)]
    return {"coverage_80": float(held.mean()), "coverage_80_top": float(held[top].mean())}


def levels_tried(candidates: Mapping[str, Scorer]) -> dict[str, float]:
    """Return what each candidate explains of the calibration snapshot under each level that was tried."""
    return {
        f"explained.{name}.{level}": share
        for name, scorer in candidates.items()
        for level, share in scorer.calibrator.tried_.items()
    }
