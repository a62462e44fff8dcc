"""A small made-up shop whose truth is known: long silence and few orders make churn likely."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.models import leaks, registry, snapshots
from ml.models.train import train_model
from ml.settings import PROJECT_DIR, settings
from ml.sql import table
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

AS_OF = "2024-06-01"
CUSTOMERS = 500
CHURN = """
name: churn_28d
description: Falls silent.
task: churn
horizon_days: 28
active_window_days: 28
snapshots: {step_days: 28, train: 2}
candidates: {lightgbm: {n_estimators: 30, min_child_samples: 20}}
search: {trials: 0, folds: 2}
gates: {min_customers: 100, min_positives: 40, min_positives_test: 20, rule_gain: -0.05, linear_gain: -0.1}
"""
CLV = """
name: clv_84d
description: Spends.
task: clv
horizon_days: 84
snapshots: {step_days: 28, train: 2}
candidates: {xgboost: {n_estimators: 40}}
search: {trials: 0, folds: 2}
calibration: level
gates: {min_customers: 100, min_positives: 40, min_positives_test: 20, rule_gain: -0.1, linear_gain: -0.1}
"""


def keys() -> np.ndarray:
    """Keys as large as real ones: beyond what a float holds."""
    return np.arange(CUSTOMERS, dtype=np.int64) + 2**62


@lru_cache(maxsize=32)
def features(at: AsOf) -> pd.DataFrame:
    """Every column of `customer_features`; a few carry the signal, the rest is noise."""
    rng, columns = _rng(at), {"customer_key": keys()}
    for column in table("customer_features").columns:
        if column.feature and column.feature.kind == "category":
            columns[column.name] = rng.choice(list(column.checks.allowed or ("a", "b", None)), CUSTOMERS)
        elif column.feature:
            low, high = column.checks.between or (0, 6)
            columns[column.name] = np.clip(rng.integers(0, 6, CUSTOMERS), low, high)
    columns["recency_days"] = rng.integers(0, 28, CUSTOMERS)
    columns["orders_84d"] = rng.integers(1, 20, CUSTOMERS)
    columns["orders_total"] = columns["orders_84d"] + 1
    columns["spend_cents_84d"] = columns["orders_84d"] * rng.integers(1_000, 3_000, CUSTOMERS)
    return pd.DataFrame(columns)


def labels(at: AsOf) -> pd.DataFrame:
    """What happened after `at`: churned, and spend_cents."""
    known, rng = features(at), np.random.default_rng(_rng(at).integers(2**32))
    odds = 0.25 * known["recency_days"] - 0.35 * known["orders_84d"] - 0.5
    churned = rng.random(len(known)) < 1 / (1 + np.exp(-odds))
    spend = np.where(churned, 0, known["spend_cents_84d"] * rng.uniform(0.5, 1.5, len(known))).astype("int64")
    return pd.DataFrame({"customer_key": known["customer_key"], "churned": churned, "spend_cents": spend})


def _rng(at: AsOf) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(str(at).encode()).hexdigest()[:8], 16))


def write_features(as_of: str, warehouse: Warehouse) -> None:
    """Stand in for `ml.features.build.build_features`."""
    at = parse_as_of(as_of)
    warehouse.write("customer_features", features(at), {"as_of": at})


def write_labels(kind: str, at: AsOf, horizon_days: int, *, warehouse: Warehouse, **more: object) -> None:
    """Stand in for `ml.features.labels.build_labels`."""
    found, part = labels(at), {"as_of": at, "horizon_days": horizon_days}
    if kind == "churn":
        part["active_window_days"] = more["active_window_days"]
        warehouse.write("churn_labels", found[["customer_key", "churned"]], part)
    else:
        warehouse.write("clv_labels", found[["customer_key", "spend_cents"]].assign(orders=1), part)


def write_orders(warehouse: Warehouse) -> None:
    """One old order, so that the history has a beginning."""
    at = parse_as_of("2023-01-01")
    order = {"order_id": "1", "customer_key": 1, "ordered_at": at.at, "ordered_epoch": at.epoch, "status": "placed"}
    more = {"channel": "web", "store_id": None, "currency": "USD", "total_cents": 100, "line_count": 1}
    warehouse.write("customer_orders", pd.DataFrame([order | more]))


def use_models(home: Path, monkeypatch: pytest.MonkeyPatch, *texts: str) -> Path:
    """Point the settings at a config folder of its own with these model files."""
    folder = home / "config"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT_DIR / "config", folder)
    shutil.rmtree(folder / "models")
    (folder / "models").mkdir()
    for number, text in enumerate(texts):
        (folder / "models" / f"m{number}.yaml").write_text(text)
    monkeypatch.setenv("AUDIENCEFLOW_CONFIG_DIR", str(folder))
    forget()
    return folder


def forget() -> None:
    """Forget settings and models that were read."""
    from ml.models import spec

    settings.cache_clear()
    spec._load.cache_clear()


@cache
def _empty_store(base: Path) -> Path:
    path = base / "shop-mlflow.db"
    registry._create_store(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's empty SQLite file, made once (in whichever folder asks first): its schema takes seconds."""
    return _empty_store(tmp_path_factory.getbasetemp())


@pytest.fixture
def store(home: Path, empty_store: Path) -> Path:
    """A fresh MLflow below the home folder."""
    path = home / "mlflow" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(empty_store, path)
    return path


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Build the made-up shop instead of running SQL; lists what was built."""
    yield _stand_ins(monkeypatch)
    forget()


def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []

    def build_features(as_of: str, warehouse: Warehouse) -> None:
        done.append(f"features {as_of}")
        write_features(as_of, warehouse)

    def build_labels(kind: str, at: AsOf, horizon_days: int, **more: object) -> None:
        done.append(f"{kind} {at}")
        write_labels(kind, at, horizon_days, **more)

    monkeypatch.setattr(snapshots, "build_features", build_features)
    monkeypatch.setattr(snapshots, "build_labels", build_labels)
    monkeypatch.setattr(leaks, "check", lambda *_: None)  # these features have no orders behind them
    return done


@cache
def _trained_home(base: Path) -> Path:
    home = base / "shop-trained"
    (home / "mlflow").mkdir(parents=True)
    shutil.copy(_empty_store(base), home / "mlflow" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AUDIENCEFLOW_HOME", str(home))
        patched.delenv("WAREHOUSE_URL", raising=False)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        use_models(home, patched, CHURN, CLV)
        _stand_ins(patched)
        warehouse = Warehouse()
        write_orders(warehouse)
        train_model("churn_28d", AS_OF, warehouse=warehouse)
    forget()
    return home


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which the churn model was trained once; copied for each test."""
    return _trained_home(tmp_path_factory.getbasetemp())


@pytest.fixture
def shop(trained_home: Path, built: list[str], store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """The shop's warehouse, the snapshots of its churn model built, and an empty MLflow."""
    home = store.parent.parent
    shutil.copy(trained_home / "warehouse.duckdb", home)
    use_models(home, monkeypatch, CHURN, CLV)
    made = Warehouse()
    with made.held():
        yield made


@pytest.fixture
def trained(trained_home: Path, shop: Warehouse, store: Path) -> Warehouse:
    """The shop after its churn model was trained: version 1 is champion."""
    shutil.copy(trained_home / "mlflow" / "mlflow.db", store)
    return shop
