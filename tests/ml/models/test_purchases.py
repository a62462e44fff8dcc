"""Purchase histories as buy-till-you-die models read them, built in SQL."""

import pandas as pd
import pytest

from ml.models.purchases import purchase_summary
from ml.portable import lint
from ml.settings import PROJECT_DIR
from ml.sql import render_file
from ml.times import AsOf, parse_as_of
from tests.ml.models.cdnow import SPLIT, cdnow_orders, cdnow_summary, published_summary, write_cdnow
from tests.sql.golden import put

AS_OF = parse_as_of("2024-03-01T05:00:00+00:00")
QUERY = PROJECT_DIR / "sql" / "3_features" / "queries" / "purchase_summary.sql"


def order(number: int, customer: int, at: AsOf, cents: int | None = 100, status: str = "placed") -> dict:
    found = {"order_id": str(number), "customer_key": customer, "ordered_epoch": at.epoch, "status": status}
    return found | {"total_cents": cents, "line_count": 1}


ORDERS = [
    # 1: two orders on the first day, then a repeat worth 300 and one worth nothing; the last before midnight of as_of
    order(1, 1, AS_OF.minus(30.5), 5_000),
    order(2, 1, AS_OF.minus(30.1), 7_000),
    order(3, 1, AS_OF.minus(10.5), 100),
    order(4, 1, AS_OF.minus(10.4), 200),
    order(5, 1, AS_OF.minus(0.5), 0),
    order(6, 1, AS_OF, 9_999),
    # 2: once only; the second was cancelled
    order(7, 2, AS_OF.minus(3.5)),
    order(8, 2, AS_OF.minus(1.5), 400, "cancelled"),
    # 3: nothing but a cancelled order; 4: nothing before as_of
    order(9, 3, AS_OF.minus(1.5), 400, "cancelled"),
    order(10, 4, AS_OF, 400),
    # 2**62 + 1: a repeat without a value, and one that gives money back
    order(11, 2**62 + 1, AS_OF.minus(8.5), 900),
    order(12, 2**62 + 1, AS_OF.minus(4.5), None),
    order(13, 2**62 + 1, AS_OF.minus(2.5), -50),
]


def test_a_history_is_counted_in_days_back_from_as_of(warehouse):
    put(warehouse, "customer_orders", ORDERS)
    expected = pd.DataFrame(
        {"frequency": [2, 0, 2], "recency": [30, 0, 6], "T": [30, 3, 8], "monetary": [150, 0, 0]},
        index=pd.Index([1, 2, 2**62 + 1], name="customer_key"),
        dtype="float64",
    )
    pd.testing.assert_frame_equal(purchase_summary(warehouse, AS_OF), expected)


def test_nobody_ordered(duck):
    found = purchase_summary(duck, AS_OF)
    assert list(found) == ["frequency", "recency", "T", "monetary"]
    assert found.empty


def test_the_query_is_portable():
    assert lint(render_file(QUERY, as_of=AS_OF)) == []


def test_cdnow_is_whole():
    rows = cdnow_orders()
    assert (len(rows), rows["customer"].nunique(), rows["cents"].sum()) == (69_659, 23_570, 250_031_563)
    assert (str(rows["date"].min().date()), str(rows["date"].max().date())) == ("1997-01-01", "1998-06-30")


def test_the_summary_of_cdnow_is_the_published_one(duck):
    """2,357 customers, 2,457 repeat purchases; the papers round weeks and dollars to two digits."""
    write_cdnow(duck, sample=True)
    found, published = cdnow_summary(duck, SPLIT), published_summary()
    assert found["frequency"].sum() == 2_457
    assert list(found.index) == list(published.index)
    for column, of in published.items():
        assert found[column].to_numpy() == pytest.approx(of.to_numpy(), abs=0.00501), column
