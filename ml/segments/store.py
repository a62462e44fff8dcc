"""Write what was built: arms, members, changes, then runs, those of many segments in one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ml.errors import CheckFailed
from ml.measurement.holdout import Holdouts
from ml.segments.changes import Changes
from ml.times import AsOf
from ml.warehouse import Warehouse

_ROWS = 1_000_000  # members written at once: bounds memory


@dataclass(frozen=True)
class Built:
    """A segment that was built at an `as_of`: who is in, who moved, who is held out, and its row in `segment_runs`."""

    segment: str
    changes: Changes
    held_out: pa.Array
    run: dict[str, Any]


class Store:
    """Collects what was built and writes it once there is enough; `refused` is told what a check refuses."""

    def __init__(
        self, warehouse: Warehouse, as_of: AsOf, holdouts: Holdouts, refused: Callable[[str, CheckFailed], None]
    ) -> None:
        self._warehouse, self._as_of, self._holdouts, self._refused = warehouse, as_of, holdouts, refused
        self._waiting = list[Built]()

    def add(self, built: Built) -> None:
        """Take one segment; what waits is written when it is much."""
        self._waiting.append(built)
        if sum(one.changes.members.num_rows for one in self._waiting) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        self._holdouts.save()
        self._write(waiting)

    def _write(self, built: Sequence[Built]) -> None:
        try:
            for name, rows in _tables(built):
                part = {"segment": [one.segment for one in built], "as_of": self._as_of}
                self._warehouse.write(name, rows, part)
        except CheckFailed as error:
            if len(built) == 1:
                self._refused(built[0].segment, error)
            for one in built if len(built) > 1 else ():
                self._write([one])


def _tables(built: Sequence[Built]) -> Iterable[tuple[str, pa.Table]]:
    """Yield the rows of each table; a segment's row in `segment_runs` comes last and says that the others are whole."""
    if built:
        members = [_named(one, one.changes.members.append_column("is_holdout", one.held_out)) for one in built]
        yield "segment_members", pa.concat_tables(members, promote_options="permissive")
        yield "segment_changes", pa.concat_tables([_moved(one) for one in built], promote_options="permissive")
        yield "segment_runs", pa.Table.from_pylist([{"segment": one.segment, **one.run} for one in built])


def _moved(built: Built) -> pa.Table:
    before = pa.repeat(pa.scalar(built.run["previous_as_of"], pa.timestamp("us")), built.changes.moved.num_rows)
    return _named(built, built.changes.moved.append_column("previous_as_of", before))


def _named(built: Built, rows: pa.Table) -> pa.Table:
    return rows.append_column("segment", pa.repeat(pa.scalar(built.segment), rows.num_rows))
