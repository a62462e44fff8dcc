"""The engines behind `WAREHOUSE_URL`: short sessions that run statements and move Arrow in and out.

A session is one connection and one transaction: leaving it commits, an error rolls back. DuckDB keeps a
lock on its file while any connection is open, in any process; so connections are never pooled,
and a busy file is waited for with jitter. PostgreSQL speaks Arrow through ADBC.
"""

from __future__ import annotations

import atexit
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import pyarrow as pa
import sqlalchemy as sa
import stamina
from sqlalchemy.pool import NullPool

from ml.errors import AudienceflowError, ConfigError, WarehouseAway, WarehouseBusy, WarehouseError
from ml.settings import settings
from ml.sql import Dialect

AWAY_STATES = ("08", "57P01", "57P02", "57P03", "53300", "40001", "40P01")
"""SQLSTATEs of what may pass: no connection, a server that stops or starts, too many clients, a lost race."""

AWAY = re.compile(
    "Connection refused|[Tt]imed out|timeout expired|No route to host|Network is unreachable|Connection reset"
    "|could not translate host name|No such file or directory\n\tIs the server running"
    "|server closed the connection|terminating connection|is starting up|is shutting down|in recovery mode"
    "|too many clients|connection slots"
)
"""libpq says the same without a state where it has no connection (any longer)."""


class Session(Protocol):
    """One transaction on the warehouse."""

    def execute(self, statement: str) -> None:
        """Run one statement."""

    def arrow(self, query: str) -> pa.Table:
        """Return a query's rows."""

    def append(self, name: str, rows: pa.Table) -> None:
        """Append rows to a table by column name."""

    def temporary(self, name: str, rows: pa.Table) -> None:
        """Make `rows` readable as a temporary table for the rest of the session."""

    def materialise(self, name: str, query: str) -> None:
        """Keep a query's rows as a temporary table for the rest of the session."""

    def lock(self, name: str) -> None:
        """Keep other writers off a table until the session ends."""


class Engine(Protocol):
    """An engine opens sessions; its SQLAlchemy engine compiles and describes."""

    dialect: Dialect
    sqlalchemy: sa.Engine

    def session(self) -> Any:
        """Return a context manager that gives a `Session`."""

    def held(self) -> AbstractContextManager[None]:
        """Make the sessions within quick to begin, where that is dear; each still commits by itself."""


def connect(url: str) -> Engine:
    """Return the engine for a SQLAlchemy URL. Raises `ConfigError` for an engine that is not supported."""
    try:
        backend = sa.make_url(url).get_backend_name()
    except sa.exc.ArgumentError as error:
        raise ConfigError("WAREHOUSE_URL is no address: write one such as duckdb:////path/to/file") from error
    if backend == "duckdb":
        return DuckDb(url)
    if backend == "postgresql":
        return Postgres(url)
    raise ConfigError(f"WAREHOUSE_URL names {backend!r}: use duckdb:///path/to/file or postgresql://user@host/name")


class DuckDb:
    """The embedded default: one file, one writer at a time."""

    dialect: Dialect = "duckdb"

    def __init__(self, url: str) -> None:
        self.path = Path(sa.make_url(url).database or "")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._was_there = False
        config = {"threads": settings().threads, "memory_limit": settings().memory_limit}
        self.sqlalchemy = sa.create_engine(url, poolclass=NullPool, connect_args={"config": config})

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open the file, waiting while another process holds it; commit on leaving.

        Raises `WarehouseError` when the file is gone by then: DuckDB itself goes on writing what nobody can open.
        """
        with self._opened() as connection, _named_errors(self.path.name), connection.begin():
            yield _DuckDbSession(connection)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open, and from other processes: DuckDB takes longer to open it than most statements to run."""
        with self._opened():
            yield

    @contextmanager
    def _opened(self) -> Iterator[sa.Connection]:
        self._check_still_there()
        connection = self._open()
        self._was_there = True
        try:
            yield connection
        finally:
            connection.close()
        self._check_still_there()

    def _check_still_there(self) -> None:
        if self._was_there and not self.path.exists():
            raise WarehouseError(
                f"The warehouse {self.path} is gone: somebody removed the file while it was in use. Put it back, or "
                "start again from ingest_sources"
            )

    def _open(self) -> sa.Connection:
        waits = stamina.retry_context(
            on=WarehouseBusy,
            attempts=None,
            timeout=settings().lock_timeout,
            wait_initial=0.02,
            wait_max=1.0,
            wait_jitter=0.1,
        )
        for attempt in waits:
            with attempt:
                return self._connect()
        raise WarehouseBusy(f"{self.path} is held by another process")

    def _connect(self) -> sa.Connection:
        try:
            return self.sqlalchemy.connect()
        except sa.exc.DBAPIError as error:
            reason = str(error.orig)
            if "set lock" in reason:
                holder = reason.split("See also", maxsplit=1)[0].strip()
                raise WarehouseBusy(
                    f"The warehouse {self.path} is held by another process: {holder} "
                    "Close that program, or set AUDIENCEFLOW_LOCK_TIMEOUT to wait longer."
                ) from error
            raise WarehouseError(f"The warehouse {self.path} cannot be opened: {reason}") from error


