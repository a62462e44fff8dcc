"""What called for a training, in words that its MLflow run and its registered version keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Reason = dict[str, str]
"""`trigger` (drift, decline, age, no champion, schedule, person) and `detail`."""

IN_PROCESS = "dag_test"
"""What Airflow calls the user of a run that no server started."""


def jobs(names: Iterable[str], params: Mapping[str, Any], dag_run: Any, events: Any) -> list[dict[str, Any]]:
    """Return which models to train and why, one item a training: `name` and `reason`.

    Args:
        names: the models that the run may train.
        params: the run's parameters; `models` names what a person asks for.
        dag_run: the run.
        events: asset events that started it, by asset; evidence about some models trains these alone.
    """
    evidence = {} if params.get("models") else _evidence(events)
    called = [name for name in names if name in evidence] if evidence else list(names)
    return [{"name": name, "reason": evidence.get(name) or _of_run(dag_run)} for name in called]


def _evidence(events: Any) -> dict[str, Reason]:
    """Return the reasons that `watch_drift` gave, by model; a later event's win."""
    found = [event for several in (events or {}).values() for event in several]
    found.sort(key=lambda event: event.timestamp)
    return {name: reason for event in found for name, reason in (event.extra or {}).get("reasons", {}).items()}


def _of_run(dag_run: Any) -> Reason:
    kind = getattr(dag_run.run_type, "value", dag_run.run_type)
    if kind == "scheduled":
        return {"trigger": "schedule", "detail": "weekly"}
    if kind == "backfill":
        return {"trigger": "schedule", "detail": "backfill"}
    user = dag_run.triggering_user_name
    by = f"by {user}" if user and user != IN_PROCESS else "in process" if user else "by nobody named"
    return {"trigger": "person", "detail": f"{kind.replace('_', ' ')} run, {by}"}
