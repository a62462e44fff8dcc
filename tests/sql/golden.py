"""Golden cases for SQL: a YAML file gives small input tables and the rows that must come out.

table: customer_orders
params: {}                 # Jinja variables and partition values of the table
given:
  stg_orders:              # missing columns are null; *_at is filled in from *_epoch
    - {order_id: a, ...}
expect:                    # all rows in the order of the table's key; only the columns named are compared
  - {order_id: a, ...}
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from ml.schema import arrow_schema
from ml.sql import table
from ml.warehouse import Warehouse

Row = dict[str, Any]


def cases(folder: Path) -> list[Path]:
    """Return the case files below a folder; there must be at least one."""
    found = sorted(folder.glob("*.yaml"))
    assert found, f"no golden cases in {folder}"
    return found


def load_case(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def put(warehouse: Warehouse, name: str, rows: list[Row]) -> None:
    """Write rows in which only the columns that matter are given."""
    schema = arrow_schema(table(name))
    unknown = {column for row in rows for column in row} - set(schema.names)
    assert not unknown, f"{name} has no columns {sorted(unknown)}"
    for partition, members in _partitioned(rows, table(name).partition):
        warehouse.write(name, pa.Table.from_pylist([_timed(row, schema) for row in members], schema=schema), partition)


def _partitioned(rows: list[Row], columns: tuple[str, ...]) -> list[tuple[Row, list[Row]]]:
    """Return the rows partition by partition; a table of one partition may be given no row at all."""
    if not columns:
        return [({}, rows)]
    ordered = sorted(rows, key=lambda row: [str(row[column]) for column in columns])
    groups = groupby(ordered, key=lambda row: {column: row[column] for column in columns})
    return [(partition, list(members)) for partition, members in groups]


def run_case(warehouse: Warehouse, case: dict[str, Any]) -> list[Row]:
    """Fill the inputs, run the table and return its rows, as far as `expect` names their columns."""
    spec, params = table(case["table"]), case.get("params") or {}
    for name, rows in case["given"].items():
        put(warehouse, name, rows)
    partition = {column: params[column] for column in spec.partition}
    rest = {name: value for name, value in params.items() if name not in partition}
    warehouse.run_table(spec.name, partition, **rest)
    columns = list(case["expect"][0]) if case["expect"] else None
    return [dict(row) for row in warehouse.read_arrow(spec.name, columns, order_by=spec.key).to_pylist()]


def _timed(row: Row, schema: pa.Schema) -> Row:
    filled = {name: row.get(name) for name in schema.names}
    for name in schema.names:
        epoch = filled.get(f"{name.removesuffix('_at')}_epoch")
        if name.endswith("_at") and filled[name] is None and epoch is not None:
            filled[name] = datetime.fromtimestamp(epoch, tz=UTC).replace(tzinfo=None)
    return filled
