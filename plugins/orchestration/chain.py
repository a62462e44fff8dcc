"""The chain of DAGs in one process, as a scheduler lets it run: what a failed DAG published still starts the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.inprocess import DagFailed, StageRun, run_dag
from orchestration.order import may_start, outlets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import DAG

    from orchestration.screen import Screen


def run_all(dags: Mapping[str, DAG], conf: dict[str, Any], screen: Screen) -> dict[str, StageRun]:
    """Run every DAG that something starts, in the given order; return their runs by id.

    Raises `DagFailed` at the end, when any DAG failed or was never started.
    """
    expected = {name for dag in dags.values() for name in outlets(dag)}
    runs: dict[str, StageRun] = {}
    for dag_id, dag in dags.items():
        published = {name for run in runs.values() for name in run.published}
        if may_start(dag, published, expected):
            runs[dag_id] = _run(dag, conf, screen)
    _complain(dags, runs)
    return runs


def _run(dag: DAG, conf: dict[str, Any], screen: Screen) -> StageRun:
    # A demo asks every DAG for the same; `local.run` has refused what one DAG does not know.
    known = {name: value for name, value in conf.items() if name in dag.params}
    with screen.stage(dag.dag_id) as outcome:
        run = run_dag(dag, known, screen.task, screen.log_file)
        outcome.failed = bool(run.failure)
    return run


def _complain(dags: Mapping[str, DAG], runs: Mapping[str, StageRun]) -> None:
    problems = [run.failure for run in runs.values() if run.failure]
    idle = [dag_id for dag_id in dags if dag_id not in runs]
    if idle:
        problems.append(f"Not started, because what starts it was not published: {', '.join(idle)}")
    if problems:
        raise DagFailed("\n".join(problems))
