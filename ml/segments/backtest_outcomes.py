"""What became of the customers known at a past point in time: whom an outcome asks, whom it met, and the money."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ml.sql import table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.segments.outcomes import Outcome
    from ml.times import AsOf
    from ml.warehouse import Warehouse

_QUERY = "6_segments/queries/came_true.sql"
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Realised:
    """The customers of whom an outcome is asked, in order of their keys; all of shape (customers,).

    `did` is whether it happened; `before` and `after` are cents spent in the horizon before and after; `cents` is the
    money in it: of a loss what is spent less than before, else what was spent on it.
    """

    keys: NDArray[np.int64]
    did: NDArray[np.bool_]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    cents: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> Realised:
        """Return some of the customers."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def holds(self, keys: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
        """Return which of the customers are among `keys`."""
        return np.isin(self.keys, np.asarray(keys, dtype=np.int64))


def look_up(outcome: Outcome, at: AsOf, warehouse: Warehouse, among: pa.ChunkedArray | None = None) -> Realised:
    """Return what became of the customers known at `at`, or of those `among` them; its horizon must be over."""
    warehouse.create(*table("segment_backtests").reads)
    length = outcome.horizon.seconds
    rows = warehouse.select_arrow(
        _QUERY,
        as_of=at,
        as_of_epoch=at.epoch,
        since=at.epoch - length,
        until=at.epoch + length,
        kind=outcome.kind,
        targets=outcome.targets,
    )
    columns = {name: rows[name].to_numpy() for name in rows.column_names}
    found = Realised(
        columns["customer_key"], columns["did"], columns["cents_before"], columns["cents_after"], columns["did_cents"]
    )
    asked = columns["is_asked"] if among is None else columns["is_asked"] & found.holds(among)
    return _met(outcome, found.of(asked))


def _met(outcome: Outcome, found: Realised) -> Realised:
    """Return the customers with what the outcome's kind makes of their orders."""
    if outcome.is_loss:
        silent = ~found.did
        lost = silent if outcome.kind == "churn" else silent | (found.after < _HALF * found.before)
        return replace(found, did=lost, cents=np.where(lost, np.maximum(found.before - found.after, 0), 0))
    if outcome.top_spend is not None:
        count = math.ceil(outcome.top_spend.share * len(found.keys))
        top = np.zeros(len(found.keys), dtype=np.bool_)
        top[np.lexsort((found.keys, -found.after))[:count]] = True
        top &= found.after > 0
        return replace(found, did=top, cents=np.where(top, found.after, 0))
    return found