class _DuckDbSession:
    def __init__(self, connection: sa.Connection) -> None:
        self._sqlalchemy = connection
        # Arrow needs the driver's own connection, which the dialect keeps inside its wrapper.
        self._driver: Any = connection.connection.driver_connection.__dict__["_ConnectionWrapper__c"]
        # A connection's own setting: as a setting of the file it would refuse a second session of this process.
        self._driver.execute("SET enable_progress_bar = false")
        # Merging part-filled row groups at each checkpoint costs a tenth of a feature build and saves no space.
        self._driver.execute("SET max_vacuum_tasks = 0")

    def execute(self, statement: str) -> None:
        self._sqlalchemy.exec_driver_sql(statement)

    def arrow(self, query: str) -> pa.Table:
        return self._driver.sql(query).to_arrow_table()

    def append(self, name: str, rows: pa.Table) -> None:
        self._driver.register("arrow_rows", rows)
        columns = ", ".join(rows.column_names)
        self.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM arrow_rows")
        self._driver.unregister("arrow_rows")

    def temporary(self, name: str, rows: pa.Table) -> None:
        self._driver.register(name, rows)

    def materialise(self, name: str, query: str) -> None:
        self.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    def lock(self, name: str) -> None:
        """DuckDB's file lock is enough."""


class Postgres:
    """The team default."""

    dialect: Dialect = "postgres"

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url).set(drivername="postgresql")
        self.sqlalchemy = sa.create_engine(self.url.set(drivername="postgresql+psycopg"), poolclass=NullPool)

    def held(self) -> AbstractContextManager[None]:
        """Hold nothing: a connection is quick to make, and an idle one may be cut off."""
        return nullcontext()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Connect through ADBC; commit on leaving."""
        from adbc_driver_manager import Error

        place = self.url.render_as_string(hide_password=True)
        with _named_errors(place, Error):
            connection = _server.connect(self.url.render_as_string(hide_password=False))
            try:
                yield _PostgresSession(connection)
                connection.commit()
            finally:
                connection.close()


@dataclass
class _Server:
    """The server that this process last connected to: its types are read once, which takes ten times a connection."""

    url: str = ""
    first: Any = None
    lock: Lock = field(default_factory=Lock)

    def connect(self, url: str) -> Any:
        """Return a connection of its own."""
        from adbc_driver_postgresql import dbapi

        with self.lock:
            if url != self.url:
                found = dbapi.connect(url)
                self.close()
                self.url, self.first = url, found
            return self.first.adbc_clone()

    def close(self) -> None:
        """Forget the server."""
        if self.first is not None:
            self.first.close()
        self.url, self.first = "", None


_server = _Server()
atexit.register(_server.close)


class _PostgresSession:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def arrow(self, query: str) -> pa.Table:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def append(self, name: str, rows: pa.Table) -> None:
        self._ingest(name, rows, mode="append")

    def temporary(self, name: str, rows: pa.Table) -> None:
        self.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
        self._ingest(name, rows, mode="create", temporary=True)

    def materialise(self, name: str, query: str) -> None:
        self.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
        self.execute(f"CREATE TEMP TABLE {name} AS {query}")

    def lock(self, name: str) -> None:
        self.execute(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")

    def _ingest(self, name: str, rows: pa.Table, **options: Any) -> None:
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(name, rows, **options)


@contextmanager
def _named_errors(place: str, *driver_errors: type[Exception]) -> Iterator[None]:
    """Turn a driver's errors into the project's, with the place in the message."""
    import duckdb

    try:
        yield
    except driver_errors as error:
        raise _named(place, error) from error
    except (sa.exc.DBAPIError, duckdb.Error) as error:
        raise WarehouseError(f"The warehouse {place} refused: {getattr(error, 'orig', None) or error}") from error


def _named(place: str, error: Exception) -> AudienceflowError:
    """Tell a server that is away, which may come back, from one that refuses."""
    state = getattr(error, "sqlstate", None)
    is_away = state.startswith(AWAY_STATES) if state else AWAY.search(str(error))
    if is_away:
        return WarehouseAway(f"The warehouse {place} does not answer: {error}")
    return WarehouseError(f"The warehouse {place} refused: {error}")
