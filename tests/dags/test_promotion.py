"""Promotion, leak stop and rollback as DAG runs: real SQL, real training, real registry, a small shop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from ml.features.build import build_features
from ml.models import champions, leaks, registry, snapshots
from ml.models.records import Version
from ml.models.train import train_model
from ml.settings import settings
from ml.warehouse import Warehouse
from orchestration.inprocess import StageRun, load_dags, run_dag
from tests.dags.conftest import answer_approvals
from tests.ml.models import orders
from tests.ml.models.shop import empty_store, forget, use_models

__all__ = ["empty_store"]

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

NAME = "churn_28d"
DAGS = settings().project_dir / "dags"


def _run(dag_id: str, **conf: Any) -> StageRun:
    dag = load_dags(str(next(DAGS.glob(f"[0-9]*_{dag_id}.py"))))[dag_id]
    return run_dag(dag, {"as_of": orders.AS_OF, **conf}, lambda _: None)


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory, empty_store: Path, airflow_db: None) -> tuple[Path, StageRun]:
    """A home folder whose first champion was trained, proposed, and approved by a person; and that run."""
    home = tmp_path_factory.mktemp("promotion")
    (home / "mlflow").mkdir()
    shutil.copy(empty_store, home / "mlflow" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patched:
        orders.use(home, patched)
        answer_approvals(patched, {f"Promote {NAME} version 1?": ("Approve", "ada")})
        run = _run("train_models", approval=True)
    forget()
    return home, run


@pytest.fixture
def warehouse(approved: tuple[Path, StageRun], home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    (home / "mlflow").mkdir()
    for name in ("warehouse.duckdb", "mlflow/mlflow.db"):
        shutil.copy(approved[0] / name, home / name)
    orders.use(home, monkeypatch, fill=False)
    yield Warehouse()
    forget()


@pytest.fixture
def leaky(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let every snapshot be built again, some days too late."""

    def late(days: int) -> None:
        monkeypatch.setattr(snapshots, "build_features", lambda at, house: orders.build_late(at, house, days))
        warehouse.delete("training_snapshots")

    return late


def _version(number: str) -> Version:
    found = registry.version(NAME, number)
    assert found is not None
    return found


def test_a_winner_takes_over_when_a_person_approves_and_its_tags_say_who(
    approved: tuple[Path, StageRun], warehouse: Warehouse
):
    run, found = approved[1], _version("1")
    assert (run.failure, "champions" in run.published) == ("", True)
    assert run.results["train"][0]["alias"] is None, "proposed, no more"
    assert run.results["decide.settle"] == [{"name": NAME, "version": "1", "decision": "promoted"}]
    assert found.is_champion
    said = {key: found.tags[key] for key in ("decision", "decided_by", "approved_by", "note")}
    assert said == {"decision": "promoted", "decided_by": "ada", "approved_by": "ada", "note": "seen both"}
    reason = "first version that passed its gates; not shown to beat recency: auc "
    assert found.tags["decision_reason"].startswith(reason), "200 customers show little"


@pytest.fixture
def weak(warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """Version 2, champion by a person's will: it sees nothing but how long a customer has been one."""
    use_models(home, monkeypatch, f"{orders.CHURN}features: {{include: [tenure_days]}}\n")
    assert train_model(NAME, orders.AS_OF, warehouse=warehouse)["status"] == "kept", "version 1 is better"
    champions.promote(NAME, "2", reason="try it", by="ada")
    return _version("2")


def test_a_better_challenger_displaces_the_champion_and_its_equal_is_kept(
    weak: Version, warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
):
    use_models(home, monkeypatch, orders.CHURN.replace("gates: {", "gates: {max_jump: 0.5, "))  # from so weak a one
    run = _run("train_models")
    assert (run.failure, "champions" in run.published) == ("", True)
    assert (run.results["train"][0]["status"], _version("3").is_champion) == ("promoted", True)
    better = _version("3").tags
    assert better["compared_with"] == weak.version
    assert float(better["gain_low"]) > 0
    assert better["decision_reason"].startswith("better: auc +0.")
    assert train_model(NAME, orders.AS_OF, force=True, warehouse=warehouse)["status"] == "kept"
    equal = _version("4").tags
    assert (equal["compared_with"], float(equal["gain"]), _version("3").is_champion) == ("3", 0, True)
    assert equal["decision_reason"].startswith("kept back, not better for certain")


def test_a_leak_of_one_day_stops_before_the_training(leaky: Any):
    leaky(1)
    run = _run("train_models")
    assert f"Task train[{NAME}]: LeakFound: customer_features at" in run.failure
    assert "recency_days" in run.failure
    assert run.published == frozenset()
    assert [found.version for found in registry.versions(NAME)] == ["1"]


def test_a_leak_of_seven_days_that_nobody_looked_for_stops_before_the_alias_moves(
    leaky: Any, monkeypatch: pytest.MonkeyPatch
):
    leaky(7)
    monkeypatch.setattr(leaks, "check", lambda *_: None)
    run = _run("train_models")
    assert f"Task train[{NAME}]: LeakFound: {NAME} version 2: stopped, a leak is likely: auc is +" in run.failure
    assert _version("1").is_champion
    assert _version("2").decision == "stopped"
    assert _version("2").tags["carried_by"].startswith("recency_days")


def test_a_person_goes_back_with_one_run_and_scoring_is_told(warehouse: Warehouse):
    first, client = _version("1"), MlflowClient(*[settings().mlflow_tracking_uri] * 2)
    tags = {"as_of": first.tags["as_of"], "decision": "promoted", "decided_at": first.tags["decided_at"]}
    client.create_model_version(NAME, client.get_model_version(NAME, "1").source, tags=tags)
    registry.crown(_version("2"))
    run = _run("roll_back_model", model=NAME, reason="complaints")
    assert (run.failure, run.published) == ("", {"champions"})
    assert run.one("roll_back") == {"name": NAME, "version": "1", "instead_of": "2"}
    assert _version("1").is_champion
    assert (_version("2").decision, _version("2").tags["decided_by"]) == ("rolled_back", "dag_test")


def test_a_training_with_too_little_data_is_refused_and_the_champion_goes_on_scoring(
    warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
):
    use_models(home, monkeypatch, orders.CHURN.replace("min_customers: 100", "min_customers: 9000"))
    run = _run("train_models")
    assert f"Task train[{NAME}]: NotEnoughData: {NAME}: " in run.failure
    assert "customers at 2024-05-04" in run.failure
    assert ", 9000 needed" in run.failure
    build_features(orders.AS_OF, warehouse)
    scored = _run("score_customers")
    assert (scored.failure, scored.results["score"][0]["version"]) == ("", "1")
    assert warehouse.count("customer_scores", {"model": NAME}) > 100
