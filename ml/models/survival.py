"""The chance of no order within several horizons, from hazards, so that it can only fall from one to the next.

Person-period data (Singer and Willett 1993, Journal of Educational Statistics 18): a customer at a snapshot gives a row
for each interval between two horizons that begins without an order yet; its label is whether the order came in it. One
classifier learns that chance, the hazard; what is left of it, multiplied interval by interval, is the chance of no
order so far. An interval that had not closed is left out, so that late snapshots still teach the short horizons.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from ml.errors import NotEnoughData
from ml.models.base import Estimator
from ml.models.calibrate import Identity, Sigmoid
from ml.models.estimators import build
from ml.models.metrics import PROBABILITY, Predicted, measure
from ml.models.scorer import Scorer
from ml.models.setting import Learning
from ml.settings import settings
from ml.times import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sklearn.pipeline import Pipeline

    from ml.models.dataset import Snapshot, TrainingSet
    from ml.models.encoder import FeatureEncoder
    from ml.models.metrics import Array
    from ml.models.spec import ModelSpec
    from ml.times import AsOf

log = logging.getLogger(__name__)

_MEASURED = ("auc", "brier", "ece")


class Hazards(Estimator):
    """A classifier of orders in intervals, read as the chance of no order within the days at their ends.

    Args:
        encoder: fitted, from named features to columns.
        tail: the steps after it, down to the classifier; it sees one more column an interval.
        days: ends of the intervals, ascending.
        horizon_days: the one of them that `predict_proba` speaks of.
    """

    def __init__(self, encoder: FeatureEncoder, tail: Pipeline, days: list[int], horizon_days: int) -> None:
        self.encoder = encoder
        self.tail = tail
        self.days = days
        self.horizon_days = horizon_days

    @property
    def named_steps(self) -> dict[str, Any]:
        """The steps by name, as a scikit-learn pipeline has them."""
        return {"encode": self.encoder, **self.tail.named_steps}

    def fit(self, seen: Sequence[Followed]) -> Self:
        """Learn the hazards of all intervals together."""
        self.tail.fit(*self._periods(seen))
        self.calibrator_ = Identity()
        return self

    def calibrate(self, seen: Sequence[Followed]) -> Self:
        """Put one logistic curve over the hazards of all intervals, from customers not learnt from."""
        rows, events = self._periods(seen)
        self.calibrator_ = Sigmoid().fit(self.tail.predict_proba(rows)[:, 1], events)
        return self

    def survival(self, frame: pd.DataFrame) -> Array:
        """Return the chance of no order within each of `days`: shape (rows, days), never rising along a row."""
        x = self.encoder.transform(frame)
        hazards = [self.tail.predict_proba(self._during(x, number))[:, 1] for number in range(len(self.days))]
        left = [1.0 - self.calibrator_.predict(hazard) for hazard in hazards]
        return np.asarray(np.cumprod(np.column_stack(left), axis=1), dtype=np.float64)

    def predict_proba(self, frame: pd.DataFrame) -> Array:
        """Return the chances of an order and of none within `horizon_days`: shape (rows, 2)."""
        silent = self.survival(frame)[:, self.days.index(self.horizon_days)]
        return np.column_stack([1.0 - silent, silent])

    def _periods(self, seen: Sequence[Followed]) -> tuple[Array, Array]:
        """Return rows and labels of every closed interval that a customer entered without an order."""
        parts = [part for one in seen for part in self._entered(one)]
        return np.concatenate([rows for rows, _ in parts]), np.concatenate([events for _, events in parts])

    def _entered(self, one: Followed) -> list[tuple[Array, Array]]:
        x = self.encoder.transform(one.features)
        closed = [(number, ends) for number, ends in enumerate(pairwise([0, *self.days])) if ends[1] <= one.days]
        silent = {number: one.waits >= start for number, (start, _) in closed}
        return [
            (self._during(x[silent[number]], number), (one.waits[silent[number]] < end).astype(np.float64))
            for number, (_, end) in closed
        ]

    def _during(self, x: Array, number: int) -> Array:
        interval = np.zeros((len(x), len(self.days)))
        interval[:, number] = 1.0
        return np.column_stack([x, interval])


@dataclass(frozen=True, eq=False)
class Followed:
    """Customers of one snapshot: their features, days to the next order (inf: none seen) and for how long one knows."""

    features: pd.DataFrame
    waits: Array
    days: int


def fit_hazards(spec: ModelSpec, data: TrainingSet) -> tuple[dict[str, Scorer], dict[str, str]]:
    """Return a scorer for each candidate, and what is worth telling of the horizons.

    What is learnt from had closed when the calibration begins, what calibrates when the test does. Raises
    `NotEnoughData` where not even the shortest horizon has closed by then.
    """
    judge = data.test.as_of if data.shared else data.calibration.as_of
    learnt = [_followed(snapshot, judge) for snapshot in data.train]
    days, refused = _within_reach(spec, max(one.days for one in learnt), data.test.observed_days)
    for reason in refused:
        log.warning("%s: %s", spec.name, reason)
    seen = [_followed(data.calibration, data.test.as_of)]
    scorers = {name: _scorer(spec, params, days, learnt, seen) for name, params in _candidates(spec)}
    told = {"survival.days": ", ".join(map(str, days)), "calibration.chosen": "sigmoid of the hazards"}
    return scorers, told | ({"survival.refused": "; ".join(refused)} if refused else {})


def outlooks(scorer: Scorer, test: Snapshot) -> dict[int, Predicted]:
    """Return what was expected and what happened within each horizon, by its days; nothing of other models."""
    if test.waits is None:
        return {}
    model, waits = scorer.pipeline, test.waits
    curves = zip(model.days, model.survival(test.features).T, strict=True)
    return {days: Predicted((waits >= days).astype(np.float64), silent) for days, silent in curves}


def measures(seen: Mapping[int, Predicted]) -> dict[str, float]:
    """Return AUC, Brier score, calibration error, base rate and expectation of every horizon."""
    found = dict[str, float]()
    for days, p in seen.items():
        numbers = measure(p, {name: PROBABILITY[name] for name in _MEASURED})
        numbers |= {"base": float(p.actual.mean()), "expected": float(p.score.mean())}
        found |= {f"{name}_{days}d": number for name, number in numbers.items()}
    return found


def _candidates(spec: ModelSpec) -> list[tuple[str, Any]]:
    return list(spec.candidates.wanted(spec.linear).items())


def _scorer(
    spec: ModelSpec, params: Any, days: list[int], learnt: Sequence[Followed], seen: Sequence[Followed]
) -> Scorer:
    frame = pd.concat([one.features for one in learnt], ignore_index=True)
    encoder = Learning(spec, frame, np.zeros(len(frame))).encoder
    seed, threads = settings().seed, settings().threads
    pipeline = build(params, encoder, amounts=False, seed=seed, threads=threads, rows=len(frame))
    model = Hazards(encoder, pipeline[1:], days, spec.horizon_days).fit(learnt).calibrate(seen)
    return Scorer(spec.kind, model, 1.0, Identity(), None)


def _followed(snapshot: Snapshot, until: AsOf) -> Followed:
    waits = snapshot.waits if snapshot.waits is not None else np.empty(0)
    return Followed(snapshot.features, waits, (until.epoch - snapshot.as_of.epoch) // DAY)


def _within_reach(spec: ModelSpec, learnt: int, tested: int) -> tuple[list[int], list[str]]:
    """Return the horizons whose window has closed in training and test, and why the others are refused."""
    reach = min(learnt, tested)
    days = [end for end in spec.survival_days if end <= reach]
    refused = [
        f"{end} days is refused: no training window of so many days closes before the calibration (the longest is "
        f"{learnt} days), or none before as_of after the test ({tested} days)"
        for end in spec.survival_days
        if end > reach
    ]
    if spec.horizon_days not in days:
        raise NotEnoughData(f"{spec.name}: {'; '.join(refused)}. Load more history or shorten the horizons.")
    return days, refused
