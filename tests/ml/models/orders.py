"""A small shop with orders of its own, so that its features and labels are built by the SQL that is shipped.

Customers differ in how often they order, and each day some fall silent for good: past silence and few orders make
further silence likely, as in life.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.features.build import build_features
from ml.sql import table
from ml.times import DAY, parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import use_models

AS_OF = "2024-06-01"
CUSTOMERS = 500
DAYS = 200
CHURN = """
name: churn_28d
description: Falls silent.
task: churn
horizon_days: 28
active_window_days: 28
snapshots: {step_days: 28, train: 2}
candidates: {}
search: {trials: 0, folds: 2}
gates: {min_customers: 100, min_positives: 20, min_positives_test: 10, rule_gain: -1, linear_gain: -1}
"""


def write(warehouse: Warehouse) -> None:
    """Fill customer_orders and customer_order_lines with 200 days before `AS_OF`."""
    orders = _orders(np.random.default_rng(5))
    lines = orders.assign(line_id=orders["order_id"], amount_cents=orders["total_cents"], quantity=1)
    lines = lines.assign(retail_discount_cents=0, coupon_discount_cents=0)
    for name in ("product_id", "department", "category", "brand"):
        lines[name] = "tea"
    for name, rows in (("customer_orders", orders), ("customer_order_lines", lines)):
        warehouse.write(name, rows[[column for column in table(name).column_names if column in rows]])


def _orders(rng: np.random.Generator) -> pd.DataFrame:
    """Return every order: gaps are exponential around a customer's own pace, until the customer leaves."""
    pace = rng.gamma(2.0, 5.0, CUSTOMERS) + 2  # days between two orders
    leaves = rng.exponential(150, CUSTOMERS)
    gaps = rng.exponential(1.0, (CUSTOMERS, 120)) * pace[:, None]
    days = np.cumsum(gaps, axis=1) - gaps[:, :1] * rng.random((CUSTOMERS, 1))
    kept = (days < DAYS) & (days < leaves[:, None])
    customer, _ = np.nonzero(kept)
    epoch = parse_as_of(AS_OF).minus(DAYS).epoch + (days[kept] * DAY).astype("int64")
    return pd.DataFrame(
        {
            "order_id": np.arange(len(epoch)).astype(str),
            "customer_key": customer.astype("int64") + 2**62,
            "ordered_at": pd.to_datetime(epoch, unit="s"),
            "ordered_epoch": epoch,
            "status": "placed",
            "channel": "web",
            "store_id": None,
            "currency": "USD",
            "total_cents": rng.integers(500, 9_000, len(epoch)),
            "line_count": 1,
        }
    )


def use(home: Path, monkeypatch: pytest.MonkeyPatch, *, fill: bool = True) -> None:
    """Point the settings at a home folder with the one model, and fill its warehouse."""
    monkeypatch.setenv("AUDIENCEFLOW_HOME", str(home))
    for name in ("WAREHOUSE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    use_models(home, monkeypatch, CHURN)
    if fill:
        write(Warehouse())


def build_late(as_of: str, warehouse: Warehouse, days: int) -> None:
    """Store under `as_of` what the features are some days later: a leak of so many days."""
    at = parse_as_of(as_of)
    build_features(str(at.plus(days)), warehouse)
    rows = warehouse.read("customer_features", where={"as_of": at.plus(days)})
    warehouse.write("customer_features", rows.drop(columns="as_of"), {"as_of": at})
