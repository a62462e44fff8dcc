"""The second at which a condition begins and ceases to hold: one customer a case, in one small world."""

import pytest

from ml.segments.evaluate import Evaluator
from ml.times import DAY
from ml.warehouse import Warehouse
from tests.ml.segments.test_segment_meaning import segment, selected
from tests.ml.segments.worlds import AS_OF, World, known

CART = {"sequence": [{"event": "add_to_cart"}], "then_not": "purchase within 24h", "last": "14d"}
ORDERED_ONCE = {"sequence": [{"event": "order"}], "then_not": "order within 24h", "last": "14d"}
QUICK = {
    "sequence": [
        {"event": "product_view", "count": 3, "within": "10m"},
        {"event": "add_to_cart", "no_later_than": "10m"},
    ],
    "last": "14d",
}
RECENT = {"event": "add_to_cart", "last": "2d"}
DORMANT, BACK = {"lifecycle": "dormant"}, {"lifecycle": "reactivated"}
BECAME = {"lifecycle": "dormant", "entered": "7d"}
EARLIER = {"event": "add_to_cart", "between": ["2d", "1d"]}

# who, what happened as (kind, seconds before as_of), and whether that makes a member
CASES = {
    "a cart without a purchase": (CART, [("add_to_cart", 3 * DAY)], True),
    "a purchase in the last second of the silence": (
        CART,
        [("add_to_cart", 3 * DAY), ("purchase", 2 * DAY + 1)],
        False,
    ),
    "a purchase when the silence has passed": (CART, [("add_to_cart", 3 * DAY), ("purchase", 2 * DAY)], True),
    "a purchase before the cart": (CART, [("purchase", 3 * DAY + 1), ("add_to_cart", 3 * DAY)], True),
    "a silence that ends at as_of": (CART, [("add_to_cart", DAY)], True),
    "a silence that has a second to go": (CART, [("add_to_cart", DAY - 1)], False),
    "a cart in the window's first second": (CART, [("add_to_cart", 14 * DAY)], True),
    "a cart before the window": (CART, [("add_to_cart", 14 * DAY + 1)], False),
    "an order does not break its own silence": (ORDERED_ONCE, [("order", 3 * DAY)], True),
    "an order breaks the silence of the one before": (ORDERED_ONCE, [("order", DAY + 5), ("order", DAY - 5)], False),
    "three views in ten minutes, then a cart": (
        QUICK,
        [("product_view", 2_000), ("product_view", 1_500), ("product_view", 1_400), ("add_to_cart", 800)],
        True,
    ),
    "three views in a second more": (
        QUICK,
        [("product_view", 2_001), ("product_view", 1_500), ("product_view", 1_400), ("add_to_cart", 800)],
        False,
    ),
    "a cart a second too late": (
        QUICK,
        [("product_view", 2_000), ("product_view", 1_500), ("product_view", 1_400), ("add_to_cart", 799)],
        False,
    ),
    "a cart among the views": (
        QUICK,
        [("product_view", 2_000), ("product_view", 1_500), ("add_to_cart", 1_450), ("product_view", 1_400)],
        False,
    ),
    "an event in the window's first second": (RECENT, [("add_to_cart", 2 * DAY)], True),
    "an event before the window": (RECENT, [("add_to_cart", 2 * DAY + 1)], False),
    "an event in the last second before as_of": (RECENT, [("add_to_cart", 1)], True),
    "an event at as_of": (RECENT, [("add_to_cart", 0)], False),
    "an event where an earlier window ends": (EARLIER, [("add_to_cart", DAY)], False),
    "an event just before that": (EARLIER, [("add_to_cart", DAY + 1)], True),
    "the last second of the 112th day": (DORMANT, [("order", 113 * DAY - 1)], True),
    "the 113th day": (DORMANT, [("order", 113 * DAY)], False),
    "the last second of the 56th day": (DORMANT, [("order", 57 * DAY - 1)], False),
    "the 57th day": (DORMANT, [("order", 57 * DAY)], True),
    "back after 57 days": (BACK, [("order", 60 * DAY), ("order", 3 * DAY)], True),
    "back a second earlier": (BACK, [("order", 60 * DAY - 1), ("order", 3 * DAY)], False),
    "back, and not active any more": (BACK, [("order", 100 * DAY), ("order", 29 * DAY)], False),
    "dormant since the span's first second": (BECAME, [("order", 64 * DAY)], False),
    "dormant since a second later": (BECAME, [("order", 64 * DAY - 1)], True),
}


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    made = World()
    for key, (_, happened, _) in enumerate(CASES.values()):
        made.customer(key)
        for kind, ago in happened:
            made.order(key, ago) if kind == "order" else made.event(key, kind, ago)
    warehouse = Warehouse(f"duckdb:///{tmp_path_factory.mktemp('boundaries') / 'w.duckdb'}")
    made.write(warehouse)
    with warehouse.held():
        yield Evaluator(warehouse, AS_OF, known())


@pytest.mark.parametrize("case", CASES)
def test_a_boundary_is_where_the_guide_says(evaluator, case):
    who, _, expected = CASES[case]
    assert (list(CASES).index(case) in selected(evaluator, segment(who))) == expected


def test_a_share_is_rounded_up_and_ties_go_by_key(evaluator):
    everybody = len(CASES)
    who = {"feature": "orders_84d", "top": {"share": 0.11}}
    found = selected(evaluator, segment(who))
    assert everybody == 29
    assert list(found) == [0, 1, 2, 3], "11 percent of 29 are 3.19: four, and all values are equal"
