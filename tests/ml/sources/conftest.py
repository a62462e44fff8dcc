"""A small shop whose files and sources a test writes itself."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.settings import settings
from ml.sources.config import load_sources
from ml.sources.load import ingest_source
from ml.warehouse import Warehouse

ORDERS = """
sources:
  orders:
    table: stg_orders
    files: "{home}/in/orders*.csv"
    columns:
      order_id: id
      customer_ref: {from: customer, prefix: "shop:"}
      ordered_at: {from: at, timezone: America/New_York}
      status: {constant: placed}
      currency: {constant: USD}
      total_cents: {from: dollars, factor: 100}
"""
HEADER = "id,customer,at,dollars\n"


class Shop:
    """Input files, a sources.yaml and a warehouse."""

    orders = ORDERS
    header = HEADER

    def __init__(self, home: Path, warehouse: Warehouse) -> None:
        self.home, self.warehouse = home, warehouse

    def configure(self, text: str) -> None:
        folder = self.home / "config"
        folder.mkdir(exist_ok=True)
        (folder / "sources.yaml").write_text(text)

    def put(self, name: str, content: str | bytes | pa.Table) -> Path:
        path = self.home / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    def ingest(self, name: str = "orders") -> dict[str, Any]:
        return ingest_source(name, warehouse=self.warehouse)

    def rows(self, table: str = "stg_orders", *columns: str) -> list[Any]:
        keys = {"stg_orders": ["order_id"], "quarantined_rows": ["source_name", "file_name", "row_number"]}
        found = self.warehouse.read_arrow(table, columns or None, order_by=keys.get(table)).to_pylist()
        return [tuple(row.values()) if len(columns) > 1 else row[columns[0]] for row in found] if columns else found

    def refused(self) -> list[tuple[str, str]]:
        return [(row["rule"], row["row_json"]) for row in self.rows("quarantined_rows")]

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Every staging row and refusal, without what says when it was loaded."""
        names = {source.table for source in load_sources().values()} | {"quarantined_rows", "source_loads"}
        late = {"loaded_at", "loaded_epoch", "quarantined_at"}
        return {
            name: sorted(({k: v for k, v in row.items() if k not in late} for row in self.rows(name)), key=str)
            for name in names
        }


def _shop(home: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("AUDIENCEFLOW_CONFIG_DIR", str(home / "config"))
    settings.cache_clear()
    shop = Shop(home, warehouse)
    shop.configure(ORDERS)
    return shop


@pytest.fixture
def shop(home, duck, monkeypatch):
    """The shop on DuckDB."""
    return _shop(home, duck, monkeypatch)


@pytest.fixture
def shops(home, both_engines, monkeypatch):
    """The same shop on DuckDB and on PostgreSQL."""
    return [_shop(home, warehouse, monkeypatch) for warehouse in both_engines]
