"""Training end to end: one run, one version, one decision, however often and wherever it was stopped."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from ml.errors import NotEnoughData
from ml.models import registry
from ml.models.dataset import read_features
from ml.models.spec import model_spec
from ml.models.train import model_names, train_model
from ml.settings import settings
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import AS_OF, CHURN, CLV, use_models

DRIFT = {"trigger": "drift", "detail": "5 of 12"}


def _versions(name: str = "churn_28d") -> int:
    return len(MlflowClient(settings().mlflow_tracking_uri).search_model_versions(f"name = '{name}'"))


def _statuses() -> list[str]:
    client = MlflowClient(settings().mlflow_tracking_uri)
    experiment = client.get_experiment_by_name(registry.EXPERIMENT)
    return sorted(run.info.status for run in client.search_runs([experiment.experiment_id]))


class Stopped(BaseException):
    """Stands in for SIGKILL: nothing catches it."""


def _stop(*_: object, **__: object) -> None:
    raise Stopped


def test_the_first_version_becomes_champion_and_a_repeat_finds_it(trained: Warehouse, built: list[str]):
    found = train_model("churn_28d", AS_OF, warehouse=trained, reason=DRIFT)
    assert (found["version"], found["alias"], _versions()) == ("1", "champion", 1)
    assert registry.champion("churn_28d").tags["trigger"] == "person", "what called for the run first stays"
    assert built == [], "the stored snapshots still fit the data"
    assert 0.7 < found["metrics"]["auc"] < 0.95
    assert found["metrics"]["auc_low"] < found["metrics"]["auc"] < found["metrics"]["auc_high"]
    assert set(found["baselines"]) == {"recency", "rfm", "logistic"}
    assert registry.models_without_champion() == ["clv_84d"]


def test_a_forced_run_gives_the_same_numbers_to_the_ninth_digit(trained: Warehouse):
    first = train_model("churn_28d", AS_OF, warehouse=trained)
    second = train_model("churn_28d", AS_OF, warehouse=trained, force=True, reason=DRIFT)
    assert second["version"] == "2"
    assert registry.version("churn_28d", "2").tags["trigger_detail"] == "5 of 12"
    assert second["metrics"] == pytest.approx(first["metrics"], abs=1e-9)
    assert (second["alias"], second["status"]) == (None, "kept"), "an equal model is not better"
    assert "against champion 1" in second["decision"]
    assert registry.version("churn_28d", "2").tags["gain"] == "0.00000"


def test_values_are_measured_in_cents_beside_last_windows_spend(shop: Warehouse, built: list[str]):
    found = train_model("clv_84d", AS_OF, warehouse=shop)
    assert len(built) == 7, "four snapshots, features and labels; one of them was there for the churn model"
    assert set(found["baselines"]) == {"recency", "rfm", "last_window", "btyd", "tweedie_glm"}
    assert found["metrics"]["gini"] > found["baselines"]["recency"]["gini"]
    assert abs(found["metrics"]["total_error"]) < 0.25


def test_a_run_keeps_what_a_person_and_the_next_step_need(trained: Warehouse):
    run_id = registry.champion("churn_28d").run_id
    client = MlflowClient(settings().mlflow_tracking_uri)
    run = client.get_run(run_id)
    kept = {file.path for file in client.list_artifacts(run_id)}
    assert {"model_card.md", "evaluation.json", "deciles.csv", "reference.parquet", "spec.json"} <= kept
    assert {"evaluation.html", "slices.csv", "contacts.csv", "thresholds.csv", "figures"} <= kept
    assert {"data_hash", "spec_hash", "code_hash", "as_of", "seed"} <= set(run.data.tags)
    assert {"auc", "baseline.rfm.auc", "candidate.lightgbm.ece", "reasons_r2"} <= set(run.data.metrics)
    assert {"precision_10_low", "recall_10", "baseline.recency.brier_skill", "slices_off"} <= set(run.data.metrics)
    assert [i.tags[0].value for i in run.inputs.dataset_inputs] == ["train", "train", "calibration", "test"]
    assert run.data.params["lightgbm.n_estimators"] == "30"


def test_the_version_and_its_card_say_what_is_gained_over_the_best_rule(trained: Warehouse):
    champion = registry.champion("churn_28d")
    kept = {name: registry.read_artifact(champion.run_id, name) for name in ("model_card.md", "evaluation.json")}
    gain = json.loads(kept["evaluation.json"])["over_rule"]
    told = {name: float(champion.tags[name]) for name in ("rule_gain", "rule_gain_low", "rule_gain_high")}
    assert [*told.values()] == pytest.approx([gain[name] for name in ("mean", "low", "high")], abs=1e-5)
    assert champion.tags["rule"] == gain["over"] in {"recency", "rfm"}
    beats = "beats" if gain["low"] > 0 else "not shown to beat"
    assert f"- Beside the best rule: {beats} {gain['over']}: auc {gain['mean']:+.4f}" in kept["model_card.md"].decode()
    assert ("not shown to beat" in champion.tags["decision_reason"]) == (gain["low"] <= 0)


def test_the_registered_model_predicts_what_was_tested(trained: Warehouse):
    champion = registry.champion("churn_28d")
    scorer = registry.load_scorer(champion)
    seen = pd.read_parquet(BytesIO(registry.read_artifact(champion.run_id, "test_predictions.parquet")))
    test_at = parse_as_of(AS_OF).minus(28)
    frame = read_features(trained, model_spec("churn_28d"), test_at, scorer.features).loc[seen["customer_key"]]
    np.testing.assert_allclose(scorer.predict(frame), seen["chosen"], rtol=0, atol=1e-12)


@pytest.mark.slow  # two trainings each
@pytest.mark.parametrize("stop_at", ["_log_model", "register", "crown"])
def test_a_training_stopped_anywhere_is_finished_by_the_next(
    shop: Warehouse, monkeypatch: pytest.MonkeyPatch, stop_at: str
):
    with monkeypatch.context() as patched:
        patched.setattr(registry, stop_at, _stop)
        with pytest.raises(Stopped):
            train_model("churn_28d", AS_OF, warehouse=shop)
    assert registry.champion("churn_28d") is None
    found = train_model("churn_28d", AS_OF, warehouse=shop)
    assert (found["version"], found["alias"], _versions()) == ("1", "champion", 1)
    assert _statuses().count("FINISHED") == 1
    assert "RUNNING" not in _statuses()


@pytest.mark.slow
def test_a_stop_between_alias_and_decision_is_settled(shop: Warehouse, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_model_version_tag", _stop)
        with pytest.raises(Stopped):
            train_model("churn_28d", AS_OF, warehouse=shop)
    found = train_model("churn_28d", AS_OF, warehouse=shop)
    assert (found["version"], found["alias"]) == ("1", "champion")
    assert "interrupted" in found["decision"]


def test_a_worse_challenger_is_kept_back(trained: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch):
    blind = CHURN + "features: {include: [dwell_seconds_28d, views_28d]}\n"
    use_models(home, monkeypatch, blind.replace("rule_gain: -0.05", "rule_gain: -1"))
    found = train_model("churn_28d", AS_OF, warehouse=trained)
    assert (found["version"], found["alias"]) == ("2", None)
    assert "kept back, not better for certain" in found["decision"]
    assert registry.champion("churn_28d").version == "1"


def test_a_model_that_a_rule_beats_never_becomes_champion(shop: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch):
    use_models(home, monkeypatch, CHURN + "features: {include: [dwell_seconds_28d]}\n")
    found = train_model("churn_28d", AS_OF, warehouse=shop)
    assert found["alias"] is None
    assert "against recency" in found["decision"]
    assert registry.champion("churn_28d") is None


def test_an_older_challenger_never_replaces_a_newer_champion(trained: Warehouse):
    older = train_model("churn_28d", "2024-05-01", warehouse=trained)
    assert older["alias"] is None
    assert "learnt from later data" in older["decision"]


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("min_customers: 9000", r"500 customers at .*, 9000 needed"),
        ("min_positives: 9000", r"positive and \d+ negative training labels, 9000 of each needed"),
    ],
)
def test_too_little_data_is_refused_with_what_was_found(
    shop: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch, gate: str, message: str
):
    use_models(home, monkeypatch, CHURN.split("gates")[0] + f"gates: {{{gate}}}\n")
    with pytest.raises(NotEnoughData, match=message):
        train_model("churn_28d", AS_OF, warehouse=shop)


def test_no_closed_label_window_is_refused(shop: Warehouse):
    with pytest.raises(NotEnoughData, match=r"churn_28d: 1\.1 horizons of orders \(31 days since .*\), 3 needed"):
        train_model("churn_28d", "2023-02-01", warehouse=shop)


def test_an_empty_warehouse_is_refused(duck: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch):
    use_models(home, monkeypatch, CLV)
    with pytest.raises(NotEnoughData, match="customer_orders is empty; load sources"):
        train_model("clv_84d", AS_OF, warehouse=duck)


def test_model_names_come_in_the_order_of_the_files(shop: Warehouse):
    assert model_names() == ["churn_28d", "clv_84d"]
