"""What is known of segments from their runs: who was in before, and who entered and left."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ml.times import AsOf
from ml.warehouse import Warehouse

_RUN = ("as_of", "evaluated_at", "definition_hash", "model_versions")
_MEMBER = ("customer_key", "reason", "entered_at", "degree")
MEMBERS = pa.schema(
    [
        ("customer_key", pa.int64()),
        ("reason", pa.string()),
        ("entered_at", pa.timestamp("us")),
        ("degree", pa.float64()),
    ]
)
MOVES = pa.schema([("customer_key", pa.int64()), ("change", pa.string()), ("moved_epoch", pa.int64())])


@dataclass(frozen=True)
class Previous:
    """A segment's latest run before an `as_of`; times are None and there are no members when there is none.

    `members`: customer_key, reason, entered_at, degree.
    """

    as_of: datetime | None = None
    evaluated_at: datetime | None = None
    definition_hash: str = ""
    model_versions: str = "{}"
    members: pa.Table = field(default_factory=MEMBERS.empty_table)


class History(Protocol):
    """What an evaluation at an `as_of` asks of the runs of segments."""

    def previous(self, segment: str) -> Previous:
        """Return a segment's latest run before."""

    def built(self) -> set[str]:
        """Return the segments that have a run at the very `as_of`."""

    def members(self, segment: str) -> pa.Table:
        """Return the members, as in `Previous`, of a segment's run at the very `as_of`."""

    def moves(self, segment: str) -> pa.Table:
        """Return who entered and left in its runs before: customer_key, change, moved_epoch.

        Those whom its first run found are not among them: nobody saw them enter.
        """


@dataclass(frozen=True)
class StoredHistory:
    """The runs that are in the warehouse; those of all segments are read at once."""

    warehouse: Warehouse
    as_of: AsOf

    @cached_property
    def _latest(self) -> dict[str, dict[str, Any]]:
        columns = ["segment", *_RUN]
        runs = self.warehouse.read_arrow("segment_runs", columns, {"as_of": ("<", self.as_of)}, order_by=["as_of"])
        return {run.pop("segment"): run for run in runs.to_pylist()}

    @cached_property
    def _members(self) -> dict[datetime, pa.Table]:
        return {}

    def previous(self, segment: str) -> Previous:
        """Return a segment's latest run before `as_of`."""
        if segment not in self._latest:
            return Previous()
        last = self._latest[segment]
        return Previous(**last, members=self._members_at(segment, last["as_of"]))

    def built(self) -> set[str]:
        """Return the segments that were built at `as_of`."""
        return set(self.warehouse.read_arrow("segment_runs", ["segment"], {"as_of": self.as_of})["segment"].to_pylist())

    def members(self, segment: str) -> pa.Table:
        """Return a segment's members at `as_of`."""
        return self._members_at(segment, self.as_of.at)

    def moves(self, segment: str) -> pa.Table:
        """Return who entered and left before `as_of`."""
        where = {"segment": segment, "as_of": ("<", self.as_of)}
        rows = self.warehouse.read_arrow(
            "segment_changes", ["customer_key", "change", "as_of", "previous_as_of"], where
        )
        rows = rows.filter(pc.is_valid(rows["previous_as_of"]))
        return moved(rows, pc.cast(pc.cast(rows["as_of"], pa.timestamp("s")), pa.int64()))

    def _members_at(self, segment: str, as_of: datetime) -> pa.Table:
        if as_of not in self._members:
            columns, where = ["segment", *_MEMBER], {"as_of": as_of}
            self._members[as_of] = self.warehouse.read_arrow("segment_members", columns, where, ["customer_key"])
        rows = self._members[as_of]
        return rows.filter(pc.equal(rows["segment"], segment)).drop(["segment"])


def moved(rows: pa.Table, epoch: Any) -> pa.Table:
    """Return changes as `History.moves` has them; `epoch` is a column, or one second for all."""
    when = epoch if isinstance(epoch, pa.ChunkedArray) else pa.repeat(pa.scalar(epoch, pa.int64()), rows.num_rows)
    return pa.table({"customer_key": rows["customer_key"], "change": rows["change"], "moved_epoch": when}, schema=MOVES)
