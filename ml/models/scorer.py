"""The scorer: what is registered, and the one path that training, scoring and drift predict through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.models.base import Estimator
from ml.models.calibrate import logit

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.metrics import Array
    from ml.models.reasons import Reasons


class Scorer(Estimator):
    """A fitted candidate, its calibration and what it takes to give reasons.

    Args:
        kind: probability or cents.
        pipeline: fitted, from named features to class probabilities or amounts.
        unit: cents in one unit of the pipeline's amounts; 1 for probabilities.
        calibrator: fitted on the calibration snapshot.
        reasons: fitted explanation of the raw score; a candidate that was not chosen has none.
    """

    def __init__(self, kind: str, pipeline: Any, unit: float, calibrator: Any, reasons: Reasons | None) -> None:
        self.kind = kind
        self.pipeline = pipeline
        self.unit = unit
        self.calibrator = calibrator
        self.reasons = reasons

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def features(self) -> list[str]:
        """The features that it reads, by name."""
        encoder = self.pipeline.named_steps["encode"]
        return [*encoder.numbers, *encoder.categories]

    def predict(self, frame: pd.DataFrame) -> Array:
        """Return the calibrated probability, or the expected cents, of each row: shape (rows,)."""
        return np.asarray(self.calibrator.predict(self.raw(frame)), dtype=np.float64)

    def explain(self, frame: pd.DataFrame) -> pa.Array:
        """Return up to three reasons for each row as a JSON list of strings: shape (rows,)."""
        if self.reasons is None:
            return pa.repeat("[]", len(frame))
        return self.reasons.explain(frame)

    def raw(self, frame: pd.DataFrame) -> Array:
        """Return the score before calibration, shape (rows,)."""
        return raw_score(self.pipeline, frame, self.kind, self.unit)


def raw_score(pipeline: Any, frame: pd.DataFrame, kind: str, unit: float) -> Array:
    """Return a fitted pipeline's probability of the positive class, or its amount in cents."""
    if kind == "probability":
        return np.asarray(pipeline.predict_proba(frame)[:, 1], dtype=np.float64)
    return np.asarray(np.maximum(pipeline.predict(frame), 0.0) * unit, dtype=np.float64)


def margin(raw: Array, kind: str) -> Array:
    """Return the raw score on the scale where reasons add up: log odds, or the log of an amount."""
    return logit(raw) if kind == "probability" else np.log(np.maximum(raw, 1.0))
