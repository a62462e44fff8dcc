"""Compare today's customers with those that each champion learned from, and ask for training when they differ.

Starts when new features are ready. The JSON of the Evidently report decides; its HTML is kept with the MLflow run and
under `reports/`. A model that has no champion yet is a reason to train, too.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import dag, task

from orchestration.assets import CHAMPIONS, RETRAINING, tables
from orchestration.house import house
from orchestration.params import AS_OF, as_of_task, publish

log = logging.getLogger(__name__)


@dag(
    schedule=tables("customer_features"),
    params={"as_of": AS_OF},
    doc_md=__doc__,
    **house("monitoring", owner="ml-engineering"),
)
def watch_drift() -> None:
    @task
    def without_champion() -> list[str]:
        from ml.models.registry import models_without_champion

        return models_without_champion()

    @task(inlets=[CHAMPIONS], outlets=tables("drift_runs"))
    def watch(as_of: str) -> dict[str, Any]:
        from ml.monitoring.watch import watch_drift

        return watch_drift(as_of)

    @task.short_circuit
    def training_is_wanted(drift: dict[str, Any], missing: list[str]) -> bool:
        log.info("Drift: %s; models without a champion: %s", drift["status"], ", ".join(missing) or "none")
        return bool(drift["drifted"] or missing)

    as_of = as_of_task()
    wanted = training_is_wanted(watch(as_of), without_champion())
    wanted >> publish.override(task_id="ask_for_training", outlets=[RETRAINING])(as_of)


watch_drift()
