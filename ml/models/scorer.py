"""The scorer: what is registered, and the one path that training, scoring and drift predict through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.models.base import Estimator
from ml.models.calibrate import logit

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.intervals import Intervals
    from ml.models.metrics import Array
    from ml.models.reasons import Reasons


class Scorer(Estimator):
    """A fitted candidate, its calibration and what it takes to give reasons.

    Args:
        kind: probability or cents.
        pipeline: fitted, from named features to class probabilities or amounts.
        unit: cents in one unit of the pipeline's amounts; 1 for probabilities.
        calibrator: fitted on the calibration snapshot; of amounts, a level (`ml.models.level`).
        reasons: fitted explanation of the raw score; a candidate that was not chosen has none.
        intervals: fitted on the calibration snapshot; of amounts only.
    """

    def __init__(
        self,
        kind: str,
        pipeline: Any,
        unit: float,
        calibrator: Any,
        reasons: Reasons | None,
        *,
        intervals: Intervals | None = None,
    ) -> None:
        self.kind = kind
        self.pipeline = pipeline
        self.unit = unit
        self.calibrator = calibrator
        self.reasons = reasons
        self.intervals = intervals

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def features(self) -> list[str]:
        """The features that it reads, by name."""
        encoder = self.pipeline.named_steps["encode"]
        return [*encoder.numbers, *encoder.categories, *self.calibrator.reads]

    def predict(self, frame: pd.DataFrame) -> Array:
        """Return the calibrated probability, or the expected cents, of each row: shape (rows,).

        Amounts may follow a total that is expected of all rows together: give the whole population at once.
        """
        return self.settle(self.raw(frame), frame)

    def settle(self, raw: Array, frame: pd.DataFrame) -> Array:
        """Calibrate the raw score of a frame's rows: what `predict` does after the dear part."""
        columns = [frame[name].to_numpy(dtype=np.float64) for name in self.calibrator.reads]
        return np.asarray(self.calibrator.predict(raw, *columns), dtype=np.float64)

    def interval(self, score: Array) -> tuple[Array, Array] | None:
        """Return the lower and upper ends, shape (rows,), within which 80% of such amounts lie; None without."""
        return None if self.intervals is None else self.intervals.predict(score)

    def explain(self, frame: pd.DataFrame) -> pa.Array:
        """Return up to three reasons for each row as a JSON list of strings: shape (rows,)."""
        if self.reasons is None:
            return pa.repeat("[]", len(frame))
        return self.reasons.explain(frame)

    def raw(self, frame: pd.DataFrame) -> Array:
        """Return the score before calibration, shape (rows,)."""
        return raw_score(self.pipeline, frame, self.kind, self.unit)


def raw_score(pipeline: Any, frame: pd.DataFrame | Array, kind: str, unit: float) -> Array:
    """Return a fitted pipeline's probability of the positive class, or its amount in cents."""
    if kind == "probability":
        return np.asarray(pipeline.predict_proba(frame)[:, 1], dtype=np.float64)
    return np.asarray(np.maximum(pipeline.predict(frame), 0.0) * unit, dtype=np.float64)


def margin(raw: Array, kind: str) -> Array:
    """Return the raw score on the scale where reasons add up: log odds, or the log of an amount."""
    return logit(raw) if kind == "probability" else np.log(np.maximum(raw, 1.0))
