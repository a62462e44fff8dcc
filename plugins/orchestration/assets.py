"""Airflow's Assets: one for each warehouse table, and two for what is not a table.

Made from the table files in `sql/`, so that a DAG file may name its inputs and outputs while it is parsed without
touching a database.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from airflow.sdk import Asset

from ml.sql import load_tables

if TYPE_CHECKING:
    from ml.sql import Table

CHAMPIONS = Asset(name="champions", uri="audienceflow://registry/champions", group="models")
"""The registry's champion of at least one model is new or confirmed."""

RETRAINING = Asset(name="retraining_wanted", uri="audienceflow://monitoring/retraining_wanted", group="models")
"""There is evidence that somebody should train; its events carry `reasons` by model."""

FEEDBACK = frozenset({RETRAINING.name})
"""Assets that flow backwards; whoever sorts the DAGs by their assets leaves them out."""


@lru_cache
def _by_table() -> dict[str, Asset]:
    return {name: _asset(table) for name, table in load_tables().items()}


def _asset(table: Table) -> Asset:
    return Asset(
        name=table.name,
        uri=f"audienceflow://warehouse/{table.stage}/{table.name}",
        group=table.stage,
    )


def table(name: str) -> Asset:
    """Return the Asset of one table. Raises `KeyError` when `sql/` has no such table."""
    return _by_table()[name]


def tables(*names: str) -> list[Asset]:
    """Return the Assets of several tables, in the order given."""
    return [table(name) for name in names]


def stage(name: str, prefix: str = "") -> list[Asset]:
    """Return the Assets of one stage (`1_staging`), sorted by name; `prefix` narrows the table names."""
    found = (asset for asset in _by_table().values() if asset.group == name and asset.name.startswith(prefix))
    return sorted(found, key=lambda asset: asset.name)
