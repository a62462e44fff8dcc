"""CDNOW: purchases of CDs in 1997 and 1998, the test bed on which BG/NBD and its kin were published.

23,570 customers who first bought in the first quarter of 1997, and their 69,659 purchases through June 1998 (Fader and
Hardie 2001). The text files are taken out of the `Lifetimes` wheel (MIT), whose code is never imported.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd

from ml.models.purchases import purchase_summary
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

# 39 weeks to learn from, and 39 to be judged on.
SPLIT = parse_as_of("1997-10-01T00:00:00+00:00")
END = parse_as_of("1998-07-01T00:00:00+00:00")
_COLUMNS = ["customer", "date", "quantity", "amount"]


@cache
def cdnow_orders(*, sample: bool = False) -> pd.DataFrame:
    """Return customer (int64), date (midnight), quantity and cents (int64), one row a purchase, in time's order.

    With `sample`, only the 2,357 customers (one in ten) that the papers use.
    """
    rows = pd.read_csv(_file("CDNOW_master.txt"), sep=r"\s+", skiprows=1, names=_COLUMNS)
    if sample:
        rows = rows[rows["customer"].isin(_sample_customers())]
    rows["date"] = pd.to_datetime(rows["date"], format="%Y%m%d")
    rows["cents"] = np.round(rows.pop("amount") * 100).astype("int64")
    return rows.sort_values(["date", "customer"], kind="stable", ignore_index=True)


def write_cdnow(warehouse: Warehouse, *, sample: bool = False) -> None:
    """Fill customer_orders with CDNOW's purchases; customer_key is CDNOW's own number."""
    rows = cdnow_orders(sample=sample)
    orders = {
        "order_id": rows.index.astype(str),
        "customer_key": rows["customer"],
        "ordered_at": rows["date"],
        "ordered_epoch": rows["date"].astype("datetime64[s]").astype("int64"),
        "status": "placed",
        "channel": "web",
        "store_id": None,
        "currency": "USD",
        "total_cents": rows["cents"],
        "line_count": 1,
    }
    warehouse.write("customer_orders", pd.DataFrame(orders))


def cdnow_summary(warehouse: Warehouse, as_of: AsOf = SPLIT) -> pd.DataFrame:
    """Return the summary at `as_of` in the units of the papers: weeks and dollars."""
    return purchase_summary(warehouse, as_of) / {"frequency": 1, "recency": 7, "T": 7, "monetary": 100}


def published_summary() -> pd.DataFrame:
    """Return the papers' own summary of the sample after 39 weeks, in weeks and dollars, by CDNOW's number."""
    found = pd.read_csv(_file("cdnow_customers_summary_with_transactions.csv"), index_col="ID")
    names = {"x": "frequency", "t_x": "recency", "zbar": "monetary"}
    return found.set_index(_sample_customers().loc[found.index].to_numpy()).rename(columns=names).sort_index()


def _sample_customers() -> pd.Series:
    """Return CDNOW's number of each customer of the sample, by its number in the sample."""
    rows = pd.read_csv(_file("CDNOW_sample.txt"), sep=r"\s+", header=None).drop_duplicates(1)
    return rows.set_index(1)[0]


def _file(name: str) -> Path:
    return Path(str(distribution("lifetimes").locate_file(f"lifetimes/datasets/{name}")))
