"""The warehouse: tables that are replaced partition by partition, each in one transaction.

Every write is safe to run twice and to kill at any line: a partition is as it was before, or whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from ml import checks, engines, schema
from ml.errors import CheckFailed, WarehouseError
from ml.settings import settings
from ml.sql import Table, render_file, table, transpile
from ml.times import AsOf

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableRun:
    """What one write did: rows of the partition after it, and wall seconds."""

    table: str
    rows: int
    seconds: float
    warnings: list[str] = field(default_factory=list)


class Warehouse:
    """Reads and writes the tables that `sql/` describes, on the engine behind `WAREHOUSE_URL`."""

    def __init__(self, url: str | None = None) -> None:
        self.url = url or settings().warehouse_url
        self.engine = engines.connect(self.url)
        self._known: set[str] = set()

    @property
    def dialect(self) -> str:
        """`duckdb` or `postgres`."""
        return self.engine.dialect

    def session(self) -> AbstractContextManager[engines.Session]:
        """Open one transaction; prefer the methods below."""
        return self.engine.session()  # type: ignore[no-any-return]

    def held(self) -> AbstractContextManager[None]:
        """Keep DuckDB's file open over many reads and writes, each of which still commits by itself.

        No other process gets at the file meanwhile, so never around what waits for a network. PostgreSQL holds nothing.
        """
        return self.engine.held()

    # -- writing ------------------------------------------------------------------------------------

    def create(self, *names: str) -> None:
        """Create tables that are missing and add columns that are new in the YAML."""
        missing = [table(name) for name in names if name not in self._known]
        if missing:
            schema.create(self.engine, missing)
            self._known.update(names)

    def run_table(self, name: str, partition: Mapping[str, Any] | None = None, **params: Any) -> TableRun:
        """Run the table's SELECT into its partition, then its checks, in one transaction.

        `partition` gives a value for each partition column; they and `params` are the file's Jinja variables.
        Raises `CheckFailed` (and leaves the old partition) when a row breaks a check.
        """
        spec, part = table(name), _partition(name, partition)
        select = spec.render(self.engine.dialect, **{**params, **part})
        columns = ", ".join(spec.column_names)

        def fill(session: engines.Session) -> None:
            if spec.spec.write == "merge":
                session.execute(f"CREATE TEMP TABLE incoming AS SELECT {columns} FROM ({select}) AS made")
                session.execute(schema.delete_matching(spec, "incoming"))
                session.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM incoming")
                session.execute("DROP TABLE incoming")
            else:
                session.execute(self._sql(schema.delete(spec, part)))
                session.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM ({select}) AS made")

        return self._transact(spec, part, fill, reads=spec.reads)

    def write(self, name: str, rows: pa.Table | pd.DataFrame, partition: Mapping[str, Any] | None = None) -> int:
        """Write rows made in Python into their partition (or merge them by key, as the YAML says).

        Columns of the partition may be absent from `rows`. Returns the rows written.
        """
        spec, part = table(name), _partition(name, partition)
        incoming = schema.conform(spec, rows, part)

        def fill(session: engines.Session) -> None:
            if spec.spec.write == "merge":
                session.temporary("incoming", incoming.select(list(spec.key)))
                session.execute(schema.delete_matching(spec, "incoming"))
            else:
                session.execute(self._sql(schema.delete(spec, part)))
            session.append(name, incoming)

        self._transact(spec, part, fill)
        return int(incoming.num_rows)

    def rewrite(self, name: str, path: str | Path, where: Mapping[str, Any], **params: Any) -> TableRun:
        """Replace the rows that match `where` by those of a query, which may read them, in one transaction.

        `where` names whole partitions (see `read`); `params` are the file's Jinja variables. Raises `CheckFailed` (and
        leaves the rows as they were) when one breaks a check.
        """
        spec, columns = table(name), ", ".join(table(name).column_names)
        select = render_file(Path(path), self.engine.dialect, **params)

        def fill(session: engines.Session) -> None:
            session.execute(f"CREATE TEMP TABLE incoming AS SELECT {columns} FROM ({select}) AS made")
            session.execute(self._sql(schema.delete(spec, where)))
            session.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM incoming")
            session.execute("DROP TABLE incoming")

        return self._transact(spec, where, fill)

    def delete(self, name: str, where: Mapping[str, Any] | None = None) -> None:
        """Delete the rows that match `where` (see `read`)."""
        with self._over(name) as session:
            session.lock(name)
            session.execute(self._sql(schema.delete(table(name), where or {})))

    def _transact(self, spec: Table, part: Mapping[str, Any], fill: Any, reads: Sequence[str] = ()) -> TableRun:
        started = time.perf_counter()
        with self._over(spec.name, *reads) as session:
            session.lock(spec.name)
            fill(session)
            rows, problems = checks.run(session, spec, part, self.engine)
            if problems:
                raise CheckFailed(f"{spec.name} ({_shown(part)}): {'; '.join(problems)}")
        run = TableRun(spec.name, rows, time.perf_counter() - started)
        log.info("%s (%s): %s rows in %.1f s", spec.name, _shown(part), f"{rows:,}", run.seconds)
        return run

    # -- reading ------------------------------------------------------------------------------------

    def read_arrow(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return rows of a table. `where` maps a column to a value, a list, or an (operator, value) pair."""
        with self._over(name) as session:
            return session.arrow(self._sql(schema.select(table(name), columns, where or {}, order_by)))

    def read(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        order_by: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return rows of a table as a frame over the Arrow buffers (see `read_arrow`)."""
        return to_pandas(self.read_arrow(name, columns, where, order_by))

    def select_arrow(self, path: str | Path, **params: Any) -> pa.Table:
        """Run a SQL file that is not a table (`6_segments/queries/x.sql`) and return its rows."""
        return self._query(render_file(Path(path), self.engine.dialect, **params))

    def select(self, path: str | Path, **params: Any) -> pd.DataFrame:
        """Run a SQL file that is not a table and return its rows as a frame."""
        return to_pandas(self.select_arrow(path, **params))

    def select_text_arrow(self, text: str) -> pa.Table:
        """Run a compiled statement of the portable subset and return its rows."""
        return self._query(transpile(text, self.engine.dialect))

    def select_text(self, text: str) -> pd.DataFrame:
        """Run a compiled statement of the portable subset and return its rows as a frame."""
        return to_pandas(self.select_text_arrow(text))

    def scalar(self, path: str | Path, **params: Any) -> Any:
        """Return the first value of a SQL file's first row."""
        return self.select_arrow(path, **params).column(0)[0].as_py()

    def count(self, name: str, where: Mapping[str, Any] | None = None) -> int:
        """Return the number of rows that match `where`."""
        with self._over(name) as session:
            return int(session.arrow(self._sql(schema.count(table(name), where or {}))).column(0)[0].as_py())

    def exists(self, name: str) -> bool:
        """Return whether the table is in the warehouse."""
        with self.engine.sqlalchemy.connect() as connection:
            return sa.inspect(connection).has_table(name)

    @contextmanager
    def _over(self, *names: str) -> Iterator[engines.Session]:
        """Open one transaction over tables that are there."""
        with nullcontext() if self._known.issuperset(names) else self.held():
            self.create(*names)
            with self.session() as session:
                yield session

    def _query(self, text: str) -> pa.Table:
        with self.session() as session:
            return session.arrow(text)

    def _sql(self, statement: sa.Executable | sa.ClauseElement) -> str:
        return schema.compile_literal(statement, self.engine)


def to_pandas(rows: pa.Table) -> pd.DataFrame:
    """Return a frame over the Arrow buffers, without a copy through Python rows."""
    import pandas as pd

    frame: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _partition(name: str, values: Mapping[str, Any] | None) -> dict[str, Any]:
    given = dict(values or {})
    wanted = set(table(name).partition)
    if set(given) != wanted:
        raise WarehouseError(f"{name} is partitioned by {sorted(wanted)}, but the write names {sorted(given)}")
    return {column: value.at if isinstance(value, AsOf) else value for column, value in given.items()}


def _shown(part: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v.isoformat() if isinstance(v, datetime) else v}" for k, v in part.items()) or "whole"
