"""What an outcome finds after a date, on both engines, and which outcome a definition has when it says none."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from ml.errors import ConfigError
from ml.models.spec import ModelSpec
from ml.segments.backtest_outcomes import look_up
from ml.segments.catalogue import load_catalogue
from ml.segments.language import read_segment
from ml.segments.outcomes import Outcome, outcome_of
from ml.segments.rules import Rule
from ml.times import DAY
from tests.ml.segments.worlds import AS_OF, World, rows

WEEK = 7 * DAY


def world() -> World:
    """Customer 1 goes on as before, 2 spends less than half, 3 exactly half, 4 nothing, 5 begins, 6 was never seen."""
    made = World()
    for key in range(1, 7):
        made.customer(key)
    for key, cents in {1: 1_000, 2: 1_000, 3: 1_000, 4: 1_000}.items():
        made.order(key, WEEK, cents)  # the first second of the window before
        made.order(key, WEEK + 1, 90_000)
    for key, cents in {1: 1_000, 2: 499, 3: 500, 5: 2_000}.items():
        made.order(key, -WEEK + 1, cents)  # the last second of the window after
        made.order(key, -WEEK, 90_000)
    made.order(5, 0, 0)
    made.order(4, -1, 5_000, status="returned")
    made.line(1, -1, "p1", 700)
    made.line(5, -1, "p2", 300)
    made.line(2, 1, "p1", 100)
    return made


def campaigns(warehouse) -> None:
    """Campaign a runs and targets 1 and 2, of whom 2 redeems, and 5 after the week; b was over; c begins later."""
    days = {"a": (-10, 10), "b": (-20, -1), "c": (8, 20)}
    warehouse.write(
        "stg_campaigns",
        rows(
            "stg_campaigns",
            [
                {"campaign_id": name, "started_epoch": AS_OF.plus(a).epoch, "ended_epoch": AS_OF.plus(b).epoch}
                for name, (a, b) in days.items()
            ],
        ),
    )
    told = [(1, "a", "targeted", -1), (2, "a", "targeted", -1), (3, "b", "targeted", -5), (3, "c", "targeted", 8)]
    told += [(5, "a", "targeted", 8), (2, "a", "redeemed", 2), (3, "b", "redeemed", 2)]
    found = [
        {"customer_key": key, "campaign_id": of, "response": what, "responded_epoch": AS_OF.plus(when).epoch}
        for key, of, what, when in told
    ]
    numbered = [{"response_id": str(number), **row} for number, row in enumerate(found)]
    warehouse.write("customer_offer_responses", rows("customer_offer_responses", numbered))


def found(outcome: dict, warehouse, among=None) -> dict[int, bool]:
    seen = look_up(Outcome.model_validate(outcome), AS_OF, warehouse, among)
    return dict(zip(seen.keys.tolist(), seen.did.tolist(), strict=True))


def test_each_outcome_asks_and_finds_the_right_customers_on_both_engines(warehouse):
    world().write(warehouse)
    campaigns(warehouse)
    assert found({"churn": "7d"}, warehouse) == {1: False, 2: False, 3: False, 4: True}
    assert found({"collapse": "7d"}, warehouse) == {1: False, 2: True, 3: False, 4: True}
    assert found({"order": "7d"}, warehouse) == {1: True, 2: True, 3: True, 4: False, 5: True, 6: False}
    line = {"within": "7d", "product": "p1"}
    assert found({"order": line}, warehouse) == {1: True, **dict.fromkeys(range(2, 7), False)}
    assert found({"redemption": "7d"}, warehouse) == {1: False, 2: True}
    assert found({"redemption": {"within": "7d", "campaign": "b"}}, warehouse) == {}
    top = {"within": "7d", "share": 0.3}
    assert found({"top_spend": top}, warehouse) == {1: True, 2: False, 3: False, 4: False, 5: True, 6: False}
    few = found({"top_spend": {**top, "share": 0.25}}, warehouse, pa.chunked_array([[2, 3, 4, 6, 99]]))
    assert few == {2: False, 3: True, 4: False, 6: False}, "of those among whom it is asked"


def test_the_money_in_an_outcome(duck):
    world().write(duck)
    lost = look_up(Outcome.model_validate({"collapse": "7d"}), AS_OF, duck)
    assert (lost.before.tolist(), lost.after.tolist()) == ([1_000] * 4, [1_000, 499, 500, 0])
    assert lost.cents.tolist() == [0, 501, 0, 1_000]
    won = look_up(Outcome.model_validate({"order": {"within": "7d", "product": "p2"}}), AS_OF, duck)
    assert won.cents[won.keys == 5].tolist() == [300]


SPECS = {
    "churn_28d": {"task": "churn", "horizon_days": 28, "active_window_days": 28},
    "clv_84d": {"task": "clv", "horizon_days": 84},
    "propensity_tea": {"task": "propensity", "horizon_days": 14, "target": {"category": "TEA"}},
    "propensity_a": {"task": "propensity", "horizon_days": 14, "target": {"campaign": "a"}},
    "offer_response": {"task": "offer_response", "horizon_days": 28},
    "no_purchase": {"task": "survival", "horizon_days": 28, "survival_days": (28, 84)},
}
CHURN, CLV = "{score: churn_28d, probability: {at_least: 0.3}}", "{score: clv_84d, top: {share: 0.2}}"


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (CHURN, {"churn": "28d"}),
        (CLV, {"top_spend": "84d"}),
        (f"{{all: [{CLV}, {CHURN}]}}", {"churn": "28d"}),
        ("{score: propensity_tea, rank: {at_most: 1}}", {"order": {"within": "14d", "category": "TEA"}}),
        ("{score: propensity_a, percentile: {at_least: 0.9}}", {"redemption": {"within": "14d", "campaign": "a"}}),
        ("{score: offer_response, top: {count: 10}}", {"redemption": "28d"}),
        ("{score: no_purchase_84d, top: {count: 10}}", {"churn": "84d"}),
        ("{event: order, last: 7d}", {"order": "28d"}),
    ],
)
def test_a_definition_without_an_outcome_has_that_of_its_model(who, said, tmp_path):
    specs = {name: ModelSpec(name=name, description="", **spec) for name, spec in SPECS.items()}
    assert outcome_of(rule(tmp_path, who), specs) == Outcome.model_validate(said)


def test_what_a_file_says_comes_first_and_a_segment_of_others_is_no_model(tmp_path):
    own = rule(tmp_path, CHURN, "outcome: {order: {within: 2w, channel: web}}")
    assert outcome_of(own, {}).words == "orders (channel web) within 2 weeks"
    barred = rule(tmp_path, "{event: order, last: 7d}", f"exclude: [{CHURN}]")
    specs = {"churn_28d": SimpleNamespace(score_names=("churn_28d",), kind="probability", task="churn")}
    assert outcome_of(barred, specs).kind == "order", "who is left out is not whom it is about"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("{}", "say one of churn, collapse, order, redemption, top_spend"),
        ("{churn: 28d, order: 7d}", "say one of"),
        ("{order: {within: 7d, category: TEA, brand: X}}", "name one of them: category or brand"),
        ("{order: soon}", "is not a length of time"),
        ("{purchase: 7d}", "outcome.purchase"),
        ("{churn: 9w, among: {feature: recncy_days, below: 3}}", "did you mean recency_days"),
        ("{top_spend: {within: 7d, share: 20}}", "outcome.top_spend.share"),
    ],
)
def test_a_wrong_outcome_is_told_at_its_line(define, outcome, words):
    define("near", "{feature: recency_days, below: 30}", f"outcome: {outcome}")
    with pytest.raises(ConfigError, match=r"near.yaml:8: outcome") as caught:
        load_catalogue()
    assert words in str(caught.value)


def test_how_a_definition_is_proven_changes_nothing_of_what_it_is(tmp_path):
    plain, told = rule(tmp_path, CHURN), rule(tmp_path, CHURN, "outcome: {order: 7d}\nbacktest: {skip: Because.}")
    assert plain.digest({}) == told.digest({})


def rule(folder, who: str, more: str = "") -> Rule:
    path = folder / "near.yaml"
    words = "description: x\ngoal: x\nowner: x\naction: x\nconsent: {purpose: marketing, channel: email}"
    path.write_text(f"name: near\n{words}\nwho: {who}\n{more}\n")
    return Rule(read_segment(path)[0])
