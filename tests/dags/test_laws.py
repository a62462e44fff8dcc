"""The laws of a DAG file: it imports, it wires, and it touches nothing while it is parsed."""

import pytest
import sqlalchemy as sa

from ml.settings import PROJECT_DIR, settings

pytestmark = pytest.mark.airflow

ORDER = [
    "ingest_sources",
    "build_profiles",
    "build_features",
    "train_models",
    "watch_drift",
    "score_customers",
    "build_segments",
    "sync_segments",
    "measure_uplift",
    "roll_back_model",
]


def test_every_dag_imports_and_none_is_missing(dags):
    assert sorted(dags) == sorted(ORDER)


def test_a_dag_s_id_is_its_file_s_name_without_the_number():
    names = [path.stem for path in sorted((PROJECT_DIR / "dags").glob("[0-9]*.py"))]
    assert [name.split("_", 1)[1] for name in names] == ORDER
    assert [int(name.split("_")[0]) for name in names] == list(range(1, 11))


def test_no_database_is_asked_while_the_files_are_parsed(monkeypatch):
    from orchestration.inprocess import load_dags

    asked = []

    def listen(*arguments):
        asked.append(arguments[2])

    monkeypatch.setattr("ml.warehouse.Warehouse.__init__", lambda *_: asked.append("warehouse"))
    sa.event.listen(sa.engine.Engine, "before_cursor_execute", listen)
    try:
        load_dags(str(PROJECT_DIR / "dags"))
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", listen)
    assert asked == []


def test_no_connection_is_looked_up_while_the_files_are_parsed(monkeypatch):
    from airflow.sdk import BaseHook, Connection

    from orchestration.inprocess import load_dags

    def refuse(*arguments, **named):
        raise AssertionError(f"a connection was looked up: {arguments} {named}")

    monkeypatch.setattr(BaseHook, "get_connection", refuse)
    monkeypatch.setattr(Connection, "get", refuse)
    load_dags(str(PROJECT_DIR / "dags"))


@pytest.mark.parametrize("dag_id", ORDER)
def test_a_dag_says_what_it_is_whose_it_is_and_how_it_fails(dags, dag_id):
    dag = dags[dag_id]
    assert len(dag.doc_md) > 100
    assert "audienceflow" in dag.tags
    assert len(dag.tags) > 1
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert dag.params["as_of"] is None
    for task in dag.tasks:
        assert task.owner not in ("", "airflow")
        assert task.retries >= 1
        assert task.on_failure_callback
        assert task.execution_timeout or task.task_id in {"approve", "decide.approve"}


def _approval(dag):
    return next((task for task in dag.tasks if task.task_id.rpartition(".")[2] == "approve"), None)


def test_a_run_outlasts_the_answer_that_it_waits_for(dags):
    """Or Airflow fails the run before the person answers, and what settles the answer is skipped."""
    asking = {name: task for name, dag in dags.items() if (task := _approval(dag))}
    assert sorted(asking) == ["build_segments", "sync_segments", "train_models"]
    for name, approve in asking.items():
        slowest = max(task.execution_timeout for task in dags[name].tasks if task.execution_timeout)
        assert dags[name].dagrun_timeout >= approve.response_timeout + 6 * slowest


def test_what_writes_the_warehouse_stands_in_line(dags):
    """But for training and pushing, which write a few rows now and then and would hold the place for long."""
    pools = {
        f"{dag.dag_id}.{task.task_id}" for dag in dags.values() for task in dag.tasks if task.pool != "default_pool"
    }
    assert pools == {
        "ingest_sources.ingest",
        "build_profiles.build",
        "build_features.build",
        "watch_drift.watch",
        "watch_drift.measure",
        "watch_drift.weigh",
        "score_customers.score",
        "score_customers.rank",
        "build_segments.backtest",
        "build_segments.build",
        "build_segments.decide.settle",
        "build_segments.build_approved",
        "measure_uplift.measure",
    }


def test_the_order_follows_from_the_assets(dags):
    from orchestration.order import asset_order

    assert [dag.dag_id for dag in asset_order(dags.values())] == ORDER


def _edges(dag):
    return {(task.task_id, below) for task in dag.tasks for below in task.downstream_task_ids}


