"""Inner folds of the training snapshots: later points in time judge earlier ones, on customers of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.models.dataset import Snapshot, TrainingSet

_GOLDEN, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(40)
_MOST_ROWS = 120_000  # more rows make a search slower, not wiser
_LEAST = 5  # customers of the rarer outcome without whom a fold says nothing


@dataclass(frozen=True, eq=False)
class Fold:
    """Snapshots to learn from, and a later one that judges; no customer is in both.

    Every label window that is learnt from has closed when the judging one begins.
    """

    learn: tuple[Snapshot, ...]
    judge: Snapshot


def inner_folds(data: TrainingSet, horizon_days: int, count: int) -> tuple[Fold, ...]:
    """Return `count` folds, the latest judge first; none where no label window closes before another begins.

    Training snapshots judge. Where their windows all overlap (a long horizon on a short history) the calibration
    snapshot does, unless it shares a training window itself. Of more than 120,000 training rows some customers are left
    out, the same ones everywhere.
    """
    judges = judging(data, horizon_days) or ([] if data.shared else [data.calibration])
    among = count * -(-sum(len(snapshot.label) for snapshot in data.train) // _MOST_ROWS)
    folds = [
        _fold(data.train, judges[k % len(judges)], horizon_days, k, (count, among)) for k in range(count) if judges
    ]
    return tuple(fold for fold in folds if _tells(fold))


def judging(data: TrainingSet, horizon_days: int) -> list[Snapshot]:
    """Return the training snapshots that may judge earlier ones, the latest first; their windows do not overlap."""
    found: list[Snapshot] = []
    for snapshot in reversed(data.train):
        apart = not found or snapshot.as_of.plus(horizon_days) <= found[-1].as_of
        if apart and _closed(data.train, snapshot, horizon_days):
            found.append(snapshot)
    return found


def _fold(train: Sequence[Snapshot], judge: Snapshot, horizon_days: int, number: int, parts: tuple[int, int]) -> Fold:
    """Let part `number` of the customers judge, and the other parts below the first of `parts` learn."""
    count, among = parts
    learn = [(s, _part(s.keys, among)) for s in _closed(train, judge, horizon_days)]
    judges = _part(judge.keys, among) == number
    return Fold(tuple(s.of((part < count) & (part != number)) for s, part in learn), judge.of(judges))


def _closed(train: Sequence[Snapshot], judge: Snapshot, horizon_days: int) -> list[Snapshot]:
    return [snapshot for snapshot in train if snapshot.as_of.plus(horizon_days) <= judge.as_of]


def _part(keys: NDArray[np.int64], among: int) -> NDArray[np.uint64]:
    """Return each customer's part, 0 to `among` - 1, the same in every snapshot."""
    return ((keys.astype(np.uint64) * _GOLDEN) >> _SHIFT) % np.uint64(among)


def _tells(fold: Fold) -> bool:
    labels = [np.concatenate([s.label for s in fold.learn]), fold.judge.label]
    return all(len(y) - np.unique(y, return_counts=True)[1].max(initial=0) >= _LEAST for y in labels)
