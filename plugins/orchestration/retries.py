"""When a failed task is tried again: the error's class decides, and the wait grows with jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from ml.errors import AudienceflowError, RetriableError

MISTAKES = (TypeError, ValueError, LookupError, AttributeError, NameError, ArithmeticError, AssertionError, ImportError)
"""What a mistake in code or data raises; the same call makes the same mistake."""


@dataclass(frozen=True)
class RetryByError(RetryPolicy):
    """Try again what may succeed later, and nothing else.

    `RetriableError` and errors of strangers (a killed database, a lost network) are tried again after
    `base * 2 ** (try - 1)` seconds with full jitter above half of it, at most `most`, and never sooner than the
    other side's `retry_after`. Every other error of the project and every mistake fails at once: waiting mends no
    YAML file and no code.
    """

    base: float = 20.0
    most: float = 900.0

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,  # noqa: ARG002 - Airflow caps the tries itself
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Return what to do after try `try_number` (from 1)."""
        if isinstance(exception, (AudienceflowError, *MISTAKES)) and not isinstance(exception, RetriableError):
            return RetryDecision.fail(f"{type(exception).__name__}: trying again does not help")
        asked = getattr(exception, "retry_after", None) or 0.0
        delay = max(asked, self.delay(try_number))
        return RetryDecision.retry(timedelta(seconds=delay), f"{type(exception).__name__} may pass")

    def delay(self, try_number: int) -> float:
        """Return the seconds to wait after try `try_number`."""
        ceiling = min(self.most, self.base * 2 ** (max(try_number, 1) - 1))
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads retries, guards no secret

    def serialize(self) -> dict[str, Any]:
        """Return the policy for Airflow's stored DAG."""
        return {"__type": type(self).__name__, "base": self.base, "most": self.most}
