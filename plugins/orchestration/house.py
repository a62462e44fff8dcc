"""What every DAG of the house has in common: owner, retries, timeouts, alerts, one run at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable

from ml.settings import settings
from orchestration.callbacks import alert_on_failure
from orchestration.retries import RetryByError

WRITER = "warehouse_writer"
"""Pool of the tasks that write the warehouse: one slot for DuckDB, whose file has one writer."""

ANSWER_WITHIN = timedelta(hours=12)
"""How long a task waits for a person's approval; no answer is a no."""

ON_REQUEST = "on request"
"""Tag of the DAGs that only a person starts: no stage of the chain."""


def cron(expression: str) -> CronTriggerTimetable:
    """Return a timetable in the business's time zone; a DAG that is new or unpaused waits for its next time."""
    return CronTriggerTimetable(expression, timezone=settings().timezone, run_immediately=False)


def house(*tags: str, owner: str = "data-team", minutes: int = 30, asks: bool = False) -> dict[str, Any]:
    """Return the arguments of `@dag` that every DAG shares.

    Args:
        tags: Airflow tags beside `audienceflow`.
        owner: the team that answers for the DAG.
        minutes: a task's time limit; a run has six times as long.
        asks: whether a task waits for a person; the run then has the time of the answer besides.
    """
    return {
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["audienceflow", *tags],
        "dagrun_timeout": timedelta(minutes=6 * minutes) + (ANSWER_WITHIN if asks else timedelta()),
        "default_args": {
            "owner": owner,
            "retries": 2,
            "retry_delay": timedelta(seconds=20),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=15),
            "retry_policy": RetryByError(),
            "execution_timeout": timedelta(minutes=minutes),
            "on_failure_callback": alert_on_failure,
        },
    }
