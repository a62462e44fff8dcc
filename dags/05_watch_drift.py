"""Watch the champions, and ask for training where the evidence says so: drift, decline, age, or no champion.

Starts when new features are ready. Today's customers are compared with those that each champion was accepted on (the
JSON of the Evidently report decides), and the scores of the past with what happened since, once their label window has
closed. Each reason travels with the event, and ends as a tag of the MLflow run that it caused.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from orchestration.assets import CHAMPIONS, RETRAINING, tables
from orchestration.house import WRITER, house
from orchestration.params import AS_OF, as_of_task


@dag(
    schedule=tables("customer_features"),
    params={"as_of": AS_OF},
    doc_md=__doc__,
    **house("monitoring", owner="ml-engineering"),
)
def watch_drift() -> None:
    @task(pool=WRITER, inlets=[CHAMPIONS], outlets=tables("drift_runs"))
    def watch(as_of: str) -> dict[str, Any]:
        from ml.monitoring.watch import watch_drift

        return watch_drift(as_of)

    @task(pool=WRITER, outlets=tables("realised_performance", "realised_deciles"))
    def measure(as_of: str) -> dict[str, Any]:
        from ml.monitoring.performance import measure_performance

        return measure_performance(as_of)

    @task(pool=WRITER, outlets=tables("retraining_requests"))
    def weigh(as_of: str, drift: dict[str, Any], performance: dict[str, Any]) -> dict[str, dict[str, str]]:
        from ml.monitoring.retraining import retraining_reasons

        return retraining_reasons(as_of, drift, performance)

    @task.short_circuit
    def training_is_wanted(reasons: dict[str, dict[str, str]]) -> bool:
        return bool(reasons)

    @task(outlets=[RETRAINING])
    def ask_for_training(as_of: str, reasons: dict[str, dict[str, str]], *, outlet_events: Any = None) -> None:
        outlet_events[RETRAINING].extra = {"as_of": as_of, "reasons": reasons}

    as_of = as_of_task()
    reasons = weigh(as_of, watch(as_of), measure(as_of))
    training_is_wanted(reasons) >> ask_for_training(as_of, reasons)


watch_drift()
