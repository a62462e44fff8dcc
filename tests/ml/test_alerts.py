"""Alerts reach the log, a web hook and a mailbox; whoever does not take them never fails the caller."""

from __future__ import annotations

import logging
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
import stamina
from typer.testing import CliRunner

from ml import alerts
from ml.alerts import alert, may_pass
from ml.cli import app
from ml.settings import settings
from tests.ml.mailserver import Inbox, certificate, mail_server, web_hook


@pytest.fixture(autouse=True)
def at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Try as often as in earnest, without the waits."""
    monkeypatch.setattr(alerts, "SECONDS", 0.2)
    stamina.set_testing(True, attempts=alerts.ATTEMPTS)
    yield
    stamina.set_testing(False)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with web_hook() as inbox:
        _set(monkeypatch, webhook=inbox.address)
        yield inbox


@pytest.fixture
def postbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with mail_server() as inbox:
        _set(monkeypatch, smtp=inbox.address, email="ops@example.com, ml@example.com", sender="af@example.com")
        yield inbox


def _set(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"AUDIENCEFLOW_ALERT_{name.upper()}", value)
    settings.cache_clear()


def test_with_nothing_set_an_alert_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture):
    assert alert("Drift", "churn_28d moved", model="churn_28d") == {}
    assert caplog.messages == ["Drift\nchurn_28d moved\nmodel: churn_28d"]


def test_the_web_hook_gets_subject_text_and_facts(hook: Inbox):
    assert alert("Drift", "5 of 12", model="churn_28d") == {"web hook": True}
    assert hook.posts == [{"text": "Drift\n5 of 12\nmodel: churn_28d", "subject": "Drift", "model": "churn_28d"}]


def test_the_mail_goes_to_every_address(postbox: Inbox):
    assert alert("Drift\nof much", "5 of 12 – more") == {"e-mail": True}
    (mail,) = postbox.mails
    assert mail["subject"] == "Audienceflow: Drift of much"
    assert (mail["from"], mail["to"]) == ("af@example.com", "ops@example.com, ml@example.com")
    assert mail.get_content().splitlines() == ["Drift of much", "5 of 12 – more"]
    assert postbox.heard.count("RCPT") == 2


def test_no_address_of_a_person_leaves(hook: Inbox, caplog: pytest.LogCaptureFixture):
    alert("ann@example.com failed", "row of ann@example.com", row="ann@example.com")
    assert "ann@" not in caplog.text
    assert "ann@" not in str(hook.posts)
    assert "a***@example.com" in hook.posts[0]["text"]


def test_a_long_text_is_cut(hook: Inbox):
    alert("Long", "x" * 10_000)
    assert len(hook.posts[0]["text"]) < 2_100


def test_a_person_may_try_whether_alerts_arrive(hook: Inbox, postbox: Inbox):
    hook.answers = [404]
    found = CliRunner().invoke(app, ["test-alert"])
    assert (found.exit_code, found.output) == (1, "web hook: not sent, see above\ne-mail: sent\n")
    assert postbox.mails[0]["subject"] == "Audienceflow: A test"


@pytest.mark.parametrize("answers", [[500], [429, 503]])
def test_a_web_hook_that_stumbles_is_asked_again(hook: Inbox, answers: list[int | str]):
    hook.answers = answers
    assert alert("Drift") == {"web hook": True}
    assert len(hook.posts) == 1


@pytest.mark.parametrize(("answers", "asked"), [([500] * 9, 3), (["hang"] * 9, 3), ([404] * 9, 1), ([302] * 9, 1)])
def test_a_web_hook_that_never_takes_it_is_given_up(
    hook: Inbox, answers: list[int | str], asked: int, caplog: pytest.LogCaptureFixture
):
    hook.answers, began = answers, time.monotonic()
    assert alert("Drift") == {"web hook": False}
    assert hook.heard == ["POST"] * asked
    assert time.monotonic() - began < 5
    assert "The alert 'Drift' did not reach the web hook" in caplog.text


@pytest.mark.parametrize(("answer", "asked", "taken"), [(451, 2, True), ("hang", 2, True), (554, 1, False)])
def test_a_mail_server_is_asked_again_when_it_says_later(postbox: Inbox, answer: int | str, asked: int, taken: bool):
    postbox.answers = [answer]
    assert alert("Drift") == {"e-mail": taken}
    assert (postbox.heard.count("DATA"), len(postbox.mails)) == (asked, int(taken))


def test_one_place_that_fails_does_not_keep_it_from_the_other(hook: Inbox, postbox: Inbox):
    hook.answers = [404]
    assert alert("Drift") == {"web hook": False, "e-mail": True}


def test_a_password_travels_encrypted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    context, trusted = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with mail_server(context) as inbox:
        address = inbox.address.replace("://", "://user:pa%2Fss@")
        _set(monkeypatch, smtp=address, email="ops@example.com")
        assert alert("Drift") == {"e-mail": True}
    assert [word for word in inbox.heard if word in {"STARTTLS", "AUTH", "DATA"}] == ["STARTTLS", "AUTH", "DATA"]


def test_a_password_never_goes_to_a_server_that_cannot_encrypt(postbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    _set(monkeypatch, smtp=postbox.address.replace("://", "://user:secret@"))
    assert alert("Drift") == {"e-mail": False}
    assert "AUTH" not in postbox.heard


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook": "hooks.example.com/secret"},
        {"webhook": "http://127.0.0.1:9/se cret"},
        {"smtp": "mail.example.com:secret", "email": "ops@example.com"},
        {"smtp": "smtp://user:sec/ret@127.0.0.1:9", "email": "ops@example.com"},
    ],
)
def test_a_wrong_address_is_named_by_its_setting_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: dict[str, str]
):
    _set(monkeypatch, **wrong)
    assert set(alert("Drift").values()) == {False}
    assert "AUDIENCEFLOW_ALERT_" in caplog.text
    assert not [part for part in ("secret", "se cret", "sec") if part in caplog.text]


def test_a_wrong_environment_does_not_keep_an_alert_from_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("AUDIENCEFLOW_THREADS", "none")
    settings.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert alert("Drift") == {}
    assert "Drift" in caplog.messages


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (HTTPError("", 503, "", None, None), True),
        (HTTPError("", 410, "", None, None), False),
        (smtplib.SMTPServerDisconnected(), True),
        (smtplib.SMTPAuthenticationError(535, b""), False),
        (smtplib.SMTPNotSupportedError(), False),
        (ConnectionResetError(), True),
        (KeyError(), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Exception, again: bool):
    assert may_pass(error) is again
