"""A quick look at whether MLflow's store can answer at all: its own retries take minutes to give up."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from ml.errors import RegistryUnavailable

TIMEOUT = 10  # seconds
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT),
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""What keeps MLflow quiet, quick to give up, and to itself."""


def sqlite_file(uri: str) -> Path | None:
    """Return the file behind a `sqlite:///` address, else None."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def probe(uri: str) -> None:
    """Raise `RegistryUnavailable` when a SQL store cannot be opened; a server over HTTP is asked by MLflow itself."""
    path = sqlite_file(uri)
    try:
        if path is not None:
            _open_file(path)
        elif "://" in uri and not uri.startswith(("http", "file")):
            _open_port(make_url(uri))
    except (OSError, sqlite3.Error) as error:
        raise RegistryUnavailable(
            f"MLflow's store {shown(uri)} cannot be opened: {error}. Start it, or set MLFLOW_TRACKING_URI."
        ) from error


def shown(uri: str) -> str:
    """Return an address without its password."""
    return make_url(uri).render_as_string(hide_password=True) if "://" in uri else uri


def unavailable(uri: str, what: str, error: Exception) -> RegistryUnavailable:
    """Return the error that says what could not be done with MLflow, and what to do."""
    return RegistryUnavailable(
        f"MLflow at {shown(uri)} failed while {what}: {error}. Start it, or set MLFLOW_TRACKING_URI."
    )


def _open_file(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=TIMEOUT)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()


def _open_port(url: URL) -> None:
    ports = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
    port = url.port or ports.get(url.get_backend_name())
    if url.host and port:
        socket.create_connection((url.host, port), timeout=TIMEOUT).close()
