"""What a run of the whole chain ends with: `demo/summary.json` for machines, the tables for people."""

from __future__ import annotations

import json
import resource
import sys
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ml.settings import settings
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from orchestration.inprocess import StageRun

COUNTED = {
    "customers": "customer_profiles",
    "identities": "customer_identities",
    "orders": "stg_orders",
    "order_lines": "stg_order_lines",
    "events": "stg_events",
    "messages": "stg_messages",
    "quarantined": "quarantined_rows",
}
SEGMENT = ("name", "size", "entered", "left", "held_out", "suppressed")
SYNC = ("destination", "segment", "adds", "updates", "removes", "confirmed", "failed")
MODEL = ("version", "alias", "run_id", "metrics", "baselines")


def summary_path() -> Path:
    """Return where the summary of the last run lies."""
    return settings().home / "demo" / "summary.json"


def forget() -> None:
    """Remove the summary of the last run: beside a failed one it would tell of another state."""
    summary_path().unlink(missing_ok=True)


def summarise(
    as_of: str, runs: Mapping[str, StageRun], warehouse: Warehouse, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Return the summary of a finished chain, from what the tasks returned and what the warehouse holds.

    `seconds` are the wall times of all stages on the screen, those before the first DAG included.
    """
    drift = runs["watch_drift"].one("watch")
    return {
        "as_of": as_of,
        "counts": {name: warehouse.count(table) for name, table in COUNTED.items()},
        "revenue_cents": revenue_cents(warehouse),
        "models": {m["name"]: _only(m, MODEL) for m in runs["train_models"].results.get("train", [])},
        "drift": _only(drift, ("share", "drifted", "status")),
        "segments": [_only(s, SEGMENT) for s in runs["build_segments"].one("build")],
        "syncs": [_only(s, SYNC) for s in runs["sync_segments"].results.get("sync", [])],
        "timings": {title.replace(" ", "_"): round(spent, 1) for title, spent in seconds.items()},
        "peak_rss_mb": peak_rss_mb(),
    }


def revenue_cents(warehouse: Warehouse) -> int:
    """Return the sum of all staged order lines in minor units."""
    import pyarrow.compute as pc

    cents = pc.sum(warehouse.read_arrow("stg_order_lines", columns=["amount_cents"])["amount_cents"])
    return int(cents.as_py() or 0)


def peak_rss_mb() -> int:
    """Return this process's peak resident memory in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def write(summary: Mapping[str, Any], path: Path) -> None:
    """Write the summary at once: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(summary, indent=2, default=str) + "\n", encoding="utf-8")
    draft.replace(path)


def read(path: Path) -> dict[str, Any]:
    """Return the last summary, or an empty one when no chain has ended yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def stage_table(runs: Mapping[str, StageRun]) -> Table:
    """Return the table of stages: rows that each wrote, and seconds."""
    rows = [(name, _shown(rows_of(run)), f"{run.seconds:.1f}") for name, run in runs.items()]
    total = f"{sum(run.seconds for run in runs.values()):.1f}"
    return _table("Stages", ("stage", "rows", "seconds"), [*rows, ("together", "", total)])


def segment_table(summary: Mapping[str, Any]) -> Table:
    """Return the table of segments."""
    return _table("Segments", SEGMENT, [[_shown(row[key]) for key in SEGMENT] for row in summary["segments"]])


def sync_table(summary: Mapping[str, Any]) -> Table:
    """Return the table of what was synced."""
    return _table("Synced", SYNC, [[_shown(row[key]) for key in SYNC] for row in summary["syncs"]])


def rows_of(run: StageRun) -> int | None:
    """Return the sum of the `rows` (or members, or confirmed records) that a stage's tasks report."""
    found = [count for values in run.results.values() for value in values for count in _counts(value)]
    return sum(found) if found else None


def _counts(value: Any) -> list[int]:
    if isinstance(value, list):
        return [count for item in value for count in _counts(item)]
    if not isinstance(value, dict):
        return []
    rows = next((value[key] for key in ("rows", "rows_loaded", "size", "confirmed") if key in value), None)
    if isinstance(rows, dict):
        return [int(count) for count in rows.values()]
    return [int(rows)] if isinstance(rows, int | float) else []


def _only(record: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: record[key] for key in keys}


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in head:
        table.add_column(
            name.replace("_", " "), justify="left" if name in {"stage", "name", "destination", "segment"} else "right"
        )
    for row in rows:
        table.add_row(*row)
    return table
