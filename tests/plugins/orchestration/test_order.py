"""The order of the DAGs is read from their assets."""

import pytest
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, task

from orchestration.assets import RETRAINING
from orchestration.order import asset_order

RAW, CLEAN, MODEL = Asset("raw"), Asset("clean"), Asset("model")


def _dag(dag_id, schedule, outlets, inlets=()):
    with DAG(dag_id, schedule=schedule) as dag:
        task(task_id="work", outlets=list(outlets), inlets=list(inlets))(lambda: None)()
    return dag


def _ids(*dags):
    return [dag.dag_id for dag in asset_order(dags)]


def test_what_waits_comes_after_what_publishes():
    load = _dag("load", None, [RAW])
    scrub = _dag("scrub", [RAW], [CLEAN])
    assert _ids(scrub, load) == ["load", "scrub"]


def test_a_table_that_is_only_read_counts_too():
    load = _dag("load", None, [RAW])
    train = _dag("a_train", CronTriggerTimetable("0 5 * * 1", timezone="UTC"), [MODEL], inlets=[RAW])
    assert _ids(train, load) == ["load", "a_train"]


def test_any_and_all_of_several_assets_are_looked_into():
    makers = [_dag("load", None, [RAW]), _dag("train", None, [MODEL])]
    either = _dag("a_score", (RAW & CLEAN) | MODEL, [])
    assert _ids(either, *makers)[-1] == "a_score"
    clock = CronTriggerTimetable("0 5 * * 1", timezone="UTC")
    weekly = _dag("a_weekly", AssetOrTimeSchedule(timetable=clock, assets=[RAW]), [])
    assert _ids(weekly, makers[0]) == ["load", "a_weekly"]


def test_an_asset_that_flows_backwards_does_not_count():
    train = _dag("train", [RETRAINING], [MODEL])
    watch = _dag("a_watch", None, [RETRAINING], inlets=[MODEL])
    assert _ids(watch, train) == ["train", "a_watch"]


def test_a_circle_is_named():
    with pytest.raises(ValueError, match=r"wait for each other: .*a.*b"):
        _ids(_dag("a", [RAW], [CLEAN]), _dag("b", [CLEAN], [RAW]))
