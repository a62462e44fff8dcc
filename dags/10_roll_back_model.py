"""Let an earlier champion reign again: for a person who has seen that the present one does harm.

Nothing starts it but a person, here or with `audienceflow models rollback`. The version that loses its place is marked
with who and why, so that a training on equal data never promotes it again. Scoring follows.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from orchestration.assets import CHAMPIONS
from orchestration.house import ON_REQUEST, house
from orchestration.params import AS_OF, EARLIER_VERSION, MODEL, REASON, as_of_task, publish


@dag(
    schedule=None,
    params={"as_of": AS_OF, "model": MODEL, "version": EARLIER_VERSION, "reason": REASON},
    doc_md=__doc__,
    **house("models", ON_REQUEST, owner="ml-engineering"),
)
def roll_back_model() -> None:
    @task
    def find(*, params: dict[str, Any]) -> str:
        from ml.models.champions import earlier_champion

        return earlier_champion(params["model"], params["version"] or "")

    @task
    def roll_back(version: str, *, params: dict[str, Any], dag_run: Any = None) -> dict[str, str]:
        from ml.models.champions import roll_back

        by = dag_run.triggering_user_name or "a run of roll_back_model"
        return roll_back(params["model"], to=version, reason=params["reason"], by=by)

    # found in a task of its own, so that a second try does not go back by two
    roll_back(find()) >> publish.override(outlets=[CHAMPIONS])(as_of_task())


roll_back_model()
