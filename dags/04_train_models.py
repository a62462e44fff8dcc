"""Train a challenger for each model of `config/models`, test it against the champion on the same customers.

Runs weekly, on request, and when `watch_drift` asks for it (drift, decline, age, or no champion: then only the models
that the evidence speaks of). What called for a training is a tag of its MLflow run and of its version. The registry's
alias `champion` moves only when the challenger wins; either way scoring follows.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, dag, task

from orchestration.assets import CHAMPIONS, RETRAINING, tables
from orchestration.house import cron, house
from orchestration.params import AS_OF, as_of_task, choice, pick, publish
from orchestration.triggers import jobs


@dag(
    schedule=AssetOrTimeSchedule(timetable=cron("0 5 * * 1"), assets=[RETRAINING]),
    params={"as_of": AS_OF, "models": choice("Models", "models of config/models")},
    doc_md=__doc__,
    **house("models", owner="ml-engineering", minutes=120),
)
def train_models() -> None:
    @task
    def choose(
        *, params: dict[str, Any], dag_run: Any = None, triggering_asset_events: Any = None
    ) -> list[dict[str, Any]]:
        from ml.models.train import model_names

        names = pick(params["models"], model_names(), "model")
        return jobs(names, params, dag_run, triggering_asset_events)

    @task(
        inlets=tables("customer_features"),
        max_active_tis_per_dagrun=1,  # a model uses every core that one task may have
        map_index_template="{{ task.op_kwargs['name'] }}",
    )
    def train(name: str, reason: dict[str, str], as_of: str) -> dict[str, Any]:
        from ml.models.train import train_model

        return train_model(name, as_of, reason=reason)

    as_of = as_of_task()
    train.partial(as_of=as_of).expand_kwargs(choose()) >> publish.override(outlets=[CHAMPIONS])(as_of)


train_models()
