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
    made.scores |= {"propensity_tea": {1: (0.2, 0.5), 3: (0.3, 1.0)}, "propensity_milk": {1: (0.4, 1.0)}}
    for ago in (2 * DAY, 3 * DAY):
        made.event(
            1, "add_to_cart", ago, category="TEA", value_cents=2_000, product_id="p1", session_id="s1", device="mobile"
        )
    made.event(3, "add_to_cart", 3 * DAY, session_id="s2", device="desktop")
    made.order(1, 60 * DAY)
    made.order(1, 2 * DAY + 60, channel="web")
    made.order(3, 59 * DAY)
    made.consents.append((1, "marketing", "email", True))
    made.profiles = {1: {"country": "NO"}}
    made.members, made.before = {"vip": {1}}, {"vip": {3}}
    warehouse = Warehouse(f"duckdb:///{tmp_path_factory.mktemp('reasons') / 'w.duckdb'}")
    made.write(warehouse)
    with warehouse.held():
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
    "a place in another segment": (
        {"feature": "spend_cents_84d", "bottom": {"count": 1, "within": "vip"}},
        {1: "spend 84d 1234.56 (place 1 of 1 from the bottom in vip)"},
    ),
    "an offer": (
        {"score": "propensity_tea", "rank": {"at_most": 1}},
        {3: "propensity tea probability 0.3, place among the customer's offers 1"},
    ),
    "a cluster": ({"cluster": "habits", "in": "far"}, {2: "habits cluster far"}),
    "an attribute": ({"attribute": "country", "equals": "NO"}, {1: "country NO"}),
    "an amount of events": (
        {"event": "add_to_cart", "sum": "value", "at_least": 1000, "last": "14d"},
        {1: "value of carts 40.00 in the last 14 days"},
    ),
    "values of events": (
        {"event": "add_to_cart", "distinct": "product", "at_most": 1, "last": "14d"},
        {1: "1 different product value of carts in the last 14 days"}
        | dict.fromkeys((2, 3), "no different product values of carts in the last 14 days"),
    ),
    "the second order this week": (
        {"event": "order", "nth": 2, "last": "7d"},
        {1: "2nd order ever in the last 7 days"},
    ),
    "the first order ever": (
        {"not": {"event": "order", "first_time": True, "more_than": "59d"}},
        {2: "no first order so far", 3: "no first order so far"},
    ),
    "since another event": (
        {"not": {"event": "add_to_cart", "since": "order", "at_least": 2}},
        {1: "1 cart since the last order", 2: "no order to count from", 3: "1 cart since the last order"},
    ),
    "steps of one product": (
        {"sequence": STEPS, "same": "product", "ever": True},
        {
            1: "a cart, then a cart at most 24 hours later, all of one product: 1 time so far, "
            "latest 2017-12-30 05:00 UTC"
        },
    ),
    "a stage": ({"lifecycle": ["at_risk", "dormant"]}, {3: "lifecycle dormant"}),
    "who came back": ({"lifecycle": "reactivated"}, {1: "lifecycle reactivated"}),
    "a stage entered": (
        {"lifecycle": "dormant", "entered": "7d"},
        {3: "lifecycle dormant, before at risk (in the last 7 days)"},
    ),
    "a stage left": (
        {"lifecycle": "at_risk", "left": {"between": ["7d", "1d"]}},
        {
            1: "lifecycle active, before at risk (between 7 days and 1 day ago)",
            3: "lifecycle dormant, before at risk (between 7 days and 1 day ago)",
        },
    ),
    "the last visit": (
        {"context": "device", "in": "mobile", "last": "14d"},
        {1: "device mobile at the last visit in the last 14 days"},
    ),
    "most orders": (
        {"context": "channel", "in": "store", "of": "most", "ever": True},
        {3: "channel store at 1 of 1 order so far"},
    ),
    "who entered": ({"segment": "vip", "entered": "7d"}, {1: "entered vip on 2018-01-01"}),
    "who left": ({"segment": "vip", "left": "7d"}, {3: "left vip on 2018-01-01"}),
    "points": (
        {
            "weight": [
                {"points": 2, "if": {"any": [{"segment": "vip"}, {"feature": "recency_days", "below": 5}]}},
                {"points": 5, "score": "churn_28d"},
                {"points": -1, "if": {"event": "order", "ever": True}},
            ],
            "at_least": 2,
        },
        {1: "3.05 of 7 points; in vip since 2018-01-01; churn 28d probability 0.41"},
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
