"""Teach the model that was taken to give reasons, and say what it leans on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.models.features import model_features
from ml.models.reasons import Reasons
from ml.models.scorer import margin
from ml.settings import settings

if TYPE_CHECKING:
    from ml.models.dataset import TrainingSet
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec
    from ml.warehouse import Warehouse

_ROWS = 20_000  # more rows make the imitation slower, not better


def add_reasons(
    spec: ModelSpec, scorer: Scorer, data: TrainingSet, warehouse: Warehouse
) -> tuple[float, dict[str, float]]:
    """Fit the scorer's reasons; return how well they follow it (R squared) and each feature's weight, on the test."""
    frame, _ = data.learnt()
    rows = frame.sample(min(len(frame), _ROWS), random_state=settings().seed)
    known = model_features(spec)
    reasons = Reasons(
        encoder=scorer.pipeline.named_steps["encode"],
        says={name: found.says.model_dump(exclude_none=True) for name, found in known.items()},
        groups={name: found.group for name, found in known.items()},
        constants={"target": spec.target} if spec.target else {},
        currency=warehouse.scalar("5_scores/queries/currency.sql") or "",
        seed=settings().seed,
        threads=settings().threads,
    )
    scorer.reasons = reasons.fit(rows, margin(scorer.raw(rows), spec.kind))
    seen = data.test.features
    return reasons.fidelity(seen, margin(scorer.raw(seen), spec.kind)), reasons.importance(seen)
