"""All features of `customer_features` in vectorised pandas: the bench's rival and the tests' second opinion.

Written from the descriptions in the YAML, not from the SQL, as a data scientist would who has the frames in
memory: no loop over customers, masks made once, narrow columns, one groupby a table where one is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

DAY = 86_400
COLUMNS = {
    "customer_orders": ["order_id", "customer_key", "ordered_epoch", "status", "channel", "total_cents"],
    "customer_order_lines": [
        "customer_key",
        "department",
        "brand",
        "ordered_epoch",
        "amount_cents",
        "retail_discount_cents",
        "coupon_discount_cents",
        "status",
    ],
    "customer_events": [
        "customer_key",
        "session_id",
        "event_type",
        "event_epoch",
        "product_id",
        "device",
        "country",
        "referrer",
        "duration_seconds",
        "scroll_depth",
    ],
    "customer_messages": ["message_id", "customer_key", "event_type", "event_epoch"],
    "customer_offer_responses": ["customer_key", "campaign_id", "response", "responded_epoch"],
    "stg_campaigns": ["campaign_id", "started_epoch", "ended_epoch"],
}
CATEGORIES = {
    *("status", "channel", "department", "brand", "event_type", "device", "country", "referrer", "response"),
    "campaign_id",
}
COUNTS = [
    *("orders_28d", "orders_84d", "orders_total", "active_weeks_84d", "returned_orders_84d", "departments_84d"),
    *("spend_cents_28d", "spend_cents_84d", "spend_cents_total", "sessions_28d", "views_28d", "product_views_28d"),
    *("revisited_products_28d", "carts_28d", "abandoned_carts_84d", "funnel_step_28d", "messages_28d"),
    *("unsubscribed", "campaigns_running", "campaigns_84d", "redemptions_total"),
    *("decayed_spend_cents", "decayed_orders", "decayed_events", "engagement_score_28d"),
]

Frames = Mapping[str, pd.DataFrame]
Config = Mapping[str, Any]


def customer_features(frames: Frames, as_of: int, config: Config) -> pd.DataFrame:
    """Return all features of `as_of` (an epoch), indexed by customer_key; `config` is `FeatureConfig.params()`."""
    orders = _orders(_before(frames["customer_orders"], "ordered_epoch", as_of), as_of, config)
    events = _events(_before(frames["customer_events"], "event_epoch", as_of), as_of, config)
    messages = _messages(_before(frames["customer_messages"], "event_epoch", as_of), as_of, config)
    customers = orders.index.union(events.index).union(messages.index)
    parts = [
        orders,
        _baskets(_before(frames["customer_order_lines"], "ordered_epoch", as_of), as_of, config),
        events,
        messages,
        _campaigns(frames, as_of),
    ]
    made = pd.concat([part.reindex(customers) for part in parts], axis=1)
    made["lines_per_order_84d"] = made["lines_84d"] / _positive(made["orders_84d"])
    engagement = made["web_engagement"].fillna(0) + made["message_engagement"].fillna(0)
    made["engagement_score_28d"] = engagement / 1e6
    made[COUNTS] = made[COUNTS].fillna(0)
    return made


def _before(frame: pd.DataFrame, epoch: str, as_of: int) -> pd.DataFrame:
    return frame[frame[epoch].to_numpy() < as_of]


def _positive(values: pd.Series) -> pd.Series:
    return values.where(values != 0)


def _days(epochs: pd.Series, as_of: int) -> pd.Series:
    return (as_of - epochs) // DAY


def _orders(orders: pd.DataFrame, as_of: int, config: Config) -> pd.DataFrame:
    is_placed = (orders["status"] == "placed").to_numpy()
    placed = orders[is_placed].sort_values(["customer_key", "ordered_epoch", "order_id"], kind="stable")
    key, epoch = placed["customer_key"].to_numpy(), placed["ordered_epoch"].to_numpy()
    cents = placed["total_cents"].to_numpy()
    age = as_of - epoch
    is_web, in_28, in_84 = (placed["channel"] == "web").to_numpy(), age <= 28 * DAY, age <= 84 * DAY
    first = np.r_[True, key[1:] != key[:-1]] if len(key) else np.zeros(0, dtype=bool)
    gap = np.where(first, np.nan, np.diff(epoch, prepend=0).astype(float))
    week = (age - 1) // (7 * DAY)
    new_week = first | (np.diff(week, prepend=-1) != 0)
    nth_last = placed.groupby("customer_key", sort=False).cumcount(ascending=False).to_numpy()
    facts = pd.DataFrame(
        {
            "orders_28d": in_28,
            "orders_84d": in_84,
            "orders_total": 1,
            "active_weeks_84d": in_84 & new_week,
            "web_84d": in_84 & is_web,
            "web_total": is_web,
            "spend_cents_28d": cents * in_28,
            "spend_cents_84d": cents * in_84,
            "spend_cents_total": cents,
            "decayed_orders": np.floor(np.exp(config["orders_decay"] * age) * 1e6),
            "decayed_spend_cents": np.floor(cents * np.exp(config["spend_decay"] * age) * 1e6),
            "gap_squares": gap * gap,
            "last_gaps": np.where(nth_last < 3, gap, np.nan),
            "last_gap": np.where(nth_last == 0, gap, np.nan),
        }
    ).astype(float)
    sums = facts.groupby(key).sum()
    ends = placed["ordered_epoch"].groupby(key).agg(["min", "max"])
    made = pd.concat([sums, ends], axis=1).reindex(np.unique(orders["customer_key"].to_numpy()))
    late = ~is_placed & (orders["ordered_epoch"].to_numpy() >= as_of - 84 * DAY)
    made["returned_orders_84d"] = orders["customer_key"][late].value_counts().reindex(made.index)
    made[["decayed_orders", "decayed_spend_cents"]] /= 1e6
    return _purchase_features(made, as_of, config)


def _purchase_features(made: pd.DataFrame, as_of: int, config: Config) -> pd.DataFrame:
    recency, tenure = _days(made["max"], as_of), _days(made["min"], as_of)
    made["recency_days"], made["tenure_days"] = recency, tenure
    made["recency_bin"] = _label(
        recency,
        {
            "recent": recency < config["recent_days"],
            "moderate": recency <= config["lapsed_days"],
            "lapsed": recency > config["lapsed_days"],
        },
    )
    is_active = recency <= config["active_days"]
    made["lifecycle_stage"] = _label(
        recency,
        {
            "new": is_active & (tenure <= config["new_days"]),
            "active": is_active,
            "at_risk": recency <= config["at_risk_days"],
            "dormant": recency <= config["dormant_days"],
            "churned": recency > config["dormant_days"],
        },
    )
    orders_84d, total = _positive(made["orders_84d"]), _positive(made["orders_total"])
    made["orders_trend"] = 3 * made["orders_28d"] / orders_84d
    made["average_order_cents_84d"] = made["spend_cents_84d"] / orders_84d
    made["spend_trend"] = 3 * made["spend_cents_28d"] / _positive(made["spend_cents_84d"])
    made["web_order_share_84d"] = made["web_84d"] / orders_84d
    made["main_channel"] = _label(total, {"web": made["web_total"] > total / 2, "store": total > 0})
    for score, column in {"recency": "max", "frequency": "orders_total", "monetary": "spend_cents_total"}.items():
        below = made.loc[total.notna(), column].rank(method="min") - 1
        made[f"{score}_score"] = 1 + (5 * below) // total.notna().sum()
    return _gap_features(made, as_of, total - 1)


def _gap_features(made: pd.DataFrame, as_of: int, gaps: pd.Series) -> pd.DataFrame:
    span, some = made["max"] - made["min"], gaps.where(gaps > 0)
    deviation = np.sqrt((gaps * made["gap_squares"] - span * span).clip(lower=0))
    made["mean_gap_days"] = span / some / DAY
    made["last_gap_days"] = (made["last_gap"] / DAY).where(gaps > 0)
    made["gap_variation"] = (deviation / _positive(span)).where(gaps >= 2)
    made["gap_trend"] = (made["last_gaps"] / 3 * gaps / _positive(span)).where(gaps >= 4)
    made["overdue_ratio"] = (as_of - made["max"]) / (span / some).clip(lower=DAY)
    return made


def _label(known: pd.Series, cases: Mapping[str, pd.Series]) -> np.ndarray:
    labels = np.select([mask.to_numpy() for mask in cases.values()], list(cases), default="")
    return np.where(known.notna() & (labels != ""), labels, None)


def _baskets(lines: pd.DataFrame, as_of: int, config: Config) -> pd.DataFrame:
    is_recent = lines["ordered_epoch"].to_numpy() >= as_of - 84 * DAY
    lines = lines[is_recent & (lines["status"] == "placed").to_numpy()]
    coupon = lines["coupon_discount_cents"].to_numpy(na_value=0)
    discount = lines["retail_discount_cents"].to_numpy(na_value=0) + coupon
    facts = pd.DataFrame(
        {
            "customer_key": lines["customer_key"].to_numpy(),
            "department": lines["department"].array,
            "lines_84d": 1,
            "discounted": discount > 0,
            "coupons": coupon > 0,
            "own": lines["brand"].isin(config["own_brands"]).to_numpy(),
            "paid": lines["amount_cents"].to_numpy(),
            "discount": discount,
        }
    )
    departments = facts.groupby(["customer_key", "department"], observed=True).sum().reset_index()
    made = departments.drop(columns="department").groupby("customer_key").sum()
    made["departments_84d"] = departments["customer_key"].value_counts()
    departments["department"] = departments["department"].astype(str)
    top = departments.sort_values(["customer_key", "paid", "department"], ascending=[True, False, True])
    top = top.drop_duplicates("customer_key").set_index("customer_key")
    made["top_department"] = top["department"]
    made["top_department_share_84d"] = top["paid"] / _positive(made["paid"])
    made["discount_share_84d"] = made["discount"] / _positive(made["paid"] + made["discount"])
    shares = {"discounted_line": "discounted", "coupon_line": "coupons", "own_brand": "own"}
    for name, column in shares.items():
        made[f"{name}_share_84d"] = made[column] / made["lines_84d"]
    return made


def _events(events: pd.DataFrame, as_of: int, config: Config) -> pd.DataFrame:
    key, epoch = events["customer_key"].to_numpy(), events["event_epoch"].to_numpy()
    decayed = np.floor(np.exp(config["events_decay"] * (as_of - epoch)) * 1e6)
    newest = pd.Series(epoch).groupby(key).max()
    last = events[epoch == newest.reindex(key).to_numpy()]
    made = pd.DataFrame({"decayed_events": pd.Series(decayed).groupby(key).sum() / 1e6})
    made["visit_recency_days"] = _days(newest, as_of)
    for name in ("device", "country", "referrer"):
        made[f"last_{name}"] = _first_name(last[name], last["customer_key"])
    recent = events[epoch >= as_of - 84 * DAY]
    return made.join([_behaviour(recent, as_of, config), _sessions(recent, as_of), _revisits(recent, as_of)])


def _first_name(values: pd.Series, key: pd.Series) -> pd.Series:
    names = sorted(values.cat.categories)
    codes = values.cat.set_categories(names).cat.codes
    first = codes[codes >= 0].groupby(key[codes >= 0].to_numpy()).min()
    return first.map(dict(enumerate(names))).astype(object)


def _behaviour(recent: pd.DataFrame, as_of: int, config: Config) -> pd.DataFrame:
    kinds, in_28 = recent["event_type"], recent["event_epoch"].to_numpy() >= as_of - 28 * DAY
    is_product, is_cart = (kinds == "product_view").to_numpy(), (kinds == "add_to_cart").to_numpy()
    view = in_28 & (is_product | (kinds == "page_view").to_numpy())
    seconds = np.where(view, recent["duration_seconds"].to_numpy(dtype=float, na_value=np.nan), np.nan)
    depth = np.where(view, recent["scroll_depth"].to_numpy(dtype=float, na_value=np.nan), np.nan)
    facts = pd.DataFrame(
        {
            "views_28d": view,
            "product_views_28d": in_28 & is_product,
            "carts_28d": in_28 & is_cart,
            "product_views_84d": is_product,
            "carts_84d": is_cart,
            "seconds": seconds,
            "timed": ~np.isnan(seconds),
            "depth": depth,
            "scrolled": ~np.isnan(depth),
            "web_engagement": in_28 * _codes(kinds, dict(config["web_weights"])),
        }
    ).astype(float)
    grouped = facts.groupby(recent["customer_key"].to_numpy())
    made = grouped.sum()
    steps = {"page_view": 1, "product_view": 2, "add_to_cart": 3, "checkout_start": 4, "purchase": 5}
    reached = pd.Series(in_28 * _codes(kinds, steps))
    made["funnel_step_28d"] = reached.groupby(recent["customer_key"].to_numpy()).max()
    made["dwell_seconds_28d"] = made["seconds"] / _positive(made["timed"])
    made["scroll_depth_28d"] = made["depth"] / _positive(made["scrolled"])
    made["cart_rate_84d"] = made["carts_84d"] / _positive(made["product_views_84d"])
    return made


def _codes(kinds: pd.Series, values: Mapping[str, int]) -> np.ndarray:
    """Return each row's value by its category, 0 when it has none; one look-up a category, not a row."""
    by_code = np.array([*(values.get(name, 0) for name in kinds.cat.categories), 0])
    return by_code[kinds.cat.codes.to_numpy()]


