"""`make up` and `make down`, as far as no server is needed to know."""

import json
import os
import stat
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ml.errors import AudienceflowError
from ml.settings import settings
from orchestration import services


@pytest.fixture
def health():
    """An address that answers as Airflow's health does; the dictionary may be changed."""
    parts = {part: {"status": "healthy"} for part in services.AIRFLOW_PARTS}

    class Health(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(parts).encode())

        def log_message(self, *arguments):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", parts
    server.shutdown()
    server.server_close()


def test_airflow_is_healthy_when_every_part_is(health):
    address, parts = health
    assert services.airflow_is_healthy(address)
    parts["triggerer"] = {"status": None}
    assert not services.airflow_is_healthy(address)
    parts["triggerer"] = None
    assert not services.airflow_is_healthy(address)
    assert not services.airflow_is_healthy("http://127.0.0.1:9")


def test_the_admin_s_password_is_made_once_for_its_owner_only(home):
    (home / "airflow").mkdir()
    word = services.password()
    assert len(word) >= 16
    assert services.password() == word
    path = home / "airflow" / "passwords.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"admin": word}


def test_down_may_be_called_at_any_time(home, capsys):
    assert services.main(["down"]) == 0
    assert "nothing was running" in capsys.readouterr().out


def test_clean_forgets_the_home_but_nothing_that_is_not_ours(tmp_path, monkeypatch, capsys):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, content in ((ours, "airflow"), (theirs, "thesis")):
        (folder / content).mkdir(parents=True)
        monkeypatch.setenv("AUDIENCEFLOW_HOME", str(folder))
        settings.cache_clear()
        services.main(["clean"])
    settings.cache_clear()
    assert not ours.exists()
    assert (theirs / "thesis").exists()
    assert "holds nothing that this project made" in capsys.readouterr().out


def test_clean_says_what_it_could_not_remove(home, monkeypatch, capsys):
    """And claims nothing."""
    (home / "airflow").mkdir()
    (home / "airflow" / "kept").touch()

    unlink = os.unlink

    def refuse(path, *arguments, **named):
        if str(path).endswith("kept"):
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, *arguments, **named)

    monkeypatch.setattr("os.unlink", refuse)
    assert services.main(["clean"]) == 1
    said = capsys.readouterr().out
    assert "could not be removed, the first" in said
    assert "Permission denied" in said
    assert "Forgot everything" not in said


def test_up_says_what_went_wrong_and_leaves_nothing_running(home, monkeypatch, capsys):
    def no_demo():
        raise AudienceflowError("The demo did not end well")

    monkeypatch.setattr(services, "_demo_first", no_demo)
    assert services.main(["up"]) == 1
    assert "The demo did not end well" in capsys.readouterr().out
    assert services.register().services() == []
