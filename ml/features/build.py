"""Build the features of one point in time; training and scoring call this and nothing else."""

from __future__ import annotations

import logging
import time
from typing import Any

from ml.features.config import load_config
from ml.sql import load_tables
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

log = logging.getLogger(__name__)


def build_features(as_of: str, warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Replace the partition `as_of` of every feature table; return as_of, rows and seconds.

    A customer has a row when any order, event or message lies strictly before `as_of`. Several points in time are
    a loop over this. Raises `ConfigError` for a wrong `config/features.yaml`, `CheckFailed` for a wrong row.
    """
    started, at = time.perf_counter(), parse_as_of(as_of)
    house = warehouse or Warehouse()
    with house.held():
        rows = _build_tables(house, at)
    seconds = time.perf_counter() - started
    log.info("features at %s: %s customers in %.1f s", at, f"{rows:,}", seconds)
    if not rows:
        log.warning("nobody is known before %s: run build_profiles first, or choose a later as_of", at)
    return {"as_of": str(at), "rows": rows, "seconds": round(seconds, 3)}


def _build_tables(house: Warehouse, at: AsOf) -> int:
    """Run the stage's tables in the order in which they read each other; return the rows of `customer_features`."""
    params, rows = load_config().params(), 0
    for found in load_tables().values():
        if found.stage == "3_features" and found.partition == ("as_of",):  # a history of targets belongs to its models
            wanted = {name: params[name] for name in found.spec.params}
            run = house.run_table(found.name, {"as_of": at}, **wanted)
            rows = run.rows if found.name == "customer_features" else rows
    return rows
