"""The leak guard: what must hold of the data before a model learns from it.

* Windows: every label window is closed, and ends before the snapshots that judge it begin.
* Sources: orders reach the end of the last label window, or silence would be taken for churn.
* Stored features: a second, independent query over the rows strictly before a snapshot gives the same figures, for
  every customer of every snapshot.
* Definitions: at the test snapshot all features, the model's own queries and its label are computed again over sources
  from which every later row is missing, and must come out the same. So no query sees past its point in time, whatever
  it reads.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.errors import LeakFound, NotEnoughData
from ml.features.catalogue import catalogue
from ml.features.config import load_config
from ml.features.cut import cut, statements
from ml.features.labels import TABLES
from ml.features.matrix import to_matrix
from ml.features.targets import by_kind
from ml.models.dataset import OUTCOMES, label_partition
from ml.sql import render_file, table
from ml.times import DAY, from_epoch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.models.dataset import Snapshot, TrainingSet
    from ml.models.spec import ModelSpec
    from ml.times import AsOf
    from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

_LEDGER = "training_snapshots"
_HISTORY = "3_features/queries/{}.sql"
_MOST = 100_000  # customers whose every feature is held in memory twice


def check(spec: ModelSpec, data: TrainingSet, as_of: AsOf, warehouse: Warehouse) -> None:
    """Raise unless the data of a training at `as_of` can be learnt from honestly.

    Raises:
        LeakFound: names the snapshot, the features, how many customers and one of them.
        NotEnoughData: no order for longer than `gates.max_quiet_days`.
    """
    _check_windows(spec, data, as_of)
    _check_sources(spec, as_of, warehouse)
    with warehouse.held():
        for at in dict.fromkeys(snapshot.as_of for snapshot in data.snapshots):
            _check_stored(at, warehouse)
        _check_features(data.test.as_of, warehouse)
        _check_own_queries(spec, data.test.as_of, warehouse)
        _check_labels(spec, data.test, warehouse)


def _check_windows(spec: ModelSpec, data: TrainingSet, as_of: AsOf) -> None:
    calibration, test = data.calibration.as_of, data.test.as_of
    judge = test if data.shared else calibration  # of the training snapshots: those who calibrate have not learnt
    pairs = [*((snapshot.as_of, judge) for snapshot in data.train), (calibration, test), (test, as_of)]
    for at, later in pairs:
        if at.plus(spec.horizon_days) > later:
            raise LeakFound(
                f"{spec.name}: the label window of the snapshot at {at} ends at {at.plus(spec.horizon_days)}, after "
                f"{later}, by which it must be closed. Correct ml/features/splits.py."
            )


def _check_sources(spec: ModelSpec, as_of: AsOf, warehouse: Warehouse) -> None:
    last = warehouse.scalar("5_scores/queries/history_end.sql", as_of=as_of)
    quiet = (as_of.epoch - int(last or 0)) / DAY
    if quiet > spec.gates.max_quiet_days:
        raise NotEnoughData(
            f"{spec.name}: the last order before {as_of} is of {from_epoch(int(last or 0))}, {quiet:.1f} days earlier; "
            f"{spec.gates.max_quiet_days} are believed. Load the sources up to {as_of}, train at an earlier as_of, or "
            "raise gates.max_quiet_days if this shop rests so long."
        )


def _check_stored(at: AsOf, warehouse: Warehouse) -> None:
    """Compare a few stored features of every customer with an independent query over the rows before `at`."""
    found = warehouse.select_arrow(_HISTORY.format("seen_before"), as_of=at).to_pylist()[0]
    example, customers = found.pop("example_key"), found.pop("customers")
    wrong = {name: f"{count} of {customers}" for name, count in found.items() if count}
    if wrong:
        raise _leak(f"customer_features at {at}", wrong, example)


def _check_features(at: AsOf, warehouse: Warehouse) -> None:
    """Compare every feature with the one from cut sources; once for the same rows and SQL."""
    parts = warehouse.count("customer_features", {"as_of": at}) // _MOST + 1
    stored = warehouse.select(_HISTORY.format("features_at"), as_of=at, parts=parts)
    texts = statements(table("customer_features"), as_of=at.at, **load_config().params())
    content = pd.util.hash_pandas_object(stored, index=False).to_numpy().tobytes()
    row = (f"leak check {at.at.isoformat()}", hashlib.sha256(" ".join(texts.values()).encode() + content).hexdigest())
    known = warehouse.read(_LEDGER, ["snapshot", "fingerprint"], {"snapshot": row[0]})
    if row not in set(zip(known["snapshot"], known["fingerprint"], strict=True)):
        _compare(f"customer_features at {at}", _keyed(stored), _keyed(warehouse.select_text(cut(texts, at, parts))))
        log.info("features at %s: %s customers, nothing seen of later rows", at, f"{len(stored):,}")
        warehouse.write(_LEDGER, pd.DataFrame([(*row, at.at)], columns=["snapshot", "fingerprint", "as_of"]))


def _check_own_queries(spec: ModelSpec, at: AsOf, warehouse: Warehouse) -> None:
    """Compare what a model reads besides the stored features with the same from cut sources."""
    if spec.kind == "cents":
        path = _HISTORY.format("purchase_summary")
        text = render_file(Path(path), as_of=at.at)
        seen, honest = warehouse.select_text(text), warehouse.select_text(cut({"purchase_summary": text}, at))
        _compare(f"sql/{path} at {at}", *(frame.set_index("customer_key").sort_index() for frame in (seen, honest)))
    if spec.target:
        where = {"as_of": at.at, "family": spec.family, "target": spec.target.id}
        seen = warehouse.read("target_history", where=where)
        asked = {"family": spec.family, "targets": by_kind([spec.target]), **load_config().params()}
        honest = warehouse.select_text(cut(statements(table("target_history"), as_of=at.at, **asked), at))
        pair = (frame.set_index("customer_key").drop(columns=list(where)).sort_index() for frame in (seen, honest))
        _compare(f"target_history of {spec.target.id} at {at}", *pair)


def _check_labels(spec: ModelSpec, test: Snapshot, warehouse: Warehouse) -> None:
    """Compare the test labels with those from sources that end with the label window."""
    name, column = TABLES[spec.task], OUTCOMES[spec.task]
    end = test.as_of.plus(spec.horizon_days)
    asked = label_partition(spec, test.as_of) | ({"targets": by_kind([spec.target])} if spec.target else {})
    asked |= {"observed_days": spec.horizon_days} if spec.survival_days else {}
    rows = warehouse.select_text(cut(statements(table(name), **asked), end))
    honest = pd.Series(rows[column].to_numpy(np.float64), index=rows["customer_key"].to_numpy(np.int64))
    wrong = honest.reindex(test.keys).to_numpy() != test.label
    if wrong.any():
        raise _leak(f"{name} at {test.as_of}", {column: f"{wrong.sum()} of {len(wrong)}"}, test.keys[wrong][0])


def _keyed(rows: pd.DataFrame) -> pd.DataFrame:
    return to_matrix(rows.set_index(rows["customer_key"].astype("int64")), list(catalogue())).sort_index()


def _compare(what: str, seen: pd.DataFrame, honest: pd.DataFrame) -> None:
    """Raise `LeakFound` where two frames by customer_key differ."""
    strangers = seen.index.symmetric_difference(honest.index)
    if len(strangers):
        raise _leak(what, {"the rows themselves": f"{len(strangers)} of {len(seen)}"}, strangers[0])
    wrong = {name: _differs(seen[name], honest[name]) for name in seen.columns}
    found = {name: f"{rows.sum()} of {len(seen)}" for name, rows in wrong.items() if rows.any()}
    if found:
        raise _leak(what, found, seen.index[wrong[next(iter(found))]][0])


def _differs(seen: pd.Series, honest: pd.Series) -> NDArray[np.bool_]:
    if not pd.api.types.is_numeric_dtype(seen):
        return np.asarray(seen.astype(str).to_numpy() != honest.astype(str).to_numpy())
    ours, theirs = (values.astype("float64").to_numpy(np.float64, na_value=np.nan) for values in (seen, honest))
    return ~np.isclose(ours, theirs, rtol=1e-9, atol=1e-9, equal_nan=True)


def _leak(what: str, wrong: dict[str, str], example: int) -> LeakFound:
    shown = ", ".join(f"{name} ({count} customers)" for name, count in wrong.items())
    return LeakFound(
        f"{what}: these are not what the rows strictly before it give: {shown}; such as customer_key {example}. Look "
        "for a condition on *_epoch in sql/ that reaches too far; then build the features of that point in time again."
    )