def _sessions(recent: pd.DataFrame, as_of: int) -> pd.DataFrame:
    recent = recent[recent["session_id"].notna().to_numpy()]
    kinds = recent["event_type"]
    facts = pd.DataFrame(
        {
            "key": recent["customer_key"].to_numpy(),
            "session": pd.factorize(recent["session_id"])[0],
            "in_28": (recent["event_epoch"] >= as_of - 28 * DAY).to_numpy(),
            "cart": (kinds == "add_to_cart").to_numpy(),
            "purchase": (kinds == "purchase").to_numpy(),
        }
    )
    sessions = facts.groupby(["key", "session"], sort=False).max().reset_index(level=0)
    counted = pd.DataFrame(
        {"sessions_28d": sessions["in_28"], "abandoned_carts_84d": sessions["cart"] & ~sessions["purchase"]}
    )
    return counted.groupby(sessions["key"].to_numpy()).sum()


def _revisits(recent: pd.DataFrame, as_of: int) -> pd.Series:
    is_recent = recent["event_epoch"].to_numpy() >= as_of - 28 * DAY
    is_view = (recent["event_type"] == "product_view").to_numpy() & recent["product_id"].notna().to_numpy()
    views = recent.loc[is_recent & is_view, ["customer_key", "product_id"]]
    pairs = pd.DataFrame({"key": views["customer_key"].to_numpy(), "product": pd.factorize(views["product_id"])[0]})
    times = pairs.groupby(["key", "product"], sort=False).size()
    return times[times > 1].groupby(level=0).size().rename("revisited_products_28d")


