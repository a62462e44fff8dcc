"""Train a challenger for each model of `config/models`, test it against the champion on the same customers.

Runs weekly, on request, and when `watch_drift` asks for it (drift, or a model without a champion). The registry's
alias `champion` moves only when the challenger wins; either way scoring follows.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, dag, task

from orchestration.assets import CHAMPIONS, RETRAINING, tables
from orchestration.house import cron, house
from orchestration.params import AS_OF, as_of_task, choice, pick, publish


@dag(
    schedule=AssetOrTimeSchedule(timetable=cron("0 5 * * 1"), assets=[RETRAINING]),
    params={"as_of": AS_OF, "models": choice("Models", "models of config/models")},
    doc_md=__doc__,
    **house("models", owner="ml-engineering", minutes=120),
)
def train_models() -> None:
    @task
    def choose(*, params: dict[str, Any]) -> list[str]:
        from ml.models.train import model_names

        return pick(params["models"], model_names(), "model")

    @task(
        inlets=tables("customer_features"),
        max_active_tis_per_dagrun=1,  # a model uses every core that one task may have
        map_index_template="{{ task.op_kwargs['name'] }}",
    )
    def train(name: str, as_of: str) -> dict[str, Any]:
        from ml.models.train import train_model

        return train_model(name, as_of)

    as_of = as_of_task()
    train.partial(as_of=as_of).expand(name=choose()) >> publish.override(outlets=[CHAMPIONS])(as_of)


train_models()
