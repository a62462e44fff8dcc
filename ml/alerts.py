"""Alerts: to the log always, and to a web hook and by e-mail where the settings name them.

The standard library sends them: two transports are a page of code, and a library of a hundred chat services would
stand in every worker for it.
"""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import make_msgid
from http.client import HTTPException, InvalidURL
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import stamina

from ml.errors import ConfigError
from ml.masking import mask
from ml.settings import settings, variable_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

ATTEMPTS = 3
SECONDS = 5.0  # for connecting, and for each answer
LONGEST = 2_000  # characters of a text; the log and the tables hold the rest
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class Alert:
    """What is told: one line, a text, and facts by name. Addresses of people are masked in all of it."""

    subject: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        facts = (f"{name}: {value}" for name, value in self.facts.items() if value)
        return "\n".join([self.subject, *filter(None, [self.text]), *facts])


def alert(subject: str, text: str = "", *, level: int = logging.WARNING, **facts: str) -> dict[str, bool]:
    """Tell those who want to hear of it; never raises, and takes seconds at most when nobody answers.

    Args:
        subject: what happened, in one line.
        text: why, and what to do about it.
        level: of the line in the log.
        facts: what else a reader needs, by name (`dag`, `run`, `log`).

    Returns:
        by configured place (`web hook`, `e-mail`) whether it took the alert.
    """
    told = Alert(" ".join(mask(subject).split()), _shortened(mask(text)), {k: mask(v) for k, v in facts.items()})
    log.log(level, "%s", told)
    return {place: _delivered(place, send, told) for place, send in _places()}


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _places() -> Iterator[tuple[str, Callable[[Alert], None]]]:
    try:
        found = settings()
    except ConfigError:
        log.exception("No alert leaves the log while the environment is wrong")
        return
    if found.alert_webhook:
        yield "web hook", post
    if found.alert_email:
        yield "e-mail", mail


def _delivered(place: str, send: Callable[[Alert], None], told: Alert) -> bool:
    try:
        for attempt in stamina.retry_context(on=may_pass, attempts=ATTEMPTS, wait_initial=0.5, wait_max=2.0):
            with attempt:
                send(told)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide what the alert is about
        log.error("The alert %r did not reach the %s: %s", told.subject, place, _reason(error))  # noqa: TRY400
        return False
    return True


def _reason(error: Exception) -> str:
    """Say what went wrong, without the address: it may hold a password or a token."""
    return str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {mask(str(error))}"


def may_pass(error: Exception) -> bool:
    """Return whether the same alert may be taken a moment later."""
    if isinstance(error, HTTPError):
        return error.code in {408, 425, 429} or error.code >= 500
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected)
    return isinstance(error, OSError | HTTPException) and not isinstance(error, ssl.SSLCertVerificationError)


class _NoRedirect(HTTPRedirectHandler):
    """A followed redirect turns the POST into a GET, and the alert would be lost with a 200."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse; urllib raises `HTTPError`."""


def post(told: Alert) -> None:
    """POST the alert as JSON; chat tools show its `text`. Raises what urllib does, or `ConfigError`."""
    body = json.dumps({"text": str(told), "subject": told.subject, **told.facts}).encode()
    try:
        scheme = urlsplit(settings().alert_webhook).scheme
        request = Request(settings().alert_webhook, body, {"content-type": "application/json"})  # noqa: S310 - checked
        if scheme in {"http", "https"}:
            build_opener(_NoRedirect).open(request, timeout=SECONDS).close()
    except (InvalidURL, ValueError):
        scheme = ""
    if scheme not in {"http", "https"}:
        raise ConfigError(f"{variable_name('alert_webhook')} must be an http:// or https:// address")


def mail(told: Alert) -> None:
    """Send the alert as plain text over `alert_smtp`. Raises what smtplib does, or `ConfigError`."""
    message = EmailMessage()
    message["Subject"] = f"Audienceflow: {told.subject}"
    message["From"], message["To"] = settings().alert_sender, settings().alert_email
    message["Message-ID"] = make_msgid(domain="audienceflow")
    message.set_content(f"{told}\n")
    with _Mailbox.of(settings().alert_smtp).connect() as server:
        if refused := server.send_message(message):
            log.error("The mail server refused %d of the addresses of %s", len(refused), variable_name("alert_email"))


@dataclass(frozen=True)
class _Mailbox:
    """Where mail is handed in. With a user the connection is encrypted and the server's certificate checked."""

    host: str
    port: int
    is_tls: bool
    user: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, address: str) -> Self:
        """Read `smtp://user:password@host:587`. Raises `ConfigError`, which does not show the address."""
        try:
            found = urlsplit(address)
            port, host = found.port or _PORTS[found.scheme], found.hostname or ""
        except (ValueError, KeyError):
            host = ""
        if not host:
            form = "smtp://user:password@host:587 or smtps://user:password@host:465, both parts %-encoded"
            raise ConfigError(f"{variable_name('alert_smtp')} must look like {form}")
        return cls(host, port, found.scheme == "smtps", unquote(found.username or ""), unquote(found.password or ""))

    def connect(self) -> smtplib.SMTP:
        """Open the connection and log in."""
        if self.is_tls:
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        try:
            self._log_in(server)
        except BaseException:
            server.close()
            raise
        return server

    def _log_in(self, server: smtplib.SMTP) -> None:
        if self.user and not self.is_tls:
            server.starttls(context=ssl.create_default_context())
        if self.user:
            server.login(self.user, self.password)
