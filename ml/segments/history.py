"""What is stored of a segment's earlier runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from ml.times import AsOf
from ml.warehouse import Warehouse

_RUN = ("as_of", "evaluated_at", "definition_hash", "model_versions")
_MEMBER = ("customer_key", "reason", "entered_at")


@dataclass(frozen=True)
class Previous:
    """A segment's latest run before an `as_of`; times are None and there are no members when there is none.

    `members`: customer_key, reason, entered_at.
    """

    as_of: datetime | None
    evaluated_at: datetime | None
    definition_hash: str
    model_versions: str
    members: pa.Table


def previous(warehouse: Warehouse, segment: str, as_of: AsOf) -> Previous:
    """Return a segment's latest run before `as_of`."""
    where = {"segment": segment, "as_of": ("<", as_of)}
    runs = warehouse.read_arrow("segment_runs", _RUN, where, order_by=["as_of"]).to_pylist()
    last: dict[str, Any] = runs[-1] if runs else {**dict.fromkeys(_RUN), "definition_hash": "", "model_versions": "{}"}
    return Previous(**last, members=stored_members(warehouse, segment, last["as_of"]))


def stored_members(warehouse: Warehouse, segment: str, as_of: datetime | AsOf | None) -> pa.Table:
    """Return customer_key, reason and entered_at of a segment's members at one of its runs."""
    where = {"segment": segment, "as_of": as_of}
    return warehouse.read_arrow("segment_members", _MEMBER, where, ["customer_key"])
