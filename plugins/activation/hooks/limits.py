"""One rate limiter per platform account, shared by every process of this machine.

The count of recent requests lives in a SQLite file under `AUDIENCEFLOW_HOME`, so that N workers together
stay below the account's limit instead of each on its own.
"""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from pyrate_limiter import Limiter, Rate, SingleBucketFactory, SQLiteBucket


class AccountLimiter:
    """Waits until the account has a request to spare."""

    def __init__(self, path: Path, requests: int, seconds: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._bucket = SQLiteBucket.init_from_file(
            [Rate(requests, int(seconds * 1000))], db_path=str(path), use_file_lock=True
        )
        self._bucket.leak(int(time.time() * 1000))
        # No background thread: old rows are dropped when a limiter opens, and never number many.
        self._limiter = Limiter(SingleBucketFactory(self._bucket, schedule_leak=False))

    def wait(self) -> None:
        """Return once a request may be made, and count it."""
        self._limiter.try_acquire("request")

    def try_now(self) -> bool:
        """Count a request and return True if one may be made at once."""
        return bool(self._limiter.try_acquire("request", blocking=False))


@lru_cache(maxsize=16)
def account_limiter(folder: Path, base_url: str, token: str, requests: int, seconds: float) -> AccountLimiter:
    """Return the limiter of the account behind an address and a token; the file's name shows neither.

    The port does not count: a sandbox takes a new one each time.
    """
    account = hashlib.sha256(f"{urlsplit(base_url).hostname}|{token}".encode()).hexdigest()[:16]
    return AccountLimiter(folder / f"{account}.sqlite", requests, seconds)
