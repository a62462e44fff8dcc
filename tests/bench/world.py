"""The bench's world: generated once, loaded as the profile stage lays it out, found again by its size."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from ml.schema import core
from ml.sources.demo.scale import generate_scale
from ml.sql import table
from ml.times import parse_as_of
from ml.warehouse import Warehouse

AS_OF = parse_as_of("2018-01-01", "America/New_York")
# The order that sql/2_profiles gives each table.
ORDERS = {
    "customer_orders": ("customer_key", "ordered_epoch", "order_id"),
    "customer_order_lines": ("customer_key", "ordered_epoch", "line_id"),
    "customer_events": ("customer_key", "event_epoch", "event_id"),
    "customer_messages": ("customer_key", "event_epoch", "message_event_id"),
}


def prepare(home: Path, events: int, customers: int) -> dict[str, int]:
    """Make the warehouse under `home` unless one of this size is there; return the rows of each table."""
    ready, wanted = home / "world.json", {"events": events, "customers": customers}
    if ready.exists() and (known := json.loads(ready.read_text()))["size"] == wanted:
        return dict(known["rows"])
    shutil.rmtree(home, ignore_errors=True)
    made = generate_scale(events, customers, home / "input")["tables"]
    for name in ORDERS:
        _load(name, made[name]["path"])
    rows = {name: Warehouse().count(name) for name in ORDERS}
    shutil.rmtree(home / "input")
    ready.write_text(json.dumps({"size": wanted, "rows": rows}))
    return rows


def _load(name: str, path: str) -> None:
    house, columns = Warehouse(), ", ".join(column.name for column in core(table(name)).columns)
    house.create(name)
    with house.session() as session:
        order = ", ".join(f"{column} ASC NULLS FIRST" for column in ORDERS[name])
        session.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM read_parquet('{path}') ORDER BY {order}")


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
