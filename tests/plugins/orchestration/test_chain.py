"""The chain in one process starts what a scheduler would start, and says at the end what went wrong."""

import io

import pytest
from airflow.sdk import DAG, Asset, task
from rich.console import Console

from orchestration import chain
from orchestration.inprocess import DagFailed, StageRun, _last_error
from orchestration.order import may_start, outlets
from orchestration.screen import Screen

RAW, CLEAN, MODEL = Asset("raw"), Asset("clean"), Asset("model")


def _dag(dag_id, schedule, *published):
    with DAG(dag_id, schedule=schedule, params={"as_of": None}) as dag:
        task(task_id="work", outlets=list(published))(lambda: None)()
    return dag


CHAIN = [
    _dag("load", None, RAW),
    _dag("scrub", [RAW], CLEAN),
    _dag("train", [CLEAN], MODEL),
    _dag("score", CLEAN | MODEL, Asset("scores")),
    _dag("both", [CLEAN, MODEL], Asset("report")),
]


@pytest.fixture
def run(monkeypatch):
    """Run the chain; DAGs named in `fails` publish nothing and fail."""
    seen = []

    def run_all(fails=(), halves=(), conf=None):
        def run_dag(dag, conf, on_task, everything):
            seen.append((dag.dag_id, conf))
            failure = f"DAG {dag.dag_id} failed. Task work: ValueError: no" if dag.dag_id in {*fails, *halves} else ""
            published = frozenset() if dag.dag_id in fails else frozenset(outlets(dag))
            return StageRun(dag.dag_id, 0.1, {}, published, failure)

        monkeypatch.setattr(chain, "run_dag", run_dag)
        screen = Screen(Console(file=io.StringIO(), width=200))
        try:
            chain.run_all({dag.dag_id: dag for dag in CHAIN}, conf or {}, screen)
        except DagFailed as error:
            return seen, str(error)
        return seen, ""

    return run_all


def test_every_dag_runs_in_order_with_the_parameters_that_it_knows(run):
    seen, failure = run(conf={"as_of": "2018-01-01", "dry_run": True})
    assert seen == [(dag.dag_id, {"as_of": "2018-01-01"}) for dag in CHAIN]
    assert failure == ""


def test_what_waits_for_a_failed_dag_is_not_started_and_what_does_not_is(run):
    seen, failure = run(fails=["train"])
    assert [name for name, _ in seen] == ["load", "scrub", "train", "score"]
    assert failure.splitlines() == [
        "DAG train failed. Task work: ValueError: no",
        "Not started, because what starts it was not published: both",
    ]


def test_a_failed_dag_that_published_still_starts_the_next(run):
    seen, failure = run(halves=["scrub"])
    assert len(seen) == len(CHAIN)
    assert failure == "DAG scrub failed. Task work: ValueError: no"


def test_an_asset_from_outside_of_the_chain_is_taken_to_be_there():
    assert may_start(CHAIN[1], published=[], expected=["clean"])
    assert not may_start(CHAIN[1], published=[], expected=["raw"])


def test_an_import_error_is_told_in_its_own_words():
    trace = "Traceback (most recent call last):\n  File x\n    load()\nConfigError: sources.yaml:\n  tabel: unknown key"
    assert _last_error(trace) == "ConfigError: sources.yaml:\n  tabel: unknown key"
