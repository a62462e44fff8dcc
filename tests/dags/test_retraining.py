"""Every trigger of a training, from the evidence in the warehouse to the tags of the run that it caused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ml.models import registry
from ml.monitoring import drift
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import (
    AS_OF,
    CHURN,
    built,
    empty_store,
    features,
    shop,
    store,
    trained,
    trained_home,
    use_models,
)
from tests.ml.monitoring.past import write_scores

__all__ = ["built", "empty_store", "shop", "store", "trained", "trained_home"]

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.usefixtures("airflow_db", "home")]

LATER = parse_as_of(AS_OF).plus(28)
PLAIN = CHURN.replace("candidates: {lightgbm: {n_estimators: 30, min_child_samples: 20}}\n", "")


def _named(name: str, **gates: int) -> str:
    more = "".join(f"{key}: {value}, " for key, value in gates.items())
    return PLAIN.replace("name: churn_28d", f"name: {name}").replace("gates: {", f"gates: {{{more}")


@pytest.fixture
def models(trained: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Four models with a champion, each from the run that trained the first, and one without."""
    known = registry.champion("churn_28d")
    texts = [_named(name) for name in ("steady", "drifting", "declining", "new")] + [_named("aged", max_age_days=20)]
    use_models(home, monkeypatch, *texts)
    for name in ("steady", "drifting", "declining", "aged"):
        registry.crown(registry.register(name, known.run_id, {"as_of": known.tags["as_of"]}))
    trained.write("customer_features", features(LATER), {"as_of": LATER})
    return trained


def _distances(reference: pd.DataFrame, _: object, __: object, ___: object, page: Path) -> dict[str, float]:
    """Stand in for Evidently, whose import alone takes seconds."""
    page.write_text("<html>")
    return dict.fromkeys(reference, 0.9 if page.stem == "drifting" else 0.01)


def _run(
    fresh: Any,
    dag_id: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    events: list[int] | None = None,
    conf: Any = None,
    **said: Any,
) -> Any:
    """Run a DAG as a scheduler or a person would have started it: with the asset events of these ids, or so `said`."""
    from airflow.models import dagrun
    from airflow.models.asset import AssetEvent

    from orchestration.inprocess import run_dag

    make = dagrun.get_or_create_dagrun

    def started(*, session: Any, **arguments: Any) -> Any:
        run = make(session=session, **arguments)
        for name, value in said.items():
            setattr(run, name, value)
        run.consumed_asset_events = [session.get(AssetEvent, event) for event in events or []]
        session.commit()
        return run

    with monkeypatch.context() as patched:
        patched.setattr(dagrun, "get_or_create_dagrun", started)
        found = run_dag(fresh(dag_id), {} if events else {"as_of": str(LATER), **(conf or {})}, lambda _: None)
    assert not found.failure
    return found


def _events() -> list[int]:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(AssetEvent.id).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        return [event.id for event in found.filter(AssetModel.name == "retraining_wanted")]


def _triggers(result: dict[str, Any]) -> tuple[str, str]:
    """Return what the MLflow run of a training says of its trigger; its version says the same."""
    version = registry.version(result["name"], result["version"])
    with registry._reach("reading tags") as client:
        tags = client.get_run(result["run_id"]).data.tags
    assert all(version.tags[key] == tags[key] for key in registry.TRIGGER)
    return tags["trigger"], tags["trigger_detail"]


def test_each_kind_of_evidence_leads_to_a_training_that_names_it(
    models: Warehouse, fresh: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drift, "distances", _distances)
    write_scores(models, parse_as_of(AS_OF), model="declining", worth=False)
    before = _events()
    _run(fresh, "watch_drift", monkeypatch)
    event = _events()[len(before) :]
    assert len(event) == 1
    run = _run(fresh, "train_models", monkeypatch, events=event, run_type="asset_triggered")
    assert run.one("as_of") == str(LATER)
    told = {result["name"]: _triggers(result) for result in run.results["train"]}
    assert {name: trigger for name, (trigger, _) in told.items()} == {
        "drifting": "drift",
        "declining": "decline",
        "aged": "age",
        "new": "no champion",
    }
    assert "features drifted" in told["drifting"][1]
    assert "auc 0.4" in told["declining"][1]
    assert "28 days ago; 20 are allowed" in told["aged"][1]


def test_a_person_who_asks_for_a_training_is_named(models: Warehouse, fresh: Any, monkeypatch: pytest.MonkeyPatch):
    run = _run(fresh, "train_models", monkeypatch, conf={"models": ["steady"]}, triggering_user_name="ann")
    (result,) = run.results["train"]
    assert _triggers(result) == ("person", "manual run, by ann")
