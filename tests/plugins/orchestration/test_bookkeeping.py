"""Airflow's own database after a killed run, and before a scheduler starts."""

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db", "home")]


def _left_running(dag):
    """Leave a run as a process leaves it that is killed in the middle of a task."""
    from airflow.models import DagRun, TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState

    run = dag.test(run_conf={"as_of": "2018-01-01"})
    with create_session() as session:
        found = session.query(DagRun).filter_by(dag_id=run.dag_id, run_id=run.run_id).one()
        found.state = DagRunState.RUNNING
        tasks = session.query(TaskInstance).filter_by(dag_id=run.dag_id, run_id=run.run_id, task_id="measure")
        tasks.one().state = TaskInstanceState.RUNNING
    return run.run_id


def _states(run_id):
    from airflow.models import DagRun, TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        run = session.query(DagRun).filter_by(dag_id="measure_uplift", run_id=run_id).one()
        tasks = session.query(TaskInstance).filter_by(dag_id="measure_uplift", run_id=run_id)
        return str(run.state), {task.task_id: str(task.state) for task in tasks}


def test_a_run_that_was_killed_is_failed_and_what_had_ended_stays(fresh, stages):
    from orchestration.bookkeeping import abandon_test_runs

    run_id = _left_running(fresh("measure_uplift"))
    assert abandon_test_runs() == 1
    assert _states(run_id) == ("failed", {"as_of": "success", "measure": "failed"})
    assert abandon_test_runs() == 0


def test_while_the_schedules_are_held_nothing_is_queued_and_release_starts_from_scratch(fresh, stages):
    from airflow.models.asset import AssetDagRunQueue
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    from orchestration.bookkeeping import hold_schedules, release_schedules

    def queued_and_paused():
        with create_session() as session:
            return session.query(AssetDagRunQueue).count(), {dag.is_paused for dag in session.query(DagModel)}

    fresh("build_segments").test(run_conf={"as_of": "2018-01-01"})
    release_schedules()
    fresh("build_segments").test(run_conf={"as_of": "2018-01-01"})
    assert queued_and_paused() == (3, {False})  # the three tables that the sync waits for
    release_schedules()
    assert queued_and_paused() == (0, {False})
    hold_schedules()
    fresh("build_segments").test(run_conf={"as_of": "2018-01-01"})
    assert queued_and_paused() == (0, {True})


@pytest.mark.parametrize(("url", "slots"), [("duckdb:////tmp/x.duckdb", 1), ("postgresql://localhost/x", 4)])
def test_one_task_writes_a_file_and_several_write_a_server(monkeypatch, url, slots):
    from ml.settings import settings
    from orchestration.bookkeeping import writer_slots

    monkeypatch.setenv("WAREHOUSE_URL", url)
    settings.cache_clear()
    assert writer_slots() == slots
