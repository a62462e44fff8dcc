"""Batch scoring: one partition, calibrated scores, ranks and reasons, the same however often."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ml.errors import ConfigError, FatalError, NotEnoughData
from ml.models import registry
from ml.models.dataset import read_features
from ml.models.spec import model_spec
from ml.scores import batch
from ml.scores.batch import score_model
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import AS_OF, CUSTOMERS, features, write_features

AT = parse_as_of(AS_OF)


@pytest.fixture
def scored(trained: Warehouse) -> pd.DataFrame:
    write_features(AS_OF, trained)
    score_model("churn_28d", AS_OF, warehouse=trained)
    return trained.read("customer_scores", where={"as_of": AT}, order_by=["rank"])


def test_every_customer_of_the_population_gets_a_probability_a_rank_and_three_reasons(scored: pd.DataFrame):
    assert len(scored) == CUSTOMERS
    assert set(scored["kind"]) == {"probability"}
    assert set(scored["model_version"]) == {"1"}
    assert scored["rank"].tolist() == list(range(1, CUSTOMERS + 1))
    assert scored["score"].is_monotonic_decreasing
    assert scored["percentile"].iloc[0] == 1
    assert scored["percentile"].iloc[-1] == pytest.approx((scored["score"] <= scored["score"].iloc[-1]).mean())
    assert {len(json.loads(text)) for text in scored["top_reasons"]} == {3}
    assert scored[["low", "high"]].isna().all(axis=None), "an interval is of an amount"


def test_scores_are_the_champions(scored: pd.DataFrame, trained: Warehouse):
    scorer = registry.load_scorer(registry.champion("churn_28d"))
    frame = read_features(trained, model_spec("churn_28d"), AT, scorer.features)
    expected = scorer.predict(frame.loc[scored["customer_key"].astype("int64")])
    np.testing.assert_allclose(scored["score"].astype(float), expected, rtol=0, atol=1e-9)


def test_scoring_twice_and_in_small_parts_gives_the_same_rows(
    scored: pd.DataFrame, trained: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batch, "_ROWS", 97)
    found = score_model("churn_28d", AS_OF, warehouse=trained)
    again = trained.read("customer_scores", where={"as_of": AT}, order_by=["rank"])
    assert found["rows"] == CUSTOMERS
    pd.testing.assert_frame_equal(again, scored)


def test_only_those_in_the_active_window_are_scored(trained: Warehouse):
    frame = features(AT)
    silent = frame.assign(recency_days=np.where(np.arange(CUSTOMERS) < 40, 28, frame["recency_days"]))
    trained.write("customer_features", silent, {"as_of": AT})
    assert score_model("churn_28d", AS_OF, warehouse=trained)["rows"] == CUSTOMERS - 40


def test_a_population_without_anybody_writes_an_empty_partition(scored: pd.DataFrame, trained: Warehouse):
    trained.write("customer_features", features(AT).assign(recency_days=90), {"as_of": AT})
    found = score_model("churn_28d", AS_OF, warehouse=trained)
    assert (found["rows"], found["mean"]) == (0, None)
    assert trained.count("customer_scores", {"model": "churn_28d"}) == 0


def test_equal_scores_are_ranked_by_key_and_share_a_percentile():
    keys = np.array([5, 3, 9])
    rows = batch.ranked(keys, np.array([0.2, 0.2, 0.1]), batch.pa.chunked_array([["[]"] * 3]), "probability", "1")
    assert rows.column("rank").to_pylist() == [2, 1, 3]
    assert rows.column("percentile").to_pylist() == pytest.approx([1, 1, 1 / 3])


def test_a_model_without_champion_or_features_or_name_is_refused(trained: Warehouse):
    with pytest.raises(FatalError, match="clv_84d has no champion: train it first"):
        score_model("clv_84d", AS_OF, warehouse=trained)
    with pytest.raises(NotEnoughData, match="run build_features"):
        score_model("churn_28d", "2020-01-01", warehouse=trained)
    with pytest.raises(ConfigError, match="did you mean churn_28d"):
        score_model("churn_28", AS_OF, warehouse=trained)
