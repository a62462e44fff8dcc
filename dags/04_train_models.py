"""Train a challenger for each model of `config/models`, test it against the champion on the same customers.

Runs weekly, on request, and when `watch_drift` asks for it (drift, decline, age, or no champion: then only the models
that the evidence speaks of). What called for a training is a tag of its MLflow run and of its version. The registry's
alias `champion` moves only when the challenger is better for certain, and with `approval` only after a person has seen
both cards. A model that is refused (too little data, a leak) fails its task and holds up none of the others.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import AssetOrTimeSchedule, TriggerRule, dag, task, task_group

from orchestration.approvals import said
from orchestration.assets import CHAMPIONS, RETRAINING, tables
from orchestration.house import ANSWER_WITHIN, cron, house
from orchestration.params import AS_OF, NOTE, PROMOTION_APPROVAL, as_of_task, choice, pick, publish
from orchestration.triggers import jobs


@dag(
    schedule=AssetOrTimeSchedule(timetable=cron("0 5 * * 1"), assets=[RETRAINING]),
    params={"as_of": AS_OF, "models": choice("Models", "models of config/models"), "approval": PROMOTION_APPROVAL},
    doc_md=__doc__,
    **house("models", owner="ml-engineering", minutes=120, asks=True),
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
    def train(name: str, reason: dict[str, str], as_of: str, *, params: dict[str, Any]) -> dict[str, Any]:
        from ml.models.train import train_model

        return train_model(name, as_of, ask=params["approval"], reason=reason)

    @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def propose(trained: Any) -> list[dict[str, str]]:
        from ml.models.champions import proposals

        return proposals(list(trained))

    @task_group
    def decide(name: str, version: str, subject: str, body: str) -> None:
        approve = ApprovalOperator(
            task_id="approve",
            subject=subject,
            body=body,
            params={"note": NOTE},
            response_timeout=ANSWER_WITHIN,
            execution_timeout=None,
            defaults="Reject",
        )

        # not right after `approve`: a rejection may skip what comes next, and must be written down all the same
        @task(trigger_rule=TriggerRule.ALL_DONE)
        def settle(name: str, version: str, *, ti: Any) -> dict[str, str]:
            from ml.models.champions import answer

            response = ti.xcom_pull(task_ids="decide.approve", map_indexes=ti.map_index)
            return answer(name, version, **said(response))

        approve >> EmptyOperator(task_id="answered") >> settle(name, version)

    as_of = as_of_task()
    trained = train.partial(as_of=as_of).expand_kwargs(choose())
    proposals = propose(trained)
    announce = publish.override(outlets=[CHAMPIONS], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)(as_of)
    [proposals, decide.expand_kwargs(proposals)] >> announce
    trained >> EmptyOperator(task_id="all_trained")


train_models()
