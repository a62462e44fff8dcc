"""Past points in time to learn from: which they are, and their features and labels built where stale or missing."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

import pandas as pd

from ml.errors import NotEnoughData
from ml.features.build import build_features
from ml.features.labels import TABLES, build_labels
from ml.features.splits import Snapshots, snapshots
from ml.settings import settings
from ml.sql import load_tables, table
from ml.times import AsOf, from_epoch

if TYPE_CHECKING:
    from ml.models.spec import ModelSpec
    from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

_LEDGER = "training_snapshots"


def choose(spec: ModelSpec, as_of: AsOf, warehouse: Warehouse) -> Snapshots:
    """Return the snapshots that a training at `as_of` uses.

    Raises `NotEnoughData` when there is no order, or too little history for the horizon.
    """
    warehouse.create("customer_orders")
    first = warehouse.scalar("5_scores/queries/history_start.sql")
    if first is None:
        raise NotEnoughData(f"{spec.name}: customer_orders is empty; load sources and build profiles first")
    wanted = spec.snapshots
    try:
        return snapshots(
            as_of,
            spec.horizon_days,
            wanted.step_days,
            wanted.train,
            earliest=from_epoch(int(first)).plus(wanted.history_days),
            at_least=wanted.at_least,
            share=wanted.calibrate == "share",
        )
    except NotEnoughData as error:
        raise NotEnoughData(f"{spec.name}: {error}") from error


def ensure(spec: ModelSpec, chosen: Snapshots, as_of: AsOf, warehouse: Warehouse) -> None:
    """Build features and labels of the chosen snapshots, unless what is stored still fits the data.

    A stored snapshot is known by a hash of the SQL and configuration that made it and of the rows before `as_of`;
    the hash is written after the build, so a killed build is built again.
    """
    warehouse.create(*table(_LEDGER).reads)
    seen = warehouse.select("5_scores/queries/source_state.sql", until_epoch=as_of.epoch).astype("int64")
    known = warehouse.read(_LEDGER, ["snapshot", "fingerprint"])
    stored = set(zip(known["snapshot"], known["fingerprint"], strict=True))
    fresh = []
    for stage, build in (("3_features", _build_features), ("4_labels", label)):
        fingerprint = hashlib.sha256((seen.to_csv(index=False) + _definitions(stage)).encode()).hexdigest()[:16]
        for at in chosen.all:
            row = (f"{_what(spec, stage)} {at.at.isoformat()}", fingerprint)
            if row not in stored or _was_dropped(stage, at, warehouse):
                build(spec, at, as_of, warehouse)
                fresh.append((*row, at.at))
    if fresh:
        warehouse.write(_LEDGER, pd.DataFrame(fresh, columns=["snapshot", "fingerprint", "as_of"]))


def _was_dropped(stage: str, at: AsOf, warehouse: Warehouse) -> bool:
    """Return whether somebody emptied the features that the ledger remembers; labels may rightly be empty."""
    return stage == "3_features" and not warehouse.count("customer_features", {"as_of": at})


def _build_features(spec: ModelSpec, at: AsOf, end: AsOf, warehouse: Warehouse) -> None:
    del spec, end
    build_features(str(at), warehouse)


def label(spec: ModelSpec, at: AsOf, end: AsOf, warehouse: Warehouse) -> None:
    """Build the model's labels at `at` as they are known at `end`. Raises `NotEnoughData` while the window is open."""
    build_labels(
        spec.task,
        at,
        spec.horizon_days,
        data_end=end,
        active_window_days=spec.active_window_days,
        targets=[spec.target] if spec.target else [],
        warehouse=warehouse,
    )


def _what(spec: ModelSpec, stage: str) -> str:
    if stage == "3_features":
        return "features"
    parts = [TABLES[spec.task], spec.horizon_days, spec.active_window_days, spec.target]
    return " ".join(str(part) for part in parts if part is not None)


def _definitions(stage: str) -> str:
    """Return everything that decides how a stage's rows are computed, as text."""
    files = [settings().config_dir / "features.yaml"]
    files += [t.sql for t in load_tables().values() if t.stage == stage and t.sql is not None]
    return "".join(path.read_text(encoding="utf-8") for path in sorted(files))
