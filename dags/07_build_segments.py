"""Evaluate every segment of `config/segments` over features, scores and events, and record who came and went.

Starts when the scores are ready. Segments that refer to others are built after them; each member row holds its reason.
A definition, or a model, that changed more than a segment's guard allows waits: members are built by the version before
it, and with `approval` a person is shown who would enter and leave, and decides. A definition that was never backtested
is not activated, unless its file says why. A segment that cannot be built, is outside its limits or untested fails
`all_ready` and holds up none of the others.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import TriggerRule, dag, task, task_group

from orchestration.approvals import said
from orchestration.assets import tables
from orchestration.house import ANSWER_WITHIN, WRITER, house
from orchestration.params import ACCEPT_CHANGES, AS_OF, BACKTEST, NOTE, SEGMENT_APPROVAL, as_of_task, choice, publish

FINE = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS


@dag(
    schedule=tables("customer_scores"),
    params={
        "as_of": AS_OF,
        "segments": choice("Segments", "segments of config/segments"),
        "approval": SEGMENT_APPROVAL,
        "accept_changes": ACCEPT_CHANGES,
        "backtest": BACKTEST,
    },
    doc_md=__doc__,
    **house("segments", owner="marketing-ops", asks=True),
)
def build_segments() -> None:
    @task(pool=WRITER)
    def backtest(as_of: str, *, params: dict[str, Any]) -> list[dict[str, str]]:
        from ml.segments.backtest import backtest_new

        return backtest_new(as_of, params["segments"] or None) if params["backtest"] else []

    @task(pool=WRITER, trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def build(as_of: str, *, params: dict[str, Any]) -> list[dict[str, Any]]:
        from ml.segments.assign import build_segments

        return build_segments(as_of, params["segments"] or None, accept_changes=params["accept_changes"])

    @task
    def propose(as_of: str, *, params: dict[str, Any]) -> list[dict[str, str]]:
        from ml.segments.approve import proposals

        return proposals(as_of, params["segments"] or None) if params["approval"] else []

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
        @task(pool=WRITER, trigger_rule=TriggerRule.ALL_DONE)
        def settle(name: str, version: str, *, ti: Any) -> dict[str, str]:
            from ml.segments.approve import answer

            response = ti.xcom_pull(task_ids="decide.approve", map_indexes=ti.map_index)
            return answer(name, version, **said(response))

        approve >> EmptyOperator(task_id="answered") >> settle(name, version)

    @task(pool=WRITER, trigger_rule=FINE)
    def build_approved(
        as_of: str, asked: list[dict[str, str]], built: list[dict[str, Any]], *, params: dict[str, Any]
    ) -> list[dict[str, Any]]:
        from ml.segments.approve import build_approved

        return build_approved(as_of, asked, built, params["segments"] or None)

    @task
    def all_ready(built: list[dict[str, Any]]) -> None:
        from ml.segments.assign import check_ready

        check_ready(built)

    as_of = as_of_task()
    built = build(as_of)
    backtest(as_of) >> built
    asked = propose(as_of)
    final = build_approved(as_of, asked, built)
    built >> asked
    decide.expand_kwargs(asked) >> final
    all_ready(final)
    final >> publish.override(outlets=tables("segment_members", "segment_changes", "segment_runs"))(as_of)


build_segments()
