"""The catalogue, its configuration and the matrix made from it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from ml.errors import ConfigError
from ml.features import config
from ml.features.catalogue import catalogue, feature, reference
from ml.features.config import FeatureConfig, load_config
from ml.features.matrix import MISSING, to_matrix
from ml.settings import PROJECT_DIR, settings
from ml.sql import table

REQUIRED = ["recency_days", "orders_28d", "orders_84d", "spend_cents_28d", "spend_cents_84d", "spend_cents_total"]


def test_there_are_40_to_60_features_the_promised_ones_among_them():
    assert 40 <= len(catalogue()) <= 60
    assert set(REQUIRED) <= set(catalogue())


def test_every_column_but_the_key_is_a_feature():
    columns = set(table("customer_features").column_names)
    assert columns - set(catalogue()) == {"customer_key", "as_of"}


def test_numbers_and_categories_are_what_their_types_say():
    assert {f.name for f in catalogue().values() if (f.type == "VARCHAR") != (f.kind == "category")} == set()


def test_an_unknown_feature_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'recency_day'; did you mean recency_days"):
        feature("recency_day")


def test_the_reference_page_is_current():
    assert (PROJECT_DIR / "docs" / "features.md").read_text() == reference(), "run `audienceflow docs`"


def test_the_project_configuration_is_valid_and_gives_every_parameter():
    params = load_config().params()
    needed = {
        name
        for found in ("purchase_totals", "basket_totals", "browsing_totals", "message_totals", "customer_features")
        for name in table(found).spec.params
    }
    assert set(params) == needed
    assert params["orders_decay"] * load_config().half_lives.orders * 86_400 == pytest.approx(-math.log(2))
    assert ("add_to_cart", 3_000_000) in params["web_weights"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("recency_bins.recent", 100, "must not exceed lapsed"),
        ("lifecycle.at_risk", 28, "a stage would be empty"),
        ("half_lives.orders", 0, "half_lives.orders: Input should be greater than or equal to 1"),
        ("half_lives.order", 3, "unknown key; did you mean orders"),
        ("own_brands", [], "own_brands"),
        ("engagement_weights.web", {}, "engagement_weights.web"),
        ("engagement_weights.web", {"purchase": "much"}, r"engagement_weights.web.purchase.*'much'"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, monkeypatch, key, value, message):
    wrong = load_config().model_dump(mode="json")
    place = wrong
    for part in key.split(".")[:-1]:
        place = place[part]
    place[key.split(".")[-1]] = value
    (tmp_path / "features.yaml").write_text(pd.io.json.ujson_dumps(wrong))
    monkeypatch.setattr(config, "settings", lambda: settings().model_copy(update={"config_dir": tmp_path}))
    with pytest.raises(ConfigError, match=message) as caught:
        load_config()
    assert "features.yaml" in str(caught.value)


def test_the_configuration_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        load_config().recency_bins = None
    assert isinstance(load_config(), FeatureConfig)


def test_a_matrix_is_filled_as_declared_and_no_further():
    frame = pd.DataFrame(
        {
            "orders_28d": pd.array([1, None], dtype="Int64"),
            "recency_days": pd.array([None, 3], dtype="Int64"),
            "last_device": ["mobile", None],
            "more": [1, 2],
        },
        index=[7, 9],
    )
    made = to_matrix(frame, ["recency_days", "last_device", "orders_28d"])
    assert list(made.columns) == ["recency_days", "last_device", "orders_28d"]
    assert list(made.index) == [7, 9]
    assert made["orders_28d"].tolist() == [1.0, 0.0]
    np.testing.assert_array_equal(made["recency_days"], [np.nan, 3.0])
    assert made["last_device"].tolist() == ["mobile", MISSING]
    assert str(made["last_device"].dtype) == "category"
    assert {str(made[name].dtype) for name in ("orders_28d", "recency_days")} == {"float64"}


def test_a_matrix_of_an_unknown_feature_is_refused():
    with pytest.raises(ConfigError, match="did you mean orders_28d"):
        to_matrix(pd.DataFrame({"orders_28": [1]}), ["orders_28"])
