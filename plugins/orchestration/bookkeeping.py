"""Airflow's own database on one machine: made, mended after a killed run, and held still while DAGs run in process."""

from __future__ import annotations

import logging

from sqlalchemy import delete, select, update

from ml.settings import settings
from orchestration.house import WRITER

log = logging.getLogger(__name__)
POOL_NOTE = "Tasks that write the warehouse: one slot for DuckDB, more for a server."


def prepare() -> None:
    """Create or migrate the database and the writers' pool; may run any number of times."""
    from airflow.models.pool import Pool
    from airflow.utils import db

    db.initdb()
    Pool.create_or_update_pool(WRITER, slots=writer_slots(), description=POOL_NOTE, include_deferred=False)


def writer_slots() -> int:
    """Return how many tasks may write at once."""
    return 1 if settings().warehouse_url.startswith("duckdb") else 4


def abandon_test_runs() -> int:
    """Fail what a killed in-process run left behind, so that no scheduler takes it up; return how many runs."""
    from airflow.models import DagRun, TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, State, TaskInstanceState
    from airflow.utils.types import DagRunTriggeredByType

    unfinished = [DagRunState.RUNNING, DagRunState.QUEUED]
    with create_session() as session:
        left = select(DagRun).where(DagRun.state.in_(unfinished), DagRun.triggered_by == DagRunTriggeredByType.TEST)
        runs = list(session.scalars(left))
        for run in runs:
            run.set_state(DagRunState.FAILED)
            tasks = update(TaskInstance).where(
                TaskInstance.dag_id == run.dag_id,
                TaskInstance.run_id == run.run_id,
                TaskInstance.state.is_(None) | TaskInstance.state.in_(State.unfinished - {None}),
            )
            session.execute(tasks.values(state=TaskInstanceState.FAILED).execution_options(synchronize_session=False))
    return len(runs)


def hold_schedules() -> None:
    """Pause every DAG and forget queued asset events: the caller decides the order, not a scheduler."""
    _set_paused(paused=True)
    forget_queued_events()


def release_schedules() -> None:
    """Unpause every DAG, with nothing queued from before."""
    forget_queued_events()
    _set_paused(paused=False)


def forget_queued_events() -> None:
    """Drop asset events that wait for a run: their data was used already."""
    from airflow.models.asset import AssetDagRunQueue
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(delete(AssetDagRunQueue))


def _set_paused(*, paused: bool) -> None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(update(DagModel).values(is_paused=paused))