def _messages(messages: pd.DataFrame, as_of: int, config: Config) -> pd.DataFrame:
    kinds, epoch = messages["event_type"], messages["event_epoch"].to_numpy()
    key = messages["customer_key"].to_numpy()
    is_sent = kinds.isin(["sent", "delivered"]).to_numpy()
    newest = pd.Series(epoch[is_sent]).groupby(key[is_sent]).max()
    made = pd.DataFrame({"unsubscribed": pd.Series((kinds == "unsubscribed").to_numpy(dtype=int)).groupby(key).max()})
    made["message_recency_days"] = _days(newest, as_of)
    return made.join(_responses_to_messages(messages[epoch >= as_of - 84 * DAY], as_of, config))


def _responses_to_messages(recent: pd.DataFrame, as_of: int, config: Config) -> pd.DataFrame:
    kinds, epoch = recent["event_type"], recent["event_epoch"].to_numpy()
    weights = _codes(kinds, dict(config["message_weights"])) * (epoch >= as_of - 28 * DAY)
    facts = pd.DataFrame(
        {
            "key": recent["customer_key"].to_numpy(),
            "message": pd.factorize(recent["message_id"])[0],
            "sent": np.where(kinds.isin(["sent", "delivered"]), epoch, -1),
            "opened": kinds.isin(["opened", "clicked"]).to_numpy(),
            "clicked": (kinds == "clicked").to_numpy(),
        }
    )
    one = facts.groupby(["key", "message"], sort=False).max().reset_index(level=0)
    is_sent = one["sent"] >= 0
    counted = pd.DataFrame(
        {
            "messages_28d": one["sent"] >= as_of - 28 * DAY,
            "messages_84d": is_sent,
            "opened_84d": is_sent & one["opened"],
            "clicked_84d": is_sent & one["clicked"],
        }
    )
    made = counted.groupby(one["key"].to_numpy()).sum()
    made["open_rate_84d"] = made["opened_84d"] / _positive(made["messages_84d"])
    made["click_rate_84d"] = made["clicked_84d"] / _positive(made["messages_84d"])
    made["message_engagement"] = pd.Series(weights).groupby(facts["key"]).sum()
    return made


