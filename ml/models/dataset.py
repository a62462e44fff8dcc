"""Training data: features and labels of past snapshots, split by time."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.errors import NotEnoughData
from ml.features.catalogue import target_features
from ml.features.labels import TABLES
from ml.features.matrix import to_matrix
from ml.models.baselines import rule_features
from ml.models.expected import EXPECTED, expected_spend
from ml.models.features import model_features
from ml.models.minimum import check_data
from ml.models.snapshots import ensure_history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ml.features.splits import Snapshots
    from ml.models.metrics import Array
    from ml.models.spec import ModelSpec
    from ml.times import AsOf
    from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

OUTCOMES = {
    "churn": "churned",
    "clv": "spend_cents",
    "propensity": "bought",
    "offer_response": "redeemed",
    "survival": "silent",
}
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: spreads keys evenly over 64 bits


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One point in time: a row of `features` and `rules`, an entry of `keys` and `label` for each customer.

    `features` are what the model and its calibration see, `rules` what its rule baselines read. Where it is asked how
    long customers stay away, `waits` are the days to the next order, infinite where none came in `observed_days`.
    """

    as_of: AsOf
    keys: NDArray[np.int64]
    features: pd.DataFrame
    rules: pd.DataFrame
    label: Array
    waits: Array | None = None
    observed_days: int = 0

    def of(self, chosen: NDArray[np.bool_]) -> Snapshot:
        """Return the snapshot of some of its customers; `chosen` has shape (customers,)."""
        features, rules = (frame[chosen].reset_index(drop=True) for frame in (self.features, self.rules))
        waits = None if self.waits is None else self.waits[chosen]
        return replace(
            self, keys=self.keys[chosen], features=features, rules=rules, label=self.label[chosen], waits=waits
        )

    def digest(self) -> str:
        """Return a hash of keys, features and labels."""
        features = pd.util.hash_pandas_object(self.features, index=False).to_numpy()
        waits = [] if self.waits is None else [pd.util.hash_array(self.waits)]
        rows = [pd.util.hash_array(self.keys), pd.util.hash_array(self.label), *waits, features]
        return hashlib.sha256(np.column_stack(rows).tobytes()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Snapshots in time's order: to learn from, to calibrate on, to test on.

    Where calibration shares the last training snapshot, each customer belongs to one of the two.
    """

    train: tuple[Snapshot, ...]
    calibration: Snapshot
    test: Snapshot

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Every snapshot, the oldest first."""
        return (*self.train, self.calibration, self.test)

    def digest(self) -> str:
        """Return a hash of all the data."""
        return hashlib.sha256(" ".join(s.digest() for s in self.snapshots).encode()).hexdigest()[:16]

    @property
    def shared(self) -> bool:
        """Whether calibration has no label window of its own, so that it shows nothing of later times."""
        return self.calibration.as_of <= self.train[-1].as_of

    def learnt(self) -> tuple[pd.DataFrame, Array]:
        """Return features and labels of the training snapshots, stacked."""
        frame = pd.concat([s.features for s in self.train], ignore_index=True)
        return frame, np.concatenate([s.label for s in self.train])


def load(spec: ModelSpec, chosen: Snapshots, warehouse: Warehouse) -> TrainingSet:
    """Return the data of the chosen snapshots. Raises `NotEnoughData` saying what was found and what is needed."""
    found = {at: read_snapshot(warehouse, spec, at) for at in chosen.all}
    # Where no campaign ran nobody was asked about its offer; such a snapshot teaches nothing and is no shortage.
    train = tuple(found[at] for at in chosen.train if len(found[at].label))
    data = TrainingSet(train, found[chosen.calibrate], found[chosen.test])
    data = _apart(data) if chosen.shared else data
    check_data(spec, data)
    log.info(
        "%s: %s rows in %d snapshots", spec.name, f"{sum(len(s.label) for s in data.snapshots):,}", len(data.snapshots)
    )
    return data


def _apart(data: TrainingSet) -> TrainingSet:
    """Leave a third of the customers to calibration, in every snapshot the same ones."""
    train = tuple(snapshot.of(~_left_out(snapshot.keys)) for snapshot in data.train)
    return replace(data, train=train, calibration=data.calibration.of(_left_out(data.calibration.keys)))


def _left_out(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((_spread(keys) >> np.uint64(32)) % np.uint64(3) == 0)


def read_snapshot(warehouse: Warehouse, spec: ModelSpec, as_of: AsOf) -> Snapshot:
    """Return features and label of the customers labelled at `as_of`, in the order of their keys."""
    outcome = read_outcomes(warehouse, spec, as_of)
    names = [*model_features(spec), *([EXPECTED] if spec.kind == "cents" else [])]
    ruled = rule_features(spec)
    frame = read_features(warehouse, spec, as_of, list(dict.fromkeys([*names, *ruled])))
    keys = np.sort(_draw(outcome.index.intersection(frame.index).to_numpy(), spec.snapshots.max_customers))
    frame = frame.loc[keys].reset_index(drop=True)
    found = Snapshot(as_of, keys, frame[names], frame[ruled], outcome.reindex(keys).to_numpy())
    return _followed(warehouse, spec, found) if spec.survival_days else found


def _followed(warehouse: Warehouse, spec: ModelSpec, snapshot: Snapshot) -> Snapshot:
    """Add for how long the customers stayed away."""
    where = label_partition(spec, snapshot.as_of)
    rows = warehouse.read(TABLES[spec.task], ["customer_key", "days_to_order", "observed_days"], where)
    days = rows["days_to_order"].astype("float64").fillna(np.inf).to_numpy(np.float64)
    by_key = pd.Series(days, index=rows["customer_key"].to_numpy(np.int64)).reindex(snapshot.keys)
    waits = np.asarray(by_key, dtype=np.float64)
    return replace(snapshot, waits=waits, observed_days=int(rows["observed_days"].max()) if len(rows) else 0)


def read_outcomes(warehouse: Warehouse, spec: ModelSpec, as_of: AsOf) -> pd.Series:
    """Return what the customers labelled at `as_of` did, as float64 by customer_key: 1 and 0, or cents.

    Who returned more than was bought has spent nothing: an amount below zero is 0.
    """
    column = OUTCOMES[spec.task]
    where = label_partition(spec, as_of) | ({"target": spec.target.id} if spec.target else {})
    labels = warehouse.read(TABLES[spec.task], ["customer_key", column], where=where)
    found = np.maximum(labels[column].to_numpy(dtype=np.float64), 0.0)
    return pd.Series(found, index=labels["customer_key"].to_numpy(np.int64))


def read_features(
    warehouse: Warehouse,
    spec: ModelSpec,
    as_of: AsOf,
    names: Sequence[str],
    where: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return features of the customers matching `where`: numbers as float64, categories as text, by customer_key.

    Raises `NotEnoughData` when no features were built at `as_of`.
    """
    own = target_features()
    stored = [name for name in names if name not in own and name != EXPECTED]
    rows = warehouse.read("customer_features", ["customer_key", *stored], {"as_of": as_of.at, **(where or {})})
    if rows.empty and not warehouse.count("customer_features", {"as_of": as_of.at}):
        raise NotEnoughData(f"customer_features has no rows at {as_of}: run build_features for it first")
    frame = to_matrix(rows.set_index(rows["customer_key"].astype("int64")), stored)
    for name in frame.columns[frame.dtypes == "category"]:
        frame[name] = frame[name].astype(object)
    if EXPECTED in names:
        frame[EXPECTED] = expected_spend(warehouse, as_of, spec.horizon_days).reindex(frame.index).fillna(0.0)
    wanted = [name for name in names if name in own]
    return frame.join(_target_history(warehouse, spec, as_of, wanted, frame.index)) if wanted else frame


def _target_history(
    warehouse: Warehouse, spec: ModelSpec, as_of: AsOf, names: list[str], keys: pd.Index
) -> pd.DataFrame:
    """Return features of the model's own target; who never bought it has none of it."""
    where = {"as_of": as_of.at, "family": spec.family, "target": spec.target.id if spec.target else None}
    rows = warehouse.read("target_history", ["customer_key", *names], where)
    if rows.empty:
        ensure_history(spec, as_of, warehouse)
        rows = warehouse.read("target_history", ["customer_key", *names], where)
    known = rows.set_index(rows["customer_key"].astype("int64")).drop(columns="customer_key")
    counts = [name for name in names if target_features()[name].impute == "zero"]
    return known.astype("float64").reindex(keys).fillna(dict.fromkeys(counts, 0.0))


def _draw(keys: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most `most` keys: the same customers in every snapshot, whoever else is there."""
    if len(keys) <= most:
        return keys
    return keys[np.argsort(_spread(keys), kind="stable")[:most]]


def _spread(keys: NDArray[np.int64]) -> NDArray[np.uint64]:
    return keys.astype(np.uint64) * _GOLDEN


def label_partition(spec: ModelSpec, as_of: AsOf) -> dict[str, Any]:
    """Return the values of the partition columns of a model's labels at `as_of`."""
    part = {
        "as_of": as_of.at,
        "horizon_days": spec.horizon_days,
        "active_window_days": spec.active_window_days,
        "family": spec.family,
    }
    return {key: value for key, value in part.items() if value is not None}
