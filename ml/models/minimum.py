"""The data minimum: what a model declares that it needs, and how much of it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ml.errors import NotEnoughData
from ml.features.matrix import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.models.dataset import Snapshot, TrainingSet
    from ml.models.spec import ModelSpec
    from ml.times import AsOf

_DAY = 86_400
_NAMED = 3  # features that a message names


def check_history(spec: ModelSpec, first: AsOf, as_of: AsOf) -> None:
    """Raise `NotEnoughData` unless the orders reach back over enough horizons."""
    days, least = (as_of.epoch - first.epoch) / _DAY, spec.gates.min_history
    if days < 0:
        raise NotEnoughData(f"{as_of} lies before the first order ({first}); choose a later as_of")
    if days < least * spec.horizon_days:
        raise NotEnoughData(
            f"{days / spec.horizon_days:.1f} horizons of orders ({days:.0f} days since {first}), {least:g} needed "
            f"({least * spec.horizon_days:.0f} days). Choose a later as_of, load more history, or lower "
            "gates.min_history in config/models"
        )


def check_data(spec: ModelSpec, data: TrainingSet) -> None:
    """Raise `NotEnoughData` naming everything that is too little, with what was found and what is needed."""
    problems = [*_customers(spec, data), *_outcomes(spec, data), *_missing(spec, data)]
    if problems:
        raise NotEnoughData(
            f"{spec.name}: {'; '.join(problems)}. Load more history, lengthen the horizon, or lower the gates in "
            "config/models."
        )


def _customers(spec: ModelSpec, data: TrainingSet) -> list[str]:
    least = spec.gates.min_customers
    found = [(snapshot.as_of, len(snapshot.label)) for snapshot in data.snapshots]
    return [f"{count} customers at {at}, {least} needed" for at, count in found if count < least]


def _outcomes(spec: ModelSpec, data: TrainingSet) -> list[str]:
    gates = spec.gates
    judged: dict[str, tuple[Sequence[Snapshot], int]] = {
        "training": (data.train, gates.min_positives),
        "calibration": ((data.calibration,), gates.min_positives_test),
        "test": ((data.test,), gates.min_positives_test),
    }
    found = []
    for part, (snapshots, least) in judged.items():
        positives = sum(int((s.label > 0).sum()) for s in snapshots)
        negatives = sum(len(s.label) for s in snapshots) - positives
        if positives < least or (spec.kind == "probability" and negatives < least):
            found.append(f"{positives} positive and {negatives} negative {part} labels, {least} of each needed")
    return found


def _missing(spec: ModelSpec, data: TrainingSet) -> list[str]:
    """Judge each point in time: a source that began late, or ended, shows there.

    A feature that no customer ever has is not counted: the shop lacks what it speaks of.
    """
    empty = pd.concat([_empty(snapshot.features) for snapshot in data.snapshots], axis=1, ignore_index=True)
    known = empty[empty.min(axis=1) < 1]
    return [
        f"{share:.0%} of the feature values at {snapshot.as_of} are missing ({_worst(known[number])}), at most "
        f"{spec.gates.max_missing:.0%} allowed"
        for number, (snapshot, share) in enumerate(zip(data.snapshots, known.mean(), strict=True))
        if share > spec.gates.max_missing
    ]


def _empty(features: pd.DataFrame) -> pd.Series:
    """Return each feature's share of customers without a value."""
    return (features.isna() | (features == MISSING)).mean()


def _worst(empty: pd.Series) -> str:
    largest = empty[empty > 0].sort_values(ascending=False, kind="stable").head(_NAMED)
    return ", ".join(f"{name} {share:.0%}" for name, share in largest.items())
