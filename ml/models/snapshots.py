"""Past points in time to learn from: which they are, and their features and labels built where stale or missing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ml.errors import NotEnoughData
from ml.features.build import build_features
from ml.features.config import load_config
from ml.features.labels import TABLES, build_labels
from ml.features.splits import Snapshots, snapshots
from ml.features.targets import by_kind
from ml.models.minimum import check_history
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
    begin = from_epoch(int(first))
    earliest = begin.plus(spec.snapshots.history_days)
    try:
        check_history(spec, begin, as_of)
        return _farthest(spec, as_of, earliest) if spec.survival_days else _snapshots(spec, as_of, earliest)
    except NotEnoughData as error:
        raise NotEnoughData(f"{spec.name}: {error}") from error


def _farthest(spec: ModelSpec, as_of: AsOf, earliest: AsOf) -> Snapshots:
    """Return the snapshots for the longest survival horizon that closes in training as well as after the test."""
    step = spec.snapshots.step_days
    for days in sorted(spec.survival_days, reverse=True):
        if days > spec.horizon_days:
            apart = -(-days // step) * step  # whole steps, so that snapshots are those of other models, too
            with suppress(NotEnoughData):
                found = _snapshots(spec, as_of.minus(apart - spec.horizon_days), earliest)
                if found.train[0].plus(days) <= found.calibrate:
                    return found
    return _snapshots(spec, as_of, earliest)


def _snapshots(spec: ModelSpec, as_of: AsOf, earliest: AsOf) -> Snapshots:
    wanted = spec.snapshots
    return snapshots(
        as_of,
        spec.horizon_days,
        wanted.step_days,
        wanted.train,
        earliest=earliest,
        at_least=wanted.at_least,
        share=wanted.calibrate == "share",
    )


def ensure(
    spec: ModelSpec, chosen: Snapshots, as_of: AsOf, warehouse: Warehouse, *, loaded_until: AsOf | None = None
) -> None:
    """Build features and labels of the chosen snapshots, unless what is stored still fits the data.

    A stored snapshot is known by a hash of the SQL and configuration that made it and of the rows before `as_of`;
    the hash is written after the build, so a killed build is built again. Where a past training is repeated, rows may
    be loaded until later: they are no part of the snapshots, but with them stored ones are recognised.
    """

    def build(at: AsOf) -> None:
        label(spec, at, as_of, warehouse)

    labels = Part(_labels_of(spec), definitions("4_labels") + _asked(spec, as_of), build)
    parts = [_features(warehouse), *_history(spec, warehouse), labels]
    build_stale(parts, chosen.all, loaded_until or as_of, warehouse)


def ensure_features(points: Iterable[AsOf], until: AsOf, warehouse: Warehouse) -> None:
    """Build features at points in time before `until`, unless what is stored still fits the data."""
    build_stale([_features(warehouse)], points, until, warehouse)


def ensure_history(spec: ModelSpec, at: AsOf, warehouse: Warehouse, *, loaded_until: AsOf | None = None) -> None:
    """Build what is known at `at` of the targets in the model's file, unless it is stored; nothing without a target."""
    build_stale(_history(spec, warehouse), [at], loaded_until or at, warehouse)


@dataclass(frozen=True)
class Part:
    """Something made at points in time: its name in the ledger, all that decides its rows, and how it is built.

    `table` names where its rows must be; labels may rightly have none.
    """

    name: str
    definition: str
    build: Callable[[AsOf], None]
    table: str | None = None


def build_stale(parts: Sequence[Part], points: Iterable[AsOf], until: AsOf, warehouse: Warehouse) -> None:
    """Build what the ledger does not know as made from the rows before `until` by the same definition."""
    if not parts:
        return
    warehouse.create(*table(_LEDGER).reads)
    seen = warehouse.select("5_scores/queries/source_state.sql", until_epoch=until.epoch).astype("int64")
    known = warehouse.read(_LEDGER, ["snapshot", "fingerprint"])
    stored = set(zip(known["snapshot"], known["fingerprint"], strict=True))
    fresh = []
    for part in parts:
        fingerprint = hashlib.sha256((seen.to_csv(index=False) + part.definition).encode()).hexdigest()[:16]
        for at in points:
            row = (f"{part.name} {at.at.isoformat()}", fingerprint)
            if row not in stored or (part.table and not warehouse.count(part.table, {"as_of": at})):
                part.build(at)
                fresh.append((*row, at.at))
    if fresh:
        warehouse.write(_LEDGER, pd.DataFrame(fresh, columns=["snapshot", "fingerprint", "as_of"]))


def _features(warehouse: Warehouse) -> Part:
    def build(at: AsOf) -> None:
        build_features(str(at), warehouse)

    return Part("features", definitions("3_features"), build, "customer_features")


def _history(spec: ModelSpec, warehouse: Warehouse) -> list[Part]:
    """Return the history of all targets in the model's file, which share one pass over the data."""
    if not spec.target:
        return []
    asked = {"targets": by_kind(spec.siblings), "orders_decay": load_config().params()["orders_decay"]}

    def build(at: AsOf) -> None:
        warehouse.run_table("target_history", {"as_of": at, "family": spec.family}, **asked)

    return [Part(f"target_history {spec.family}", definitions("3_features") + _asked(spec), build)]


def label(spec: ModelSpec, at: AsOf, end: AsOf, warehouse: Warehouse) -> None:
    """Build the model's labels at `at` as they are known at `end`. Raises `NotEnoughData` while the window is open."""
    build_labels(
        spec.task,
        at,
        spec.horizon_days,
        data_end=end,
        active_window_days=spec.active_window_days,
        family=spec.family,
        targets=spec.siblings,
        follow_days=max(spec.survival_days, default=None),
        warehouse=warehouse,
    )


def _labels_of(spec: ModelSpec) -> str:
    parts = [TABLES[spec.task], spec.horizon_days, spec.active_window_days, spec.family]
    return " ".join(str(part) for part in parts if part is not None)


def _asked(spec: ModelSpec, until: AsOf | None = None) -> str:
    """Return what else decides the rows: the targets of the file, and until when customers are followed."""
    followed = [str(until)] if until and spec.survival_days else []
    return " ".join(sorted(target.id for target in spec.siblings) + followed)


def definitions(stage: str) -> str:
    """Return everything that decides how a stage's rows are computed, as text."""
    files = [settings().config_dir / "features.yaml"]
    files += [t.sql for t in load_tables().values() if t.stage == stage and t.sql is not None]
    files.append(settings().sql_dir / "macros" / "targets.sql")
    return "".join(path.read_text(encoding="utf-8") for path in sorted(files))
