"""Retraining by evidence: each trigger, what it says, whom it tells, and how often."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from ml.models import registry
from ml.models.records import Version
from ml.monitoring.retraining import retraining_reasons
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import CHURN, CLV, use_models

AT = parse_as_of("2024-07-01")
COLUMNS = json.dumps({"recency_days": 0.91, "orders_84d": 0.4, "a": 0.3, "b": 0.25})
DRIFTED = {"status": "drifted", "drifted": 4, "columns_compared": 12, "drifted_columns": COLUMNS, "score_distance": 0.5}
QUIET = {"models": {}}


@pytest.fixture
def champions(duck: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Version]:
    """A churn and a value model with champions of 2024-06-01; a test may take them away."""
    use_models(home, monkeypatch, CHURN, CLV)
    names = ("churn_28d", "clv_84d")
    found = {n: Version(n, "1", "run", is_champion=True, tags={"as_of": "2024-06-01T04:00:00+00:00"}) for n in names}
    monkeypatch.setattr(registry, "champion", found.get)
    return found


def _ask(
    duck: Warehouse, at: object = AT, drift: object = QUIET, performance: object = QUIET
) -> dict[str, dict[str, str]]:
    return retraining_reasons(str(at), drift, performance, warehouse=duck)


def _drift(name: str = "churn_28d", status: str = "drifted") -> dict[str, object]:
    return {"models": {name: DRIFTED | {"status": status}}}


def test_without_evidence_nobody_is_asked(
    duck: Warehouse, champions: dict[str, Version], caplog: pytest.LogCaptureFixture
):
    assert _ask(duck, drift=_drift(status="warning"), performance={"models": {"clv_84d": {"status": "ok"}}}) == {}
    assert duck.count("retraining_requests") == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_drift_is_told_with_the_features_that_moved_most(duck: Warehouse, champions: dict[str, Version]):
    assert _ask(duck, drift=_drift()) == {
        "churn_28d": {
            "trigger": "drift",
            "detail": "4 of 12 features drifted (recency_days 0.91, orders_84d 0.40, a 0.30); "
            "the scores' distance is 0.50",
        }
    }


def test_decline_is_told_in_the_words_of_its_finding(duck: Warehouse, champions: dict[str, Version]):
    declined = {"models": {"clv_84d": {"status": "declined", "detail": "gini 0.5, 0.8 at its test"}}}
    assert _ask(duck, performance=declined) == {
        "clv_84d": {"trigger": "decline", "detail": "gini 0.5, 0.8 at its test"}
    }


def test_a_champion_older_than_its_gate_allows_is_a_reason(duck: Warehouse, home: Path, champions, monkeypatch):
    use_models(home, monkeypatch, CHURN.replace("gates: {", "gates: {max_age_days: 30, "), CLV)
    assert _ask(duck) == {}
    assert _ask(duck, AT.plus(1)) == {
        "churn_28d": {
            "trigger": "age",
            "detail": "the champion learnt from data until 2024-06-01, 31 days ago; 30 are allowed",
        }
    }


def test_a_model_without_champion_is_trained_and_is_no_alarm(duck: Warehouse, champions, caplog):
    del champions["clv_84d"]
    for day in (0, 1):
        assert _ask(duck, AT.plus(day))["clv_84d"]["trigger"] == "no champion"
    assert "Training is asked for" not in caplog.text


def test_several_triggers_of_a_model_are_told_together(duck: Warehouse, champions: dict[str, Version]):
    declined = {"models": {"churn_28d": {"status": "declined", "detail": "auc 0.5"}}}
    found = _ask(duck, drift=_drift(), performance=declined)["churn_28d"]
    assert found["trigger"] == "drift, decline"
    assert found["detail"].endswith("0.50; auc 0.5")


def test_the_same_is_not_asked_for_again_too_soon_but_written_down(duck: Warehouse, champions: dict[str, Version]):
    asked = [bool(_ask(duck, AT.plus(day), drift=_drift())) for day in range(9)]
    assert asked == [True, *[False] * 6, True, False]
    assert duck.read("retraining_requests", order_by=["as_of"])["asked"].tolist() == asked


def test_a_task_that_runs_twice_asks_the_same(duck: Warehouse, champions: dict[str, Version]):
    assert _ask(duck, drift=_drift()) == _ask(duck, drift=_drift())
    assert duck.count("retraining_requests") == 1
    assert _ask(duck) == {}
    assert duck.count("retraining_requests") == 0


def test_people_are_told_once_of_all_that_changed(duck: Warehouse, champions: dict[str, Version], caplog):
    drift = {"models": {"churn_28d": DRIFTED, "clv_84d": DRIFTED}}
    _ask(duck, drift=drift)
    (told,) = [message for message in caplog.messages if "Training is asked for" in message]
    assert told.startswith("Training is asked for: churn_28d (drift), clv_84d (drift)\nchurn_28d: 4 of 12")
