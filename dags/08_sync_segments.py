"""Bring each segment to its platforms: only what changed, only who agreed, and only what a platform confirmed counts.

Starts when the segments are built. `dry_run` prints the plan and sends nothing; `approval` shows the plan to a person
first and waits. A guard that trips stops that segment's push before its first request, and holds up none of the others.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import TriggerRule, dag, task

from activation.operators.sync import SyncSegmentOperator
from orchestration.assets import tables
from orchestration.house import ANSWER_WITHIN, house
from orchestration.params import APPROVAL, AS_OF, DRY_RUN, OVERRIDE_GUARDS, as_of_task, choice, pick, publish

PLAN = """| segment | platform | adds | updates | removes |
|---|---|---|---|---|
{% for plan in ti.xcom_pull(task_ids='preview') -%}
| {{ plan.segment }} | {{ plan.destination }} | {{ plan.adds }} | {{ plan.updates }} | {{ plan.removes }} |
{% endfor %}"""


@dag(
    schedule=tables("segment_members", "segment_changes", "segment_runs"),
    params={
        "as_of": AS_OF,
        "segments": choice("Segments", "segments of config/segments"),
        "dry_run": DRY_RUN,
        "approval": APPROVAL,
        "override_guards": OVERRIDE_GUARDS,
    },
    doc_md=__doc__,
    **house("activation", owner="marketing-ops", asks=True),
)
def sync_segments() -> None:
    @task
    def choose(as_of: str, *, params: dict[str, Any]) -> list[dict[str, Any]]:
        from ml.segments.assign import sync_targets

        targets = sync_targets()
        names = pick(params["segments"], [*dict.fromkeys(t["segment"] for t in targets)], "segment")
        run = {"as_of": as_of, "dry_run": params["dry_run"], "override_guards": params["override_guards"]}
        return [{**target, **run} for target in targets if target["segment"] in names]

    @task.branch
    def gate(*, params: dict[str, Any]) -> str:
        return "preview" if params["approval"] and not params["dry_run"] else "sync"

    @task.short_circuit(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def really_sent(*, params: dict[str, Any]) -> bool:
        return not params["dry_run"]

    def push(task_id: str, **arguments: Any) -> Any:
        # one at a time: a platform's rate limit belongs to the account, not to the task
        label = "{{ task.segment }} to {{ task.destination }}"
        arguments |= {"task_id": task_id, "max_active_tis_per_dagrun": 1, "map_index_template": label}
        return SyncSegmentOperator.partial(**arguments)

    approve = ApprovalOperator(
        task_id="approve",
        subject="Send these changes?",
        body=PLAN,
        response_timeout=ANSWER_WITHIN,
        execution_timeout=None,
        defaults="Reject",
    )
    as_of = as_of_task()
    jobs = choose(as_of)
    preview = push("preview").expand_kwargs(jobs.map(lambda job: {**job, "dry_run": True}))
    sync = push("sync", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS).expand_kwargs(jobs)
    branch = gate()
    branch >> preview >> approve >> sync
    branch >> sync >> really_sent() >> publish.override(outlets=tables("sync_runs", "sync_ledger"))(as_of)
    sync >> EmptyOperator(task_id="all_confirmed")


sync_segments()
