"""Who came, who went, and since when the others are in: pure, over two memberships."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

_TIME = pa.timestamp("us")


@dataclass(frozen=True)
class Changes:
    """Members with `entered_at`, and one row for each entry and exit.

    `members`: customer_key, reason, entered_at. `moved`: customer_key, change (entered | left), reason.
    """

    members: pa.Table
    moved: pa.Table

    @property
    def entered(self) -> int:
        """Customers who were not in before."""
        return int(self.moved.filter(pc.equal(self.moved["change"], "entered")).num_rows)

    @property
    def left(self) -> int:
        """Customers who are not in any more."""
        return int(self.moved.num_rows) - self.entered


def compare(now: pa.Table, before: pa.Table, as_of: datetime) -> Changes:
    """Compare two memberships.

    Args:
        now: customer_key, reason.
        before: customer_key, reason, entered_at of the run before; empty for a first run.
        as_of: naive UTC; when those who are new entered.
    """
    at = pc.index_in(_keys(now), value_set=_keys(before))
    since = pc.fill_null(_flat(before["entered_at"]).cast(_TIME).take(at), pa.scalar(as_of, _TIME))
    came = now.filter(pc.is_null(at))
    went = before.filter(pc.invert(pc.is_in(_keys(before), value_set=_keys(now))))
    moved = pa.concat_tables([_moved(came, "entered"), _moved(went, "left")]).sort_by("customer_key")
    return Changes(now.append_column("entered_at", since), moved)


def _moved(rows: pa.Table, change: str) -> pa.Table:
    words = {"change": pa.repeat(pa.scalar(change), rows.num_rows), "reason": _flat(rows["reason"]).cast(pa.string())}
    return pa.table({"customer_key": _keys(rows), **words})


def _keys(rows: pa.Table) -> pa.Array:
    return _flat(rows["customer_key"]).cast(pa.int64())


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
