"""Labels are written only where their window has closed, and say what happened in it."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from ml.errors import ConfigError, NotEnoughData
from ml.features.labels import TABLES, build_labels
from ml.features.targets import Target
from ml.sql import table
from ml.times import DAY
from tests.ml.features.worlds import AS_OF, fill, random_world

TARGETS = [Target(department="DELI"), Target(category="BEER"), Target(campaign_type="A"), Target(channel="web")]
EXTRAS = {"churn": {"active_window_days": 28}, "propensity": {"family": "propensity", "targets": TARGETS}}
END = AS_OF.plus(28)


def build(kind, warehouse, **changes):
    given = {"horizon_days": 28, "data_end": END, "warehouse": warehouse} | EXTRAS.get(kind, {}) | changes
    return build_labels(kind, AS_OF, **given)


def test_labels_say_what_the_orders_of_the_window_say(duck):
    """Churn, value and propensity agree with sets and sums over the rows themselves."""
    world = random_world(8)
    fill(duck, world)
    for kind in ("churn", "clv", "propensity"):
        build(kind, duck)
    orders = world["customer_orders"].to_pandas().query("status == 'placed'")
    lines = world["customer_order_lines"].to_pandas().query("status == 'placed'")
    before = orders[orders["ordered_epoch"] < AS_OF.epoch]
    within = _within(orders)
    active = set(before.loc[before["ordered_epoch"] >= AS_OF.epoch - 28 * DAY, "customer_key"])
    known, buyers = set(before["customer_key"]), _within(lines)

    assert _labels(duck, "churn_labels", "churned") == {k: k not in set(within["customer_key"]) for k in active}
    spent = within.groupby("customer_key")["total_cents"].sum()
    assert _labels(duck, "clv_labels", "spend_cents") == {k: spent.get(k, 0) for k in known}
    deli = set(buyers.loc[buyers["department"] == "DELI", "customer_key"])
    assert _labels(duck, "propensity_labels", "bought", target="department:DELI") == {k: k in deli for k in known}
    assert 0 < len(active) < len(known)


def _within(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["ordered_epoch"] >= AS_OF.epoch) & (rows["ordered_epoch"] < END.epoch)]


def _labels(warehouse, name, column, **where):
    rows = warehouse.read_arrow(name, ["customer_key", column], where=where)
    return dict(zip(rows.column("customer_key").to_pylist(), rows.column(column).to_pylist(), strict=True))


def test_engines_agree(both_engines):
    """DuckDB and PostgreSQL write equal rows of every kind of label."""
    made: list[dict[str, pa.Table]] = []
    for warehouse in both_engines:
        fill(warehouse, random_world(9, customers=30))
        for kind in TABLES:
            assert build(kind, warehouse)["rows"] > 0
        made.append({n: warehouse.read_arrow(n, order_by=table(n).key) for n in TABLES.values()})
    assert {name for name in TABLES.values() if not made[0][name].equals(made[1][name])} == set()


@pytest.mark.parametrize("kind", TABLES)
def test_an_open_window_gives_no_label(duck, kind):
    """One second short of the window's end raises, names the latest possible as_of, and writes nothing."""
    with pytest.raises(NotEnoughData, match=str(AS_OF.minus(1 / DAY)).replace("+", r"\+")):
        build(kind, duck, data_end=END.minus(1 / DAY))
    assert not duck.exists(TABLES[kind])


def test_a_window_that_closes_at_the_end_of_the_data_is_closed(duck):
    fill(duck, random_world(9, customers=10))
    assert build("churn", duck, data_end=str(END))["rows"] > 0


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("churned", {}, "did you mean churn"),
        ("churn", {"active_window_days": None}, "active_window_days"),
        ("propensity", {"targets": []}, "targets"),
        ("clv", {"horizon_days": 0}, "at least one day"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(duck, kind, changes, message):
    with pytest.raises(ConfigError, match=message):
        build(kind, duck, **changes)
