"""A failure is told to those who asked to hear of it."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from ml.settings import settings
from orchestration import callbacks

CONTEXT = {
    "ti": SimpleNamespace(dag_id="build_features", task_id="build", run_id="r1", log_url="http://localhost/log"),
    "exception": ValueError("no such column"),
}


@pytest.fixture
def inbox():
    """A web hook's address and what arrived there."""
    received = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", received
    server.shutdown()
    server.server_close()


def _alerting(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"AUDIENCEFLOW_ALERT_{name}", value)
    settings.cache_clear()


def test_the_web_hook_hears_what_failed_where_and_why(home, monkeypatch, inbox):
    address, received = inbox
    _alerting(monkeypatch, WEBHOOK=address)
    callbacks.alert_on_failure(CONTEXT)
    assert received[0]["text"] == "build_features.build failed: ValueError: no such column"
    assert received[0]["log"] == "http://localhost/log"


def test_an_alert_that_cannot_be_delivered_does_not_hide_the_failure(home, monkeypatch, caplog):
    _alerting(monkeypatch, WEBHOOK="http://127.0.0.1:9/")
    with caplog.at_level(logging.ERROR):
        callbacks.alert_on_failure(CONTEXT)
    assert "build_features.build failed in run r1: ValueError: no such column" in caplog.text
    assert "could not be delivered" in caplog.text


def test_the_e_mail_goes_to_the_address_of_the_settings(home, monkeypatch):
    sent = []
    monkeypatch.setattr(callbacks, "mail", lambda address, alert: sent.append((address, alert["task"])))
    _alerting(monkeypatch, EMAIL="ops@example.com")
    callbacks.alert_on_failure(CONTEXT)
    assert sent == [("ops@example.com", "build")]
