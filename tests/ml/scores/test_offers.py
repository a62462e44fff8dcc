"""Offers: each customer's targets get places, by lift or by probability, however often and wherever it is done."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ml.scores.offers import rank_offers
from ml.sql import table
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import AS_OF, CHURN, forget, use_models

AT = parse_as_of(AS_OF)
OFFERS = """
name: buys
description: Buys.
task: propensity
horizon_days: 14
targets: [{category: TEA}, {category: COFFEE}, {category: WINE}]
"""
SCORES = {  # model: probability by customer; tea sells to everybody, wine to customer 3
    "buys_tea": {1: 0.5, 2: 0.5, 3: 0.5},
    "buys_coffee": {1: 0.2, 2: 0.1, 3: 0.0},
    "buys_wine": {1: 0.0, 2: 0.02, 3: 0.04},
    "churn_28d": {1: 0.9, 3: 0.1},
}


@pytest.fixture
def offers(home: Path, monkeypatch: pytest.MonkeyPatch):
    use_models(home, monkeypatch, OFFERS, CHURN)
    yield
    forget()


def _score(warehouse: Warehouse, model: str) -> None:
    by_customer = SCORES[model]
    rows = pd.DataFrame(dict.fromkeys(table("customer_scores").column_names), index=[*by_customer])
    rows = rows.drop(columns=["as_of", "model"]).assign(
        customer_key=[*by_customer],
        kind="probability",
        model_version="1",
        score=[*by_customer.values()],
        percentile=1.0,
        rank=range(1, len(rows) + 1),
        top_reasons='["a, b"]',
    )
    warehouse.write("customer_scores", rows, {"as_of": AT, "model": model})


def _places(warehouse: Warehouse) -> dict[str, list[int | None]]:
    rows = warehouse.read_arrow(
        "customer_scores", ["model", "offer_rank"], order_by=["model", "customer_key"]
    ).to_pylist()
    return {model: [row["offer_rank"] for row in rows if row["model"] == model] for model in SCORES}


def test_a_customers_targets_are_ranked_by_lift_over_the_average_customer(offers: None, warehouse: Warehouse):
    for model in SCORES:
        _score(warehouse, model)
    found = rank_offers(AS_OF, warehouse=warehouse)
    assert found["ranked"] == {"buys": 9}
    assert _places(warehouse) == {
        "buys_tea": [2, 2, 2],  # lift 1 for everybody; of equal lifts the first name comes first
        "buys_coffee": [1, 1, 3],  # lifts 2, 1, 0
        "buys_wine": [3, 3, 1],  # lifts 0, 1, 2
        "churn_28d": [None, None],
    }
    lifts = warehouse.read("customer_scores", ["offer_lift"], {"model": "buys_coffee"}, ["customer_key"])
    assert lifts["offer_lift"].tolist() == pytest.approx([2, 1, 0])


def test_ranking_again_changes_nothing_and_a_new_score_waits_for_its_place(offers: None, duck: Warehouse):
    for model in SCORES:
        _score(duck, model)
    rank_offers(AS_OF, warehouse=duck)
    before = duck.read("customer_scores", order_by=["model", "customer_key"])
    rank_offers(AS_OF, warehouse=duck)
    pd.testing.assert_frame_equal(duck.read("customer_scores", order_by=["model", "customer_key"]), before)
    _score(duck, "buys_tea")
    assert _places(duck)["buys_tea"] == [None, None, None]
    rank_offers(AS_OF, warehouse=duck)
    pd.testing.assert_frame_equal(duck.read("customer_scores", order_by=["model", "customer_key"]), before)


def test_those_that_have_scored_are_ranked_and_by_probability_where_the_file_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, duck: Warehouse
):
    use_models(home, monkeypatch, OFFERS + "rank_by: probability\n", CHURN)
    assert rank_offers(AS_OF, warehouse=duck)["ranked"] == {"buys": 0}
    for model in ("buys_tea", "buys_wine"):
        _score(duck, model)
    rank_offers(AS_OF, warehouse=duck)
    assert _places(duck) == {"buys_coffee": [], "buys_tea": [1, 1, 1], "buys_wine": [2, 2, 2], "churn_28d": []}
    forget()
