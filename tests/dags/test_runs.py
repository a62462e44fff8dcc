"""The DAGs run over `dag.test()`, with stages that only say what they were asked."""

import re
import signal
from pathlib import Path

import pytest

from ml.settings import settings
from tests.dags.conftest import AS_OF, answer_approvals
from tests.ml.mailserver import web_hook

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_db", "home")]


def _run(fresh, dag_id, **conf):
    from orchestration.inprocess import run_dag

    return run_dag(fresh(dag_id), conf, lambda _: None)


def _states(dag, **arguments):
    from orchestration.inprocess import own_parameters

    with own_parameters(dag):
        run = dag.test(**arguments)
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def _events(asset):
    """Return the `extra` of every event of an asset, oldest first."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        return [event.extra for event in found.filter(AssetModel.name == asset).order_by(AssetEvent.id)]


def test_sources_are_loaded_in_their_order_and_staging_is_announced_with_its_as_of(fresh, stages):
    _run(fresh, "ingest_sources", as_of="2018-01-01")
    assert stages.calls == [("ingest", "products"), ("ingest", "orders")]
    assert _events("stg_orders")[-1] == {"as_of": AS_OF}


def test_a_task_leaves_the_process_its_answer_to_sigterm(fresh, stages):
    def answer(*_):
        """Stop at once."""

    before = signal.signal(signal.SIGTERM, answer)
    try:
        _run(fresh, "ingest_sources", as_of="2018-01-01", sources=["orders"])
        assert signal.getsignal(signal.SIGTERM) is answer
    finally:
        signal.signal(signal.SIGTERM, before)


def test_only_the_sources_asked_for_are_loaded(fresh, stages):
    _run(fresh, "ingest_sources", as_of="2018-01-01", sources=["orders"])
    assert stages.calls == [("ingest", "orders")]


def test_each_model_is_trained_at_the_same_as_of_and_told_why(fresh, stages):
    run = _run(fresh, "train_models", as_of="2018-01-01")
    reason = {"trigger": "person", "detail": "manual run, in process"}
    assert stages.calls == [("train", name, AS_OF, False, reason) for name in ("churn", "clv")]
    assert [result["name"] for result in run.results["train"]] == ["churn", "clv"]
    assert _events("champions")[-1] == {"as_of": AS_OF}


def test_each_proposed_model_is_settled_as_a_person_answers(fresh, stages, monkeypatch):
    stages.proposals = [{"name": n, "version": "2", "subject": n, "body": "{{ b"} for n in ("churn", "clv", "offer")]
    answer_approvals(monkeypatch, {"churn": ("Approve", "ada"), "clv": ("Reject", "ada"), "offer": ("Reject", None)})
    run = _run(fresh, "train_models", as_of="2018-01-01", approval=True)
    assert [call[3] for call in stages.calls if call[0] == "train"] == [True, True]
    assert [call for call in stages.calls if call[0] == "answer"] == [
        ("answer", "churn", "2", True, "ada", "seen both"),
        ("answer", "clv", "2", False, "ada", "seen both"),
        ("answer", "offer", "2", False, "nobody in time", ""),
    ]
    assert (run.failure, "champions" in run.published) == ("", True)


def test_a_model_that_is_refused_makes_the_run_red_and_holds_up_none_of_the_others(fresh, stages):
    stages.refused = "churn"
    run = _run(fresh, "train_models", as_of="2018-01-01")
    assert run.failure == "DAG train_models failed. Task train[churn]: NotEnoughData: churn: too few"
    assert [result["name"] for result in run.results["train"]] == ["clv"]
    assert "champions" in run.published


def test_a_rollback_goes_to_the_version_asked_for_and_is_announced(fresh, stages):
    run = _run(fresh, "roll_back_model", as_of="2018-01-01", model="churn", reason="it does harm", version="2")
    assert stages.calls == [("roll back", "churn", "2", "it does harm", "dag_test")]
    assert run.published == {"champions"}


def test_training_is_asked_for_with_its_reasons(fresh, stages):
    stages.reasons = {"churn": {"trigger": "drift", "detail": "5 of 12"}}
    run = _run(fresh, "watch_drift", as_of="2018-01-01")
    evidence = (run.one("watch"), run.one("measure"))
    assert sorted(stages.calls[:2]) == [("drift", AS_OF), ("performance", AS_OF)]
    assert stages.calls[2] == ("weigh", AS_OF, *evidence)
    assert _events("retraining_wanted")[-1] == {"as_of": AS_OF, "reasons": stages.reasons}


def test_without_a_reason_nobody_is_asked_to_train(fresh, stages):
    before = len(_events("retraining_wanted"))
    _run(fresh, "watch_drift", as_of="2018-01-01")
    assert len(_events("retraining_wanted")) == before


def test_scoring_is_skipped_while_no_model_has_a_champion(fresh, stages):
    stages.missing = ["churn", "clv"]
    before = len(_events("customer_scores"))
    states = _states(fresh("score_customers"), run_conf={"as_of": "2018-01-01"})
    assert (states["choose"], states["score"], states["publish"]) == ("skipped", "skipped", "skipped")
    assert stages.calls == []
    assert len(_events("customer_scores")) == before


def test_a_model_without_a_champion_does_not_hold_up_the_others(fresh, stages):
    stages.missing = ["churn"]
    _run(fresh, "score_customers", as_of="2018-01-01")
    assert stages.calls == [("score", "clv", AS_OF), ("rank", AS_OF)]
    assert _events("customer_scores")[-1] == {"as_of": AS_OF}


def test_every_segment_is_pushed_and_the_sync_announced(fresh, stages):
    before = len(_events("sync_runs"))
    run = _run(fresh, "sync_segments", as_of="2018-01-01")
    assert stages.calls == [("sync", name, "hubspot", AS_OF, False) for name in ("browsers", "lapsed")]
    assert [result["confirmed"] for result in run.results["sync"]] == [6, 6]
    assert len(_events("sync_runs")) == before + 1


def test_a_dry_run_plans_and_announces_nothing(fresh, stages):
    before = len(_events("sync_runs"))
    _run(fresh, "sync_segments", as_of="2018-01-01", dry_run=True, approval=True, segments=["lapsed"])
    assert stages.calls == [("sync", "lapsed", "hubspot", AS_OF, True)]
    assert len(_events("sync_runs")) == before


def test_with_approval_the_plan_is_made_first_and_a_person_stands_between(fresh, stages):
    conf = {"as_of": "2018-01-01", "approval": True, "segments": ["lapsed"]}
    states = _states(fresh("sync_segments"), run_conf=conf, mark_success_pattern="approve")
    assert states["approve"] == "success"
    assert stages.calls == [("sync", "lapsed", "hubspot", AS_OF, dry_run) for dry_run in (True, False)]


def test_the_plan_that_a_person_sees_names_segment_platform_and_changes(fresh):
    from jinja2 import Environment

    class Instance:
        def xcom_pull(self, task_ids):
            counts = {"adds": 3, "updates": 2, "removes": 1}
            return [{"segment": "lapsed", "destination": task_ids, **counts}]

    body = Environment().from_string(fresh("sync_segments").get_task("approve").body).render(ti=Instance())
    assert body.splitlines()[2] == "| lapsed | preview | 3 | 2 | 1 |"


def test_the_last_two_stages_pass_the_as_of_on(fresh, stages):
    _run(fresh, "build_segments", as_of="2018-01-01", segments=["browsers"])
    _run(fresh, "measure_uplift", as_of="2018-01-01")
    assert stages.calls == [("segments", AS_OF, ["browsers"]), ("measure", AS_OF)]


def test_a_changed_segment_is_settled_as_a_person_answers_and_built_again(fresh, stages, monkeypatch):
    stages.proposals = [{"name": n, "version": "2", "subject": n, "body": "{{ b"} for n in ("near", "rich", "calm")]
    answer_approvals(monkeypatch, {"near": ("Approve", "ada"), "rich": ("Reject", "ada"), "calm": ("Reject", None)})
    run = _run(fresh, "build_segments", as_of="2018-01-01", approval=True)
    assert stages.calls == [
        ("segments", AS_OF, None),
        ("answer", "near", "2", True, "ada", "seen both"),
        ("answer", "rich", "2", False, "ada", "seen both"),
        ("answer", "calm", "2", False, "nobody in time", ""),
        ("again", AS_OF, ["near", "rich", "calm"], None),
    ]
    assert (run.failure, "segment_runs" in run.published) == ("", True)


def test_new_segments_are_backtested_before_they_are_built_where_a_run_asks_for_it(fresh, stages):
    run = _run(fresh, "build_segments", as_of="2018-01-01", segments=["near"], backtest=True)
    assert stages.calls == [("backtest", AS_OF, ["near"]), ("segments", AS_OF, ["near"])]
    stages.calls.clear()
    stages.refused = AS_OF  # whatever a backtest fails of, segments that are proven are built
    run = _run(fresh, "build_segments", as_of="2018-01-01", backtest=True)
    assert stages.calls == [("segments", AS_OF, None)]
    assert "segment_runs" in run.published


def test_what_one_run_was_asked_for_is_not_asked_of_the_next(fresh, stages):
    from orchestration.inprocess import run_dag

    dag = fresh("build_segments")
    for conf in ({"segments": ["near"], "accept_changes": True}, {}):
        run_dag(dag, {"as_of": "2018-01-01", **conf}, lambda _: None)
    assert [names for _, _, names in stages.calls] == [["near"], None]
    assert fresh("build_segments").params["accept_changes"] is False


def test_an_unattended_run_asks_nobody(fresh, stages):
    stages.proposals = [{"name": "near", "version": "2", "subject": "near", "body": ""}]
    run = _run(fresh, "build_segments", as_of="2018-01-01")
    assert stages.calls == [("segments", AS_OF, None)]
    assert (run.failure, "segment_runs" in run.published) == ("", True)


def test_a_segment_that_is_not_ready_fails_its_run_and_holds_up_no_other(fresh, stages):
    stages.halted = "browsers"
    run = _run(fresh, "build_segments", as_of="2018-01-01")
    assert run.failure == ("DAG build_segments failed. Task all_ready: FatalError: browsers is halted: too many")
    assert {"segment_members", "segment_runs"} <= run.published


def test_a_guard_that_trips_fails_the_run_is_told_and_holds_up_no_other_segment(fresh, stages, monkeypatch):
    stages.halted = "browsers"
    with web_hook() as inbox:
        monkeypatch.setenv("AUDIENCEFLOW_ALERT_WEBHOOK", inbox.address)
        settings.cache_clear()
        run = _run(fresh, "sync_segments", as_of="2018-01-01")
    (told,) = inbox.posts
    assert told["text"].startswith("sync_segments.sync failed\nGuardTripped: browsers: too many leave\n")
    assert told["run"].startswith("manual__")
    assert stages.calls == [("sync", "lapsed", "hubspot", AS_OF, False)]
    assert run.failure == (
        "DAG sync_segments failed. Task sync[browsers to hubspot]: GuardTripped: browsers: too many leave"
    )
    assert "sync_runs" in run.published


def test_a_person_who_has_read_why_may_override_a_guard(fresh, stages):
    stages.halted = "browsers"
    run = _run(fresh, "sync_segments", as_of="2018-01-01", override_guards=True)
    assert run.failure == ""
    assert [segment for _, segment, *_ in stages.calls] == ["browsers", "lapsed"]


def test_each_task_keeps_its_part_of_the_output_where_airflow_looks_for_its_log(fresh, stages, tmp_path):
    from airflow.configuration import conf

    from orchestration.inprocess import run_dag

    everything = tmp_path / "local.log"
    everything.write_text("before\n")

    def say(name):
        with everything.open("a") as log:
            log.write(f"{name} starts\n")

    run_dag(fresh("ingest_sources"), {"as_of": "2018-01-01"}, say, everything)
    folder = Path(conf.get("logging", "base_log_folder")) / "dag_id=ingest_sources"
    last = max(folder.iterdir(), key=lambda found: found.stat().st_mtime)
    kept = {str(path.relative_to(last)): path.read_text() for path in last.rglob("*.log")}
    assert kept["task_id=ingest/map_index=1/attempt=1.log"] == "ingest[orders] starts\n"
    assert kept["task_id=choose/attempt=1.log"] == "choose starts\n"


def test_a_failure_names_the_dag_the_task_and_the_error(fresh, stages):
    run = _run(fresh, "sync_segments", as_of="2018-01-01", segments=["lapse"])
    words = r"DAG sync_segments failed\. Task choose: ConfigError: .*no segment 'lapse'; did you mean lapsed"
    assert re.match(words, run.failure)
    assert stages.calls == []
    assert run.published == frozenset()
