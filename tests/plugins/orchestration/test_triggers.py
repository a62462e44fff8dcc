"""What called for a training is found in the run: its events, its clock, its person."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from orchestration.triggers import jobs

DRIFT = {"trigger": "drift", "detail": "5 of 12"}
AGE = {"trigger": "age", "detail": "50 days"}


def _run(kind, user=None):
    return SimpleNamespace(run_type=kind, triggering_user_name=user)


def _events(*extras):
    found = [SimpleNamespace(extra=extra, timestamp=datetime(2024, 1, day, tzinfo=UTC)) for day, extra in extras]
    return {"retraining_wanted": found}


def test_evidence_about_some_models_trains_these_alone():
    events = _events((1, {"as_of": "x", "reasons": {"churn": DRIFT, "gone": AGE}}))
    assert jobs(["churn", "clv"], {}, _run("asset_triggered"), events) == [{"name": "churn", "reason": DRIFT}]


def test_the_latest_event_s_reason_counts_and_earlier_models_are_not_forgotten():
    events = _events((2, {"reasons": {"churn": DRIFT}}), (1, {"reasons": {"churn": AGE, "clv": AGE}}))
    found = jobs(["churn", "clv"], {"models": []}, _run("asset_triggered"), events)
    assert [job["reason"] for job in found] == [DRIFT, AGE]


@pytest.mark.parametrize(
    ("kind", "user", "reason"),
    [
        ("scheduled", None, {"trigger": "schedule", "detail": "weekly"}),
        ("backfill", "ann", {"trigger": "schedule", "detail": "backfill"}),
        ("manual", "ann", {"trigger": "person", "detail": "manual run, by ann"}),
        ("manual", None, {"trigger": "person", "detail": "manual run, by nobody named"}),
        ("manual", "dag_test", {"trigger": "person", "detail": "manual run, in process"}),
        ("asset_triggered", None, {"trigger": "person", "detail": "asset triggered run, by nobody named"}),
    ],
)
def test_without_evidence_the_run_itself_is_the_reason_for_every_model(kind, user, reason):
    found = jobs(["churn", "clv"], {}, _run(kind, user), _events((1, {"as_of": "x"})))
    assert found == [{"name": name, "reason": reason} for name in ("churn", "clv")]


def test_who_names_models_is_the_reason_whatever_the_events_say():
    events = _events((1, {"reasons": {"churn": DRIFT}}))
    found = jobs(["churn"], {"models": ["churn"]}, _run("manual", "ann"), events)
    assert found[0]["reason"]["trigger"] == "person"
