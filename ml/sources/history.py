"""What was loaded before, kept in `source_loads`: it makes loading incremental and gives volumes their history."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa

from ml.schema import arrow_schema
from ml.sources.files import Delivery
from ml.sources.spec import Source
from ml.sources.tally import Tally
from ml.sources.volumes import past_measures
from ml.sql import table
from ml.warehouse import Warehouse

# What says how a load behaves rather than what its rows become; changing it reads nothing again.
_BEHAVIOUR = {"description", "synthetic", "volume", "on_empty", "on_missing", "ignore"}


@dataclass(frozen=True)
class History:
    """The past loads of one source, oldest first."""

    name: str
    mapping_hash: str
    loads: tuple[dict[str, Any], ...]
    waiting: frozenset[str] = frozenset()

    @cached_property
    def latest(self) -> dict[str, dict[str, Any]]:
        """The last load of each file."""
        return {load["file_name"]: load for load in self.loads}

    @property
    def cursor_value(self) -> str | None:
        """Where the last load of the same mapping ended."""
        ends = [load["cursor_value"] for load in self.loads if load["mapping_hash"] == self.mapping_hash]
        return next((end for end in reversed(ends) if end is not None), None)

    def measures(self, without: str | None = None) -> list[dict[str, float]]:
        """Return what past loads measured, leaving out one load."""
        return [past_measures(load) for load in self.loads if load["load_id"] != without]

    def changed(self, delivery: Delivery) -> Delivery | None:
        """Return the delivery, hashed, when its content is new; a file of the same size and time is not read."""
        last = self.latest.get(delivery.file_name)
        fresh = last is None or last["mapping_hash"] != self.mapping_hash or delivery.file_name in self.waiting
        if last is not None and not fresh:
            if (last["bytes"], last["file_modified"]) == (delivery.bytes, delivery.modified):
                return None
            if last["file_hash"] == delivery.hashed().content_hash:
                return None
        return delivery.hashed()

    def is_done(self, delivery: Delivery) -> bool:
        """Return whether the same content was loaded by the same mapping, with nothing waiting for another source."""
        done = {load["load_id"] for load in self.loads}
        return self.load_id(delivery) in done and delivery.file_name not in self.waiting

    def load_id(self, delivery: Delivery) -> str:
        """Return the identifier of a load: the same content by the same mapping has the same one."""
        return _hash([self.name, self.mapping_hash, delivery.file_name, delivery.content_hash])[:16]


def read_history(name: str, source: Source, warehouse: Warehouse) -> History:
    """Return the past loads of a source and the files whose refused references may now be found."""
    loads = warehouse.read_arrow("source_loads", where={"source_name": name}, order_by=["loaded_at", "load_id"])
    history = History(name, mapping_hash(source), tuple(loads.to_pylist()))
    return replace(history, waiting=_waiting(history, source, warehouse))


def mapping_hash(source: Source) -> str:
    """Return the hash of what decides a source's rows: its entry and its table's columns."""
    contract = [column.model_dump(mode="json") for column in table(source.table).columns]
    return _hash([source.model_dump(mode="json", exclude=_BEHAVIOUR), contract])[:16]


def loads_table(history: History, table_name: str, taken: list[tuple[Delivery, Tally]], now: datetime) -> pa.Table:
    """Return the rows of `source_loads` for the deliveries of one load, finished at `now` (naive UTC)."""
    rows = [_load(history, table_name, delivery, tally, now) for delivery, tally in taken]
    return pa.Table.from_pylist(rows, schema=arrow_schema(table("source_loads")))


def _load(history: History, table_name: str, delivery: Delivery, tally: Tally, now: datetime) -> dict[str, Any]:
    return {
        "source_name": history.name,
        "load_id": history.load_id(delivery),
        "table_name": table_name,
        "file_name": delivery.file_name,
        "file_hash": delivery.content_hash,
        "file_modified": delivery.modified,
        "mapping_hash": history.mapping_hash,
        "cursor_value": delivery.cursor_value,
        "bytes": delivery.bytes,
        "rows_read": tally.read,
        "rows_loaded": tally.loaded,
        "rows_refused": tally.refused,
        "rows_filtered": tally.left_out.total(),
        "money_cents": tally.money_cents,
        "warnings": json.dumps(dict(sorted((tally.warnings + tally.left_out).items()))),
        "loaded_at": now,
        "loaded_epoch": int(now.replace(tzinfo=UTC).timestamp()),
    }


def _waiting(history: History, source: Source, warehouse: Warehouse) -> frozenset[str]:
    """Files with rows refused for want of another table's rows, where that table has been loaded since."""
    if not source.upstream or not any(load["rows_refused"] for load in history.latest.values()):
        return frozenset()
    loads = warehouse.read_arrow("source_loads", ["loaded_at"], where={"table_name": sorted(source.upstream)})
    newest = max(loads.column("loaded_at").to_pylist(), default=datetime.min)  # noqa: DTZ901 - naive UTC throughout
    refused = warehouse.read_arrow("quarantined_rows", ["file_name", "rule"], where={"source_name": history.name})
    columns = {*source.references, *source.lookups}
    files = {row["file_name"] for row in refused.to_pylist() if row["rule"].split(":")[0] in columns}
    return frozenset(f for f in files if f in history.latest and history.latest[f]["loaded_at"] < newest)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
