"""Read a query from any database that SQLAlchemy reaches, in batches of text, like a CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from ml.errors import RetriableError, SourceError
from ml.sources.files import Delivery, filled_in
from ml.sources.readers import Rows, door_sql, forget
from ml.sources.spec import Cursor, Source

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 50_000


def open_query(
    connection: duckdb.DuckDBPyConnection, name: str, source: Source, start: str | None
) -> tuple[Rows, Delivery]:
    """Read the query's rows from the cursor value `start` on into `raw`; return them and what identifies them.

    Raises `RetriableError` when the database does not answer or goes away, `SourceError` when it refuses the query.
    """
    forget(connection)
    with _database(name, source) as database, _named_errors(name):
        query = _Query(name, source, start)
        for batch in query.batches(database):
            rows = connection.from_arrow(batch)
            if connection.sql("SHOW TABLES").filter("name = 'door_rows'").fetchall():
                rows.insert_into("door_rows")
            else:
                rows.create("door_rows")
    connection.sql(door_sql("read_rows")).create_view("raw")
    content, size = connection.sql(door_sql("content")).fetchall()[0]
    place = f"query after {start or source.cursor.start}" if source.cursor else "query"
    delivery = Delivery(place, bytes=size, content_hash=content, cursor_value=query.cursor_value)
    return Rows.opened(connection), delivery


@dataclass
class _Query:
    name: str
    source: Source
    start: str | None
    highest: Any = None

    @property
    def cursor_value(self) -> str | None:
        """Where the next load starts."""
        if self.highest is None:
            return self.start
        return self.highest.isoformat() if isinstance(self.highest, datetime) else str(self.highest)

    def batches(self, database: sa.Connection) -> Iterator[pa.Table]:
        """Yield the rows as tables of text; the first one comes even when there is no row."""
        result = self._result(database)
        names = list(result.keys())
        cursor = self.source.cursor
        if cursor and cursor.column not in names:
            raise SourceError(f"Source {self.name}: the query returns no cursor column {cursor.column!r}, but {names}")
        yield pa.table({name: pa.array([], pa.string()) for name in names})
        for rows in result.partitions(BATCH_ROWS):
            columns = dict(zip(names, zip(*rows, strict=True), strict=True))
            if cursor:
                self._pass(columns[cursor.column])
            yield pa.table({name: _text(values) for name, values in columns.items()})

    def _result(self, database: sa.Connection) -> sa.CursorResult[Any]:
        cursor = self.source.cursor
        bound = {"cursor": _decoded(self.start or cursor.start, cursor)} if cursor else {}
        return database.execution_options(yield_per=BATCH_ROWS).execute(sa.text(self.source.query or ""), bound)

    def _pass(self, values: Sequence[Any]) -> None:
        seen = [value for value in (*values, self.highest) if value is not None]
        self.highest = max(seen, default=None)


@contextmanager
def _named_errors(name: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise RetriableError(f"Source {name}: the database went away: {error.orig}") from error
        raise SourceError(
            f"Source {name}: the database refused the query: {error.orig}. Mend it in config/sources.yaml."
        ) from error


def _database(name: str, source: Source) -> sa.Connection:
    url = filled_in(source.url or "", f"sources.{name}.url")
    try:
        return sa.create_engine(url, poolclass=sa.pool.NullPool).connect()
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        raise SourceError(f"Source {name}: install the driver that its url names ({error})") from error
    except sa.exc.ArgumentError as error:
        raise SourceError(f"Source {name}: url is not a SQLAlchemy URL ({error}); mend it") from error
    except sa.exc.DBAPIError as error:
        shown = sa.make_url(url).render_as_string(hide_password=True)
        raise RetriableError(f"Source {name}: {shown} does not answer: {error.orig}") from error


def _text(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values).cast(pa.string())
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _decoded(value: str, cursor: Cursor) -> Any:
    if cursor.type == "BIGINT":
        return int(value)
    return datetime.fromisoformat(value) if cursor.type == "TIMESTAMP" else value
