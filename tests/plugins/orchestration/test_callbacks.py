"""A failure is told to those who asked to hear of it."""

import logging
from types import SimpleNamespace

from ml.settings import settings
from orchestration.callbacks import alert_on_failure
from tests.ml.mailserver import web_hook

CONTEXT = {
    "ti": SimpleNamespace(dag_id="build_features", task_id="build", run_id="r1", log_url="http://localhost/log"),
    "exception": ValueError("no such column"),
}


def test_a_failure_is_told_with_what_failed_where_and_why(home, monkeypatch, caplog):
    with web_hook() as inbox, caplog.at_level(logging.ERROR):
        monkeypatch.setenv("AUDIENCEFLOW_ALERT_WEBHOOK", inbox.address)
        settings.cache_clear()
        alert_on_failure(CONTEXT)
    (told,) = inbox.posts
    assert told["text"].splitlines()[:2] == ["build_features.build failed", "ValueError: no such column"]
    assert (told["run"], told["log"]) == ("r1", "http://localhost/log")
    assert "ValueError: no such column" in caplog.text


def test_a_failure_without_an_error_still_says_what_is_known(home, caplog):
    alert_on_failure({"reason": "task_timeout"})
    assert caplog.messages == ["?.? failed\ntask_timeout\ndag: ?\ntask: ?\nrun: ?"]
