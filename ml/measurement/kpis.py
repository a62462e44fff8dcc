"""What members, holdout and everybody else bought: figures per segment, described and never called an effect.

Members are chosen by what they did before, so they differ from non-members with or without a campaign. Only `members`
against `holdout` over a window on basis `after` can ever speak of an effect; its statistics are not made here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

WINDOW_DAYS = 28


@dataclass(frozen=True)
class _Window:
    """Whose orders are counted, and when."""

    basis: str
    cohort: AsOf
    start: AsOf
    end: AsOf


def measure_segments(as_of: str, warehouse: Warehouse | None = None, window_days: int = WINDOW_DAYS) -> dict[str, Any]:
    """Write `segment_kpis` of every segment built at `as_of`: one row an arm; earlier rows are kept.

    The members measured are those of the latest run whose window of `window_days` has closed by `as_of` (basis
    `after`); where there is none, those of `as_of` itself over the window before it (basis `before`).
    Running it again changes nothing.

    Returns as_of, window_days, segments, rows, and how many segments were measured on each basis.
    """
    at, house = parse_as_of(as_of), warehouse or Warehouse()
    with house.held():
        runs = _runs(house, at)
        windows = {name: _window(times, at, window_days) for name, times in runs.items() if at in times}
        rows = sum(_measure(house, name, at, window, window_days) for name, window in windows.items())
    basis = [window.basis for window in windows.values()]
    log.info("measured %s segments at %s: %s rows", len(windows), at, rows)
    counted = {name: basis.count(name) for name in ("after", "before")}
    return {"as_of": str(at), "window_days": window_days, "segments": len(windows), "rows": rows, **counted}


def _runs(house: Warehouse, as_of: AsOf) -> dict[str, list[AsOf]]:
    """Return when each segment was built up to `as_of`, in order."""
    columns = ["segment", "as_of"]
    rows = house.read_arrow("segment_runs", columns, where={"as_of": ("<=", as_of)}, order_by=columns).to_pylist()
    runs: dict[str, list[AsOf]] = {}
    for row in rows:
        runs.setdefault(row["segment"], []).append(AsOf(row["as_of"]))
    return runs


def _window(runs: list[AsOf], as_of: AsOf, days: int) -> _Window:
    closed = [run for run in runs if run.plus(days) <= as_of]
    if closed:
        return _Window("after", closed[-1], closed[-1], closed[-1].plus(days))
    return _Window("before", as_of, as_of.minus(days), as_of)


def _measure(house: Warehouse, segment: str, as_of: AsOf, window: _Window, days: int) -> int:
    return house.run_table(
        "segment_kpis",
        {"segment": segment, "as_of": as_of},
        cohort_as_of=window.cohort,
        window_start=window.start,
        window_end=window.end,
        window_days=days,
        basis=window.basis,
    ).rows
