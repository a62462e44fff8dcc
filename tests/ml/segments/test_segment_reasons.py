"""A reason tells what decided, with its values, in words that a marketer can read."""

import pytest

from ml.segments.evaluate import Evaluator
from ml.times import DAY
from ml.warehouse import Warehouse
from tests.ml.segments.test_segment_meaning import segment, selected
from tests.ml.segments.worlds import AS_OF, World, known


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    made = World()
    made.customer(1, recency_days=45, spend_cents_84d=123_456, open_rate_84d=0.1234, lifecycle_stage="at_risk")
    made.customer(2, recency_days=None, spend_cents_84d=-50, open_rate_84d=None)
    made.customer(3, recency_days=2, spend_cents_84d=5)
    made.scores = {"churn_28d": {1: (0.4096, 0.9), 3: (0.1, 0.5)}, "clv_84d": {1: (52_310.4, 1.0), 3: (99.6, 0.5)}}
    for ago in (2 * DAY, 3 * DAY):
        made.event(1, "add_to_cart", ago, category="TEA", value_cents=2_000)
    made.event(3, "add_to_cart", 3 * DAY)
    made.consents.append((1, "marketing", "email", True))
    made.members["vip"] = {1}
    warehouse = Warehouse(f"duckdb:///{tmp_path_factory.mktemp('reasons') / 'w.duckdb'}")
    made.write(warehouse)
    with warehouse.session():  # keeps the file open for the many queries
        yield Evaluator(warehouse, AS_OF, known())


TEA = {"event": "add_to_cart", "where": {"category": "TEA", "value": {"at_least": 500}}, "last": "14d"}
STEPS = [{"event": "add_to_cart"}, {"event": "add_to_cart", "no_later_than": "24h"}]
TOLD = {
    "a feature": ({"feature": "recency_days", "above": 30}, {1: "recency days 45"}),
    "a share of one": ({"feature": "open_rate_84d", "above": 0}, {1: "open rate 84d 0.12"}),
    "a category": ({"feature": "lifecycle_stage", "equals": "at_risk"}, {1: "lifecycle stage at_risk"}),
    "what is missing": (
        {"feature": "recency_days", "is_missing": True},
        {2: "recency days unknown"},
    ),
    "money, also below zero": (
        {"feature": "spend_cents_84d", "at_most": 5},
        {2: "spend 84d -0.50", 3: "spend 84d 0.05"},
    ),
    "a place": (
        {"feature": "spend_cents_84d", "top": {"count": 1}},
        {1: "spend 84d 1234.56 (place 1 of 3 from the top)"},
    ),
    "a probability": (
        {"score": "churn_28d", "break_even": {"cost_cents": 2, "value_cents": 10}},
        {1: "churn 28d probability 0.41 (a contact pays from 0.20)"},
    ),
    "an amount": (
        {"score": "clv_84d", "percentile": {"above": 0.1}},
        {1: "clv 84d expected value 523.10, percentile 1", 3: "clv 84d expected value 1.00, percentile 0.5"},
    ),
    "a count": ({**TEA, "at_least": 2}, {1: "2 carts (category TEA, value at least 5.00) in the last 14 days"}),
    "one and none": (
        {"event": "add_to_cart", "at_most": 1, "last": "2d"},
        {1: "1 cart in the last 2 days", 2: "no carts in the last 2 days", 3: "no carts in the last 2 days"},
    ),
    "a sequence": (
        {"sequence": STEPS, "ever": True},
        {1: "a cart, then a cart at most 24 hours later: 1 time so far, latest 2017-12-30 05:00 UTC"},
    ),
    "membership": ({"segment": "vip"}, {1: "in vip since 2018-01-01"}),
    "consent": (
        {"consent": {"purpose": "marketing", "channel": "email"}},
        {1: "consent to marketing by email"},
    ),
    "only the branches that hold": (
        {"any": [{"feature": "recency_days", "below": 5}, {"segment": "vip"}]},
        {1: "in vip since 2018-01-01", 3: "recency days 2"},
    ),
    "what is known instead": (
        {"not": {"any": [{"segment": "vip"}, {"consent": {"purpose": "marketing", "channel": "email"}}]}},
        dict.fromkeys((2, 3), "not in vip; no consent to marketing by email"),
    ),
    "which part of an all fails": (
        {"not": {"all": [{"event": "add_to_cart", "ever": True}, {"segment": "vip"}]}},
        {2: "no carts so far; not in vip", 3: "not in vip"},
    ),
}


@pytest.mark.parametrize(("who", "told"), TOLD.values(), ids=TOLD)
def test_a_reason_tells(evaluator, who, told):
    assert selected(evaluator, segment(who)) == told
