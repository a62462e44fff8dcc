"""Teach the model that was taken to give reasons, and say what it leans on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ml.models.features import model_features
from ml.models.reasons import Reasons
from ml.models.scorer import margin
from ml.settings import settings

if TYPE_CHECKING:
    from ml.models.dataset import TrainingSet
    from ml.models.metrics import Array
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec
    from ml.warehouse import Warehouse

_ROWS = 20_000  # more rows make the imitation slower, not better
_SHOWN = 250


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a model leans on, by its reasons' imitation of it, on the test customers.

    Attributes:
        fidelity: R squared of the imitation.
        importance: each feature's mean absolute contribution, the largest first.
        contributions: Shapley values of some customers on the scale of the margin, one column a feature.
        places: where the same customers' values lie among them, from 0 to 1; NaN for categories and missing values.
        currency: of the orders; empty when there are several.
    """

    fidelity: float
    importance: dict[str, float]
    contributions: pd.DataFrame
    places: pd.DataFrame
    currency: str


def add_reasons(spec: ModelSpec, scorer: Scorer, data: TrainingSet, warehouse: Warehouse) -> Explanation:
    """Fit the scorer's reasons, and return what they say of the model."""
    frame, _ = data.learnt()
    rows = frame.sample(min(len(frame), _ROWS), random_state=settings().seed)
    known = model_features(spec)
    reasons = Reasons(
        encoder=scorer.pipeline.named_steps["encode"],
        says={name: found.says.model_dump(exclude_none=True) for name, found in known.items()},
        groups={name: found.group for name, found in known.items()},
        constants=spec.target.words if spec.target else {},
        currency=warehouse.scalar("5_scores/queries/currency.sql") or "",
        seed=settings().seed,
        threads=settings().threads,
    )
    scorer.reasons = reasons.fit(rows, margin(scorer.raw(rows), spec.kind))
    return _explanation(reasons, data.test.features, margin(scorer.raw(data.test.features), spec.kind))


def _explanation(reasons: Reasons, seen: pd.DataFrame, margins: Array) -> Explanation:
    some = seen.sample(min(len(seen), _SHOWN), random_state=settings().seed)
    moved = pd.DataFrame(reasons.contributions(some, exact=True), columns=reasons.features)
    numbers = [name for name in moved.columns if name in reasons.encoder.numbers]
    places = some[numbers].rank(pct=True).reindex(columns=moved.columns).reset_index(drop=True)
    return Explanation(reasons.fidelity(seen, margins), reasons.importance(seen), moved, places, reasons.currency)
