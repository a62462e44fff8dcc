"""A candidate with its hyper-parameters and weighting, and the encoded rows that it is fitted on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_sample_weight

from ml.models.calibrate import Period
from ml.models.encoder import FeatureEncoder
from ml.models.estimators import build
from ml.models.features import model_features
from ml.models.metrics import PROBABILITY, VALUE, Predicted, measure
from ml.models.scorer import raw_score
from ml.settings import settings

if TYPE_CHECKING:
    from pydantic import BaseModel
    from sklearn.pipeline import Pipeline

    from ml.models.folds import Fold
    from ml.models.metrics import Array
    from ml.models.spec import ModelSpec

_FEW_ROWS = 100_000  # on fewer, one thread a candidate is faster than all threads for one candidate after the other


@dataclass(frozen=True)
class Setting:
    """A candidate's name and hyper-parameters, and whether positives weigh as much as negatives together."""

    name: str
    params: BaseModel
    balanced: bool = False


@dataclass(eq=False)
class Tried:
    """A setting and what the folds say of it: the model's metric, and raw scores of customers it had not seen."""

    setting: Setting
    values: list[float] = field(default_factory=list)
    periods: list[Period] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The metric's mean over the folds."""
        return float(np.mean(self.values))

    def add(self, judged: tuple[float, Period]) -> None:
        """Remember what one more fold said."""
        self.values.append(judged[0])
        self.periods.append(judged[1])


class Learning:
    """Rows to learn from, encoded once for every candidate.

    `x` has shape (rows, columns), `y` (rows,) holds the labels in units: an amount's unit makes its mean one.
    """

    def __init__(self, spec: ModelSpec, frame: pd.DataFrame, labels: Array) -> None:
        self.spec = spec
        self.encoder = _encoder(spec).fit(frame)
        self.x = self.encoder.transform(frame)
        self.unit = (float(np.mean(labels)) or 1.0) if spec.kind == "cents" else 1.0
        self.y = labels / self.unit

    @property
    def side_by_side(self) -> int:
        """How many candidates to fit at once, in threads that share what the settings allow."""
        return settings().threads if len(self.x) < _FEW_ROWS else 1

    def fit(self, setting: Setting) -> Pipeline:
        """Return the fitted pipeline from named features to raw scores."""
        pipeline = build(
            setting.params,
            self.encoder,
            amounts=self.spec.kind == "cents",
            seed=settings().seed,
            threads=max(1, settings().threads // self.side_by_side),
            rows=len(self.x),
        )
        weights = {"model__sample_weight": compute_sample_weight("balanced", self.y)} if setting.balanced else {}
        pipeline[1:].fit(self.x, self.y, **weights)  # a slice shares its steps
        return pipeline


class Bench:
    """One inner fold, on which settings are judged."""

    def __init__(self, spec: ModelSpec, fold: Fold) -> None:
        frame = pd.concat([snapshot.features for snapshot in fold.learn], ignore_index=True)
        self.spec, self.as_of, self.actual = spec, fold.judge.as_of, fold.judge.label
        self.learning = Learning(spec, frame, np.concatenate([snapshot.label for snapshot in fold.learn]))
        self.seen = self.learning.encoder.transform(fold.judge.features)

    def judge(self, setting: Setting) -> tuple[float, Period]:
        """Return the model's metric on the judging customers, and their raw scores."""
        tail = self.learning.fit(setting)[1:]
        score = raw_score(tail, self.seen, self.spec.kind, self.learning.unit)
        metric = (PROBABILITY | VALUE)[self.spec.primary]
        return measure(Predicted(self.actual, score), {"it": metric})["it"], Period(score, self.actual)


def _encoder(spec: ModelSpec) -> FeatureEncoder:
    known = model_features(spec).values()
    numbers = {found.name: found.impute for found in known if found.kind == "number"}
    return FeatureEncoder(numbers, [found.name for found in known if found.kind == "category"])
