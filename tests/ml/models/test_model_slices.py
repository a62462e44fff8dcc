"""A model judged group by group: what is read, who is told apart, and which gaps are more than chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.models.dataset import Snapshot
from ml.models.slices import read_attributes, slice_table
from ml.models.spec import ModelSpec
from ml.models.spec_evaluation import Judging
from ml.sql import table
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import features, keys

AT = parse_as_of("2024-05-04")
COUNT = 500
BANDS = np.array(["young"] * 300 + ["old"] * 190 + ["ancient"] * 6 + ["unborn"] * 4)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """500 customers with features, and profiles for all but ten of them."""
    duck = Warehouse(f"duckdb:///{tmp_path_factory.mktemp('slices') / 'warehouse.duckdb'}")
    duck.write("customer_features", features(AT), {"as_of": AT})
    blank: dict[str, Any] = dict.fromkeys(table("customer_profiles").column_names)
    found = {"customer_key": keys()[:490], "age_band": BANDS[:490], "birth_year": 1940 + np.arange(490) % 60}
    counts = {"country": "DE", "email_shared_by": 0, "record_count": 1, "source_count": 1}
    duck.write("customer_profiles", pd.DataFrame(blank | found | counts))
    return duck


def _spec(task: str = "offer_response", **evaluation: object) -> ModelSpec:
    return ModelSpec(name="x", description="x", task=task, horizon_days=28, evaluation=evaluation)


def _seen(label: np.ndarray) -> Snapshot:
    return Snapshot(AT, keys(), pd.DataFrame(index=range(COUNT)), pd.DataFrame(index=range(COUNT)), label)


def _table(house: Warehouse, spec: ModelSpec, label: np.ndarray, score: np.ndarray) -> pd.DataFrame:
    return slice_table(spec, _seen(label), score, np.argsort(np.argsort(-score)) < 50, house)


def _honest(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.random(COUNT) * 0.6
    return (rng.random(COUNT) < score).astype(float), score


def test_what_is_marked_sensitive_is_always_looked_at(shop: Warehouse):
    assert Judging().attributes["age_band"] is True
    assert Judging(slices=("last_device",)).attributes["birth_year"] is True
    found = read_attributes(_spec(), _seen(np.zeros(COUNT)), shop)
    assert {"age_band", "birth_year", "last_device", "monetary_score"} <= set(found)
    assert found["age_band"].tolist()[-10:] == ["unknown"] * 10
    assert "country" in found, "known of some, unknown of others"
    assert "income_band" not in found, "nobody's is known"


def test_small_groups_are_put_together_and_never_shown_alone(shop: Warehouse):
    rows = _table(shop, _spec(), *_honest())
    ages = rows[rows["attribute"] == "age_band"]
    assert dict(zip(ages["group"], ages["customers"], strict=True)) == {"old": 190, "young": 300}
    assert ages["sensitive"].all()
    assert rows["customers"].min() >= 30
    finer = _table(shop, _spec(slice_customers=10), *_honest())
    assert set(finer[finer["attribute"] == "age_band"]["group"]) == {"old", "young", "unknown"}, "four stay hidden"


def test_a_number_with_many_values_is_told_in_fifths(shop: Warehouse):
    rows = _table(shop, _spec(), *_honest())
    years = rows[rows["attribute"] == "birth_year"]
    assert len(years) == 5
    assert years["group"].str.fullmatch(r"19\d\d to 19\d\d").all()
    ends = " to ".join(years["group"]).split(" to ")
    assert ends == sorted(set(ends)), "no year is in two fifths"
    assert years["customers"].sum() == 490


def test_honest_scores_leave_no_clear_gap_and_dishonest_ones_do(shop: Warehouse):
    label, score = _honest()
    assert not _table(shop, _spec(), label, score)["clear"].any()
    unfair = np.where(BANDS == "old", score / 3, score)
    rows = _table(shop, _spec(), label, unfair).set_index(["attribute", "group"])
    assert rows.loc["age_band", "old"]["clear"]
    assert rows.loc["age_band", "old"]["gap_high"] < 0, "the model promises too little of them"
    assert not rows.loc["age_band", "young"]["clear"]
    assert rows.loc["age_band", "old"]["contacted"] < rows.loc["age_band", "young"]["contacted"]


def test_a_group_without_an_outcome_is_no_gap_and_no_ranking(shop: Warehouse):
    label, score = _honest()
    label = np.where(np.arange(COUNT) < 300, 0.0, label)
    score = np.where(np.arange(COUNT) < 300, 0.002, score)
    row = _table(shop, _spec(), label, score).set_index(["attribute", "group"]).loc["age_band", "young"]
    assert not row["clear"]
    assert row[["rank", "rank_low", "found"]].isna().all()


def test_amounts_are_judged_by_their_sum_and_gini(shop: Warehouse):
    rng = np.random.default_rng(3)
    score = rng.gamma(2.0, 5_000, COUNT)
    label = score * rng.gamma(4.0, 0.25, COUNT) * np.where(BANDS == "old", 1.5, 1.0)
    rows = _table(shop, _spec("clv"), label, score).set_index(["attribute", "group"])
    assert rows.loc["age_band", "old"]["gap"] == pytest.approx(-1 / 3, abs=0.06)
    assert rows.loc["age_band", "old"]["clear"]
    row = rows.loc["age_band", "young"]
    assert row["rank_low"] < row["rank"] < row["rank_high"] <= 1


def test_nothing_to_tell_apart_gives_an_empty_table(duck: Warehouse):
    assert _table(duck, _spec(), *_honest()).empty