EDGES = {
    "ingest_sources": {("choose", "ingest"), ("ingest", "publish"), ("as_of", "publish")},
    "build_profiles": {("build", "publish"), ("as_of", "publish")},
    "build_features": {("as_of", "build"), ("build", "publish"), ("as_of", "publish")},
    "train_models": {
        ("choose", "train"),
        ("as_of", "train"),
        ("train", "all_trained"),
        ("train", "propose"),
        ("propose", "decide.approve"),
        ("decide.approve", "decide.answered"),
        ("decide.answered", "decide.settle"),
        ("propose", "decide.settle"),
        ("decide.settle", "publish"),
        ("propose", "publish"),
        ("as_of", "publish"),
    },
    "watch_drift": {
        ("as_of", "watch"),
        ("as_of", "measure"),
        ("as_of", "weigh"),
        ("watch", "weigh"),
        ("measure", "weigh"),
        ("weigh", "training_is_wanted"),
        ("weigh", "ask_for_training"),
        ("training_is_wanted", "ask_for_training"),
        ("as_of", "ask_for_training"),
    },
    "score_customers": {
        ("choose", "score"),
        ("as_of", "score"),
        ("score", "rank"),
        ("as_of", "rank"),
        ("rank", "publish"),
        ("as_of", "publish"),
    },
    "build_segments": {
        ("as_of", "backtest"),
        ("backtest", "build"),
        ("as_of", "build"),
        ("build", "propose"),
        ("as_of", "propose"),
        ("propose", "decide.approve"),
        ("decide.approve", "decide.answered"),
        ("decide.answered", "decide.settle"),
        ("propose", "decide.settle"),
        ("decide.settle", "build_approved"),
        ("as_of", "build_approved"),
        ("propose", "build_approved"),
        ("build", "build_approved"),
        ("build_approved", "publish"),
        ("as_of", "publish"),
        ("build_approved", "all_ready"),
    },
    "sync_segments": {
        ("as_of", "choose"),
        ("choose", "preview"),
        ("choose", "sync"),
        ("gate", "preview"),
        ("gate", "sync"),
        ("preview", "approve"),
        ("approve", "sync"),
        ("sync", "really_sent"),
        ("sync", "all_confirmed"),
        ("really_sent", "publish"),
        ("as_of", "publish"),
    },
    "measure_uplift": {("as_of", "measure")},
    "roll_back_model": {("find", "roll_back"), ("roll_back", "publish"), ("as_of", "publish")},
}


@pytest.mark.parametrize("dag_id", ORDER)
def test_the_edges_of_a_dag_are_exactly_these(dags, dag_id):
    assert _edges(dags[dag_id]) == EDGES[dag_id]


UPSTREAM = {
    "ingest_sources": set(),
    "build_profiles": {"ingest_sources"},
    "build_features": {"build_profiles"},
    "train_models": {"build_features"},
    "watch_drift": {"build_features", "train_models"},
    "score_customers": {"build_features", "train_models"},
    "build_segments": {"score_customers"},
    "sync_segments": {"build_segments"},
    "measure_uplift": {"sync_segments"},
    "roll_back_model": set(),
}


def test_the_edges_between_the_dags_are_exactly_these(dags):
    from orchestration.order import upstream

    assert upstream(dags) == UPSTREAM


def test_what_starts_each_dag(dags):
    from airflow.sdk import AssetAll, AssetAny

    from orchestration.assets import CHAMPIONS, RETRAINING, stage, table, tables

    started = {name: getattr(dag.timetable, "asset_condition", None) for name, dag in dags.items()}
    assert started == {
        "ingest_sources": None,
        "build_profiles": AssetAll(*stage("1_staging", prefix="stg_")),
        "build_features": AssetAll(*stage("2_profiles", prefix="customer_")),
        "train_models": AssetAll(RETRAINING),
        "watch_drift": AssetAll(table("customer_features")),
        "score_customers": AssetAny(table("customer_features"), CHAMPIONS),
        "build_segments": AssetAll(table("customer_scores")),
        "sync_segments": AssetAll(*tables("segment_members", "segment_changes", "segment_runs")),
        "measure_uplift": AssetAll(table("sync_runs")),
        "roll_back_model": None,
    }


def test_ingest_is_daily_and_training_weekly_in_the_business_s_time_zone(dags):
    for dag_id, cron in (("ingest_sources", "0 3 * * *"), ("train_models", "0 5 * * 1")):
        timetable = dags[dag_id].timetable
        clock = getattr(timetable, "timetable", timetable)
        assert (clock.expression, str(clock.timezone)) == (cron, settings().timezone)
