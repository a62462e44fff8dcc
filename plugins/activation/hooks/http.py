"""HTTP to one account of one platform: limit, retry, and every failure as an error that says what to do."""

from __future__ import annotations

import email.utils
import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import stamina

from ml.errors import FatalError, RetriableError
from ml.masking import mask

log = logging.getLogger(__name__)

ATTEMPTS = 5
LONGEST_WAIT = 60.0
"""Seconds that a request waits within its task; asked to wait longer, it leaves the waiting to the scheduler."""
_jitter = random.SystemRandom()


@dataclass(frozen=True)
class Answer:
    """A platform's answer that it is up to the hook to read: any 2xx, or a refusal (400, 404, 409, 413, 422)."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the platform took the request as a whole."""
        return self.status < 300

    @property
    def message(self) -> str:
        """What the platform says is wrong, addresses masked."""
        return mask(str(self.body.get("message") or f"status {self.status} without a message"))


REFUSALS = frozenset({400, 404, 409, 413, 422})


@dataclass(frozen=True)
class Account:
    """Where a platform is and how a person mends its credentials."""

    platform: str
    base_url: str
    headers: Mapping[str, str]
    credentials: str


class JsonClient:
    """Sends JSON and gives back `Answer`s.

    Raises `FatalError` on 401, 403 and anything unexpected, `RetriableError` when the platform stays silent,
    overloaded or incomprehensible after `ATTEMPTS` tries with growing, jittered waits.
    """

    def __init__(
        self,
        account: Account,
        wait_for_turn: Callable[[], None],
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._account = account
        self._wait_for_turn = wait_for_turn
        self._http = httpx.Client(
            base_url=account.base_url, headers=dict(account.headers), timeout=timeout, transport=transport
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request, again if need be: use it only for what may be done twice."""
        retries = stamina.retry_context(
            on=backoff,
            attempts=ATTEMPTS,
            timeout=300.0,
            wait_initial=0.5,
            wait_max=20.0,
            wait_jitter=1.0,
        )
        for attempt in retries:
            with attempt:
                return self._once(method, path, body)
        raise RetriableError(f"{self._account.platform}: no attempt was made at {method} {path}")

    def _once(self, method: str, path: str, body: Any) -> Answer:
        self._wait_for_turn()
        started = time.perf_counter()
        try:
            response = self._http.request(method, path, json=body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise FatalError(f"{self._account.platform}: the address is wrong: {error}. {self._mend()}") from error
        except httpx.HTTPError as error:
            what = f"{type(error).__name__} at {method} {path}"
            raise RetriableError(f"{self._account.platform} did not answer: {what}") from error
        log.debug("%s %s: %s in %.3f s", method, path, response.status_code, time.perf_counter() - started)
        return self._read(response, f"{method} {path}")

    def _read(self, response: httpx.Response, where: str) -> Answer:
        status, platform = response.status_code, self._account.platform
        if status in (401, 403):
            raise FatalError(f"{platform} refused us ({status}) at {where}: {_said(response)}. {self._mend()}")
        if status in (408, 429, 477) or status >= 500:
            message = f"{platform} is busy or broken ({status}) at {where}: {_said(response)}"
            raise RetriableError(message, retry_after(response.headers.get("retry-after")))
        if response.is_success or status in REFUSALS:
            return Answer(status, self._json(response, where))
        raise FatalError(f"{platform} answered {status} at {where}, which no contract names. {self._mend()}")

    def _json(self, response: httpx.Response, where: str) -> dict[str, Any]:
        if response.status_code == 204:
            return {}
        try:
            body = response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            body = None
        if not isinstance(body, dict):
            raise RetriableError(
                f"{self._account.platform} answered {response.status_code} at {where} with what is not its JSON: "
                f"{_said(response)}. Is {self._account.base_url} the platform itself, or a login page or a proxy?"
            )
        return body

    def _mend(self) -> str:
        return f"Look at {self._account.credentials}"


def backoff(error: Exception) -> bool | float:
    """Say whether to try again, and after how many seconds when the platform asked for some."""
    if not isinstance(error, RetriableError):
        return False
    asked = error.retry_after
    if asked is None:
        return True
    return asked + _jitter.uniform(0.0, 0.5) if asked <= LONGEST_WAIT else False


def retry_after(header: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Read a `Retry-After` header, seconds or an HTTP date; None when there is none or it is nonsense."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - now())
    except ValueError:
        return None


def _said(response: httpx.Response) -> str:
    """Return the platform's own message, or the beginning of what it sent, addresses masked."""
    text = response.text.strip()
    try:
        body = json.loads(text)
        text = str(body.get("message") or text) if isinstance(body, dict) else text
    except json.JSONDecodeError:
        pass
    return mask(" ".join(text.split()))[:200] or "(nothing)"
