"""A shop as shops are: returns, rows without a customer, half of the buyers never back, four in ten silent next month.

Nothing is like the demo: web orders in pounds, no products, no campaigns, no visits. It comes as one CSV of lines.
Models are held to the gates that files have by default; the shop is only smaller than their minimum.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.profiles.build import build_profiles
from ml.sources.load import ingest_source
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import use_models

AS_OF = "2024-06-01"
DAYS, RETURNING, ONCE = 300, 1_000, 1_000
SOURCES = """
sources:
  people:
    table: stg_customers
    files: "{home}/in/lines.csv"
    group: true
    columns:
      customer_ref: {from: customer, prefix: "shop:"}
      created_at: {from: at, timezone: UTC, aggregate: min}
      updated_at: {from: at, timezone: UTC, aggregate: min}
    ignore: [line, invoice, quantity, pounds]
  invoices:
    table: stg_orders
    files: "{home}/in/lines.csv"
    group: true
    columns:
      order_id: invoice
      customer_ref: {from: customer, prefix: "shop:"}
      ordered_at: {from: at, timezone: UTC, aggregate: min}
      status: {expression: "CASE WHEN invoice LIKE 'C%' THEN 'returned' ELSE 'placed' END"}
      currency: {constant: GBP}
      channel: {constant: web}
      total_cents: {from: pounds, factor: 100, aggregate: sum}
    ignore: [line, quantity]
  lines:
    table: stg_order_lines
    files: "{home}/in/lines.csv"
    columns:
      line_id: line
      order_id: invoice
      product_id: {constant: unknown}
      customer_ref: {from: customer, prefix: "shop:"}
      ordered_at: {from: at, timezone: UTC}
      quantity: quantity
      amount_cents: {from: pounds, factor: 100}
      currency: {constant: GBP}
      status: {expression: "CASE WHEN invoice LIKE 'C%' THEN 'returned' ELSE 'placed' END"}
    references: {order_id: stg_orders}
"""
_GATES = "gates: {min_customers: 100, min_positives: 50, min_positives_test: 20}"
_TARGETS = "targets: [{department: TEA}, {channel: web}]"
_SHARED = f"snapshots: {{step_days: 28, train: 4}}\ncandidates: {{lightgbm: {{n_estimators: 40}}}}\n{_GATES}"
MODELS = (
    f"name: churn\ndescription: x\ntask: churn\nhorizon_days: 28\nactive_window_days: 28\n{_SHARED}\n",
    f"name: value\ndescription: x\ntask: clv\nhorizon_days: 56\n{_SHARED}\n",
    f"name: offer\ndescription: x\ntask: offer_response\nhorizon_days: 28\n{_SHARED}\n",
    f"name: buys\ndescription: x\ntask: propensity\nhorizon_days: 28\n{_TARGETS}\n{_SHARED}\n",
)


def use(home: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Fill a warehouse from the shop's file through the shipped stages; models and sources are its own."""
    folder = use_models(home, monkeypatch, *MODELS)
    (folder / "sources.yaml").write_text(SOURCES)
    (folder / "profiles.yaml").write_text("golden_record: {default: [people]}\n")
    monkeypatch.setenv("AUDIENCEFLOW_SEARCH_TRIALS", "4")
    (home / "in").mkdir()
    lines().to_csv(home / "in" / "lines.csv", index=False)
    warehouse = Warehouse()
    for name in ("people", "invoices", "lines"):
        ingest_source(name, warehouse=warehouse)
    build_profiles(warehouse=warehouse)
    return warehouse


def lines() -> pd.DataFrame:
    """Return every line: line, invoice, customer, at, quantity, pounds."""
    rng = np.random.default_rng(3)
    orders = pd.concat([_returning(rng), _once(rng)], ignore_index=True)
    orders = orders.assign(invoice=[f"I{n}" for n in range(len(orders))])
    bought = orders.loc[orders.index.repeat(rng.integers(1, 4, len(orders)))].reset_index(drop=True)
    bought = bought.assign(quantity=rng.integers(1, 6, len(bought)))
    bought = bought.assign(pounds=np.round(bought["quantity"] * rng.gamma(2.0, 4.0, len(bought)), 2))
    back = bought.sample(frac=0.08, random_state=1)
    back = back.assign(invoice="C" + back["invoice"], day=back["day"] + rng.uniform(0.5, 9, len(back)))
    back = back.assign(quantity=-back["quantity"], pounds=-back["pounds"])
    found = pd.concat([bought, back[back["day"] < DAYS]], ignore_index=True)
    nobody = found["invoice"].map(dict(zip(found["invoice"], rng.random(len(found)) < 0.2, strict=True)))
    start = pd.Timestamp(parse_as_of(AS_OF).minus(DAYS).at)
    return pd.DataFrame(
        {
            "line": [f"L{n}" for n in range(len(found))],
            "invoice": found["invoice"],
            "customer": found["customer"].astype(object).where(~nobody, None),
            "at": (start + pd.to_timedelta(found["day"], unit="D")).dt.strftime("%Y-%m-%d %H:%M:%S"),
            "quantity": found["quantity"],
            "pounds": found["pounds"],
        }
    )


def _returning(rng: np.random.Generator) -> pd.DataFrame:
    """Return customers who come back every few weeks, each at an own pace, until they leave."""
    pace, leaves = rng.gamma(3.0, 6.0, RETURNING) + 3, rng.exponential(400, RETURNING)
    gaps = rng.exponential(1.0, (RETURNING, 120)) * pace[:, None]
    days = rng.uniform(-DAYS, DAYS, (RETURNING, 1)) + np.cumsum(gaps, axis=1) - gaps[:, :1]
    kept = (days >= 0) & (days < DAYS) & (days < days[:, :1] + leaves[:, None])
    return pd.DataFrame({"customer": [f"r{n}" for n in np.nonzero(kept)[0]], "day": days[kept]})


def _once(rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame({"customer": [f"o{n}" for n in range(ONCE)], "day": rng.uniform(0, DAYS, ONCE)})