def _campaigns(frames: Frames, as_of: int) -> pd.DataFrame:
    responses = _before(frames["customer_offer_responses"], "responded_epoch", as_of)
    is_targeted = (responses["response"] == "targeted").to_numpy()
    facts = pd.DataFrame(
        {
            "key": responses["customer_key"].to_numpy(),
            "campaign": responses["campaign_id"].array,
            "targeted": np.where(is_targeted, responses["responded_epoch"], np.nan),
            "redemptions": ~is_targeted,
        }
    )
    pairs = (
        facts.groupby(["key", "campaign"], observed=True).agg({"targeted": "min", "redemptions": "sum"}).reset_index()
    )
    campaigns = _before(frames["stg_campaigns"], "started_epoch", as_of)
    running = campaigns.loc[campaigns["ended_epoch"].isna() | (campaigns["ended_epoch"] >= as_of), "campaign_id"]
    is_targeted = pairs["targeted"].notna()
    counted = pd.DataFrame(
        {
            "campaigns_total": is_targeted,
            "campaigns_84d": pairs["targeted"] >= as_of - 84 * DAY,
            "campaigns_running": is_targeted & pairs["campaign"].isin(running),
            "redeemed": is_targeted & (pairs["redemptions"] > 0),
            "redemptions_total": pairs["redemptions"],
        }
    )
    made = counted.groupby(pairs["key"].to_numpy()).sum()
    made["redemption_rate"] = made["redeemed"] / _positive(made["campaigns_total"])
    return made


def load(read_arrow: Any) -> dict[str, pd.DataFrame]:
    """Return the input frames, given `Warehouse.read_arrow`: numpy numbers, categories, Arrow strings."""
    return {name: _frame(read_arrow(name, columns)) for name, columns in COLUMNS.items()}


def _frame(rows: Any) -> pd.DataFrame:
    import pyarrow as pa

    columns = {}
    for name in rows.column_names:
        column = rows.column(name)
        if name in CATEGORIES:
            columns[name] = column.dictionary_encode().to_pandas()
        elif pa.types.is_string(column.type):
            columns[name] = column.to_pandas(types_mapper=pd.ArrowDtype)
        else:
            columns[name] = column.to_pandas()
    return pd.DataFrame(columns)
