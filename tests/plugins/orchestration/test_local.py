"""What `make demo` and `make run` accept, refuse and leave behind."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from argparse import Namespace
from contextlib import nullcontext

import pandas as pd
import pytest
from rich.console import Console

from ml.errors import AudienceflowError, ConfigError
from ml.settings import settings
from ml.sql import table
from orchestration import local, summary
from orchestration.screen import Screen


def _screen():
    return Screen(Console(file=io.StringIO(), width=200))


def test_a_configuration_is_a_json_object():
    assert local._conf('{"dry_run": true}') == {"dry_run": True}
    assert local._conf("") == {}
    with pytest.raises(ConfigError, match="not JSON"):
        local._conf("dry_run=true")
    with pytest.raises(ConfigError, match="must be a JSON object"):
        local._conf("[1]")


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"dryrun": True}, "the run's parameters: sync_segments has no parameter 'dryrun'; did you mean dry_run?"),
        ({"dry_run": True, "Segments": []}, "no parameter 'Segments'; did you mean segments?"),
    ],
)
def test_a_misspelt_parameter_is_refused_before_anything_runs(home, monkeypatch, conf, message):
    """`{"dryrun": true}`, dropped in silence, would really send."""
    from airflow.sdk import DAG

    sent = []
    params = {"as_of": None, "dry_run": False, "segments": [], "approval": False}
    dags = {"sync_segments": DAG("sync_segments", schedule=None, params=params)}
    monkeypatch.setattr(local, "in_process", lambda _: nullcontext((dags, _screen())))
    monkeypatch.setattr("orchestration.chain.run_all", lambda *asked: sent.append(asked))
    asked = Namespace(dag="sync_segments", conf=json.dumps(conf))
    with pytest.raises(ConfigError, match=re.escape(message)):
        local.run(asked, Console())
    assert sent == []


def test_approval_is_refused_where_nobody_can_answer_and_off_unless_asked():
    with pytest.raises(ConfigError, match=r"asks for approval, but nobody can answer here: `make up`"):
        local._conf('{"approval": true}')
    assert local._conf('{"approval": true, "dry_run": true}')["approval"], "a dry run asks nobody"
    assert local.UNATTENDED == {"approval": False}


def test_a_demo_that_fails_leaves_no_summary_of_the_last_one(home, monkeypatch):
    from orchestration.inprocess import DagFailed

    def fail(*_):
        raise DagFailed("DAG ingest_sources failed")

    summary.write({"as_of": "2017-01-01"}, summary.summary_path())
    monkeypatch.setenv("AUDIENCEFLOW_AS_OF", "")
    monkeypatch.setenv("AUDIENCEFLOW_SEARCH_TRIALS", "1")
    monkeypatch.setattr(local, "in_process", lambda _: nullcontext(({}, _screen())))
    monkeypatch.setattr(local, "_write_raw_files", lambda _: None)
    monkeypatch.setattr("orchestration.chain.run_all", fail)
    with pytest.raises(DagFailed):
        local.demo(Namespace(as_of="2017-11-01"), Console())
    assert summary.read(summary.summary_path()) == {}


def test_a_second_run_over_the_same_home_is_refused_and_the_lock_ends_with_the_first(tmp_path):
    with (
        local.only_one(tmp_path),
        pytest.raises(AudienceflowError, match="Another run holds"),
        local.only_one(tmp_path),
    ):
        pass
    with local.only_one(tmp_path):
        pass


def test_while_the_services_run_nothing_else_writes_their_state(home, monkeypatch):
    import psutil

    from orchestration.processes import Service
    from orchestration.services import register

    register().add(Service("Airflow", os.getpid(), psutil.Process().create_time(), "http://127.0.0.1:8080"))
    with pytest.raises(AudienceflowError, match=r"Airflow runs at http://127\.0\.0\.1:8080.*make down"):
        local.refuse_beside_services()


def test_a_wrong_setting_is_said_in_words_and_not_by_a_traceback(home, monkeypatch, capsys):
    monkeypatch.setenv("AUDIENCEFLOW_THREADS", "zero")
    settings.cache_clear()
    assert local.main(["run", "build_features"]) == 2
    said = capsys.readouterr().err
    assert "AUDIENCEFLOW_THREADS" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_process_even_where_every_exception_is_caught(number, code):
    script = f"""
import os, signal
from rich.console import Console
from orchestration.local import _stop_at_once
_stop_at_once(Console())
try:
    os.kill(os.getpid(), {number:d})
    signal.pause()
except BaseException:
    print("caught")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert "Stopped. Start it again" in done.stdout
    assert "caught" not in done.stdout


def _sync(segment, as_of, started="2026-01-01", dry_run=False, status="done"):
    counts = dict.fromkeys(("adds", "updates", "removes", "confirmed", "failed", "terminal", "suppressed"), 0)
    times = {"as_of": as_of, "started_at": started, "ended_at": started}
    named = {
        "run_id": f"{segment} {started}",
        "destination": "hubspot",
        "segment": segment,
        "status": status,
        "suppressed_by": "{}",
    }
    moments = {name: pd.Timestamp(value) for name, value in times.items()}
    return dict.fromkeys(table("sync_runs").column_names) | counts | moments | named | {"dry_run": dry_run}


def test_a_moved_clock_is_no_reason_to_halt(duck):
    then, now = "2018-01-01T05:00:00+00:00", "2017-11-01T04:00:00+00:00"
    assert local._for_a_moved_clock(then, duck) == {}
    duck.write("sync_runs", pd.DataFrame([_sync("a", "2018-01-01T05:00"), _sync("b", "2017-06-01", dry_run=True)]))
    assert local._for_a_moved_clock(then, duck) == {}
    assert local._for_a_moved_clock(now, duck) == {"override_guards": True}
    duck.write("sync_runs", pd.DataFrame([_sync("a", "2017-11-01T04:00", "2026-01-02", status="halted")]))
    assert local._for_a_moved_clock(now, duck) == {"override_guards": True}
    duck.write("sync_runs", pd.DataFrame([_sync("a", "2017-11-01T04:00", "2026-01-03")]))
    assert local._for_a_moved_clock(now, duck) == {}


def test_the_sandbox_is_the_crm_unless_a_connection_is_set(home, monkeypatch):
    monkeypatch.delenv(local.CRM_CONNECTION, raising=False)
    with local.crm(_screen()):
        assert '"conn_type": "hubspot"' in os.environ[local.CRM_CONNECTION]
    assert local.CRM_CONNECTION not in os.environ
    monkeypatch.setenv(local.CRM_CONNECTION, "the real one")
    with local.crm(_screen()):
        assert os.environ[local.CRM_CONNECTION] == "the real one"
    assert os.environ[local.CRM_CONNECTION] == "the real one"
