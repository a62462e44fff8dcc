"""The data minimum: what was found and what is needed, said by name; and what is already there goes on working."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.errors import NotEnoughData
from ml.models import registry
from ml.models.dataset import TrainingSet
from ml.models.minimum import check_data, check_history
from ml.models.train import train_model
from ml.scores.batch import score_model
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models import points
from tests.ml.models.shop import AS_OF, CHURN, use_models, write_features

pytestmark = pytest.mark.usefixtures("home")

GATES = {"min_customers": 100, "min_positives": 50, "min_positives_test": 10, "max_missing": 0.2}


def _refused(data: TrainingSet, **gates: float) -> str:
    with pytest.raises(NotEnoughData) as refused:
        check_data(points.spec(gates=GATES | gates), data)
    return str(refused.value)


def test_enough_is_not_refused():
    check_data(points.spec(gates=GATES), points.data())
    check_history(points.spec(gates={"min_history": 6}), parse_as_of("2023-12-15"), parse_as_of("2024-06-01"))


def test_everything_that_is_too_little_is_named_at_once():
    told = _refused(points.data(), min_customers=500, min_positives=9_000, min_positives_test=300)
    assert "x: 400 customers at 2023-12-16" in told
    assert "positive and" in told
    assert "training labels, 9000 of each needed" in told
    assert "calibration labels, 300 of each needed" in told
    assert "test labels, 300 of each needed" in told
    assert told.endswith("Load more history, lengthen the horizon, or lower the gates in config/models.")


def test_a_history_is_measured_in_horizons():
    with pytest.raises(NotEnoughData, match=r"3\.2 horizons of orders \(91 days since .*\), 4 needed \(112 days\)"):
        check_history(points.spec(gates={"min_history": 4}), parse_as_of("2024-03-02"), parse_as_of("2024-06-01"))


def _without(data: TrainingSet, name: str, share: float, *, last_only: bool) -> TrainingSet:
    """Forget a share of one feature's values, everywhere or in the test snapshot alone."""
    rng = np.random.default_rng(1)

    def forget(snapshot: object) -> object:
        gone = rng.random(len(snapshot.features)) < share
        return replace(snapshot, features=snapshot.features.assign(**{name: snapshot.features[name].mask(gone)}))

    train = data.train if last_only else tuple(forget(snapshot) for snapshot in data.train)
    calibration = data.calibration if last_only else forget(data.calibration)
    return TrainingSet(train, calibration, forget(data.test))


def test_missing_values_are_counted_where_they_are_and_the_worst_feature_is_named():
    told = _refused(_without(points.data(), "views_28d", 0.9, last_only=True))
    assert told.count("of the feature values at") == 1
    assert "30% of the feature values at 2024-05-04" in told
    assert "(views_28d 91%), at most 20% allowed" in told


def test_what_nobody_has_is_not_missing():
    check_data(points.spec(gates=GATES), _without(points.data(), "views_28d", 1.0, last_only=False))


def test_a_category_without_a_level_is_missing():
    blank = points.data()
    test = replace(blank.test, features=blank.test.features.assign(main_channel="missing"))
    others = [replace(s, features=s.features.assign(main_channel="web")) for s in (*blank.train, blank.calibration)]
    assert "main_channel 100%" in _refused(TrainingSet(tuple(others[:-1]), others[-1], test))


@pytest.mark.slow  # the champion is trained first
def test_the_last_champion_goes_on_scoring_when_a_training_is_refused(
    trained: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
):
    use_models(home, monkeypatch, CHURN.replace("min_customers: 100", "min_customers: 9000"))
    with pytest.raises(NotEnoughData, match=r"500 customers at .*, 9000 needed"):
        train_model("churn_28d", AS_OF, warehouse=trained)
    assert registry.champion("churn_28d").version == "1"
    write_features(AS_OF, trained)
    assert score_model("churn_28d", AS_OF, warehouse=trained)["rows"] == 500
    assert set(trained.read("customer_scores", ["model_version"])["model_version"]) == {"1"}
