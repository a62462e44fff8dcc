"""A statement over cut sources says what it would if nothing later had been recorded, on both engines."""

from __future__ import annotations

import pandas as pd
import pytest

from ml.features.build import build_features
from ml.features.config import load_config
from ml.features.cut import cut, statements
from ml.sql import table
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models import orders

AT = parse_as_of("2024-05-01")


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("customer_key", ignore_index=True).astype(object).astype(str)


def test_every_feature_comes_out_as_the_build_stored_it(warehouse: Warehouse):
    orders.write(warehouse)
    build_features(str(AT), warehouse)
    texts = statements(table("customer_features"), as_of=AT.at, **load_config().params())
    found = warehouse.select_text(cut(texts, AT))
    stored = warehouse.read("customer_features", list(found.columns), {"as_of": AT.at})
    assert len(found) > 400
    pd.testing.assert_frame_equal(_sorted(found), _sorted(stored))
    third = warehouse.select_text(cut(texts, AT, parts=3))
    pd.testing.assert_frame_equal(_sorted(third), _sorted(found[found["customer_key"].astype("int64") % 3 == 0]))


def test_no_stored_feature_table_and_no_later_row_has_a_part_in_it():
    texts = statements(table("customer_features"), as_of=AT.at, **load_config().params())
    text = cut(texts, AT)
    assert [*texts][-1] == "customer_features"
    for name in ("purchase_totals", "basket_totals", "browsing_totals", "message_totals", "campaign_totals"):
        assert f"FROM {name} " not in text
        assert f"{name}_cut AS (" in text
    assert f"customer_orders_cut AS (SELECT * FROM customer_orders WHERE ordered_epoch < {AT.epoch})" in text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("SELECT COUNT(*) AS n FROM customer_orders", 0),
        ("SELECT COUNT(*) AS n FROM customer_orders AS o WHERE o.status = 'placed'", 0),
        ("WITH customer_orders AS (SELECT 1 AS one) SELECT COUNT(*) AS n FROM customer_orders", 1),
    ],
    ids=["plain", "by another name", "shadowed"],
)
def test_a_statement_sees_no_row_from_the_point_in_time_on(duck: Warehouse, text: str, kept: int):
    at = parse_as_of(orders.AS_OF).minus(orders.DAYS)
    orders.write(duck)
    assert duck.select_text(cut({"it": text}, at))["n"].tolist() == [kept]
    assert duck.select_text(text)["n"].tolist() != [0]
