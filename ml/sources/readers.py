"""Put one delivery before the door: a relation `raw` with `_row`, `_broken`, `_text` and the input's columns.

`_row` counts from 1 (negative: a line of a CSV that could not be split), `_broken` says why a row could not
be read at all, `_text` is such a row as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ml.config import did_you_mean
from ml.errors import SourceError
from ml.sources.files import csv_header
from ml.sources.mapping import quoted, used_columns
from ml.sources.spec import Source
from ml.sql import render_file

if TYPE_CHECKING:
    import duckdb

DOOR = Path("1_staging/door")
_OWN_COLUMNS = ("_row", "_broken", "_text")


@dataclass(frozen=True)
class Rows:
    """A connection whose `raw` holds the rows of one delivery."""

    connection: duckdb.DuckDBPyConnection
    columns: list[str]

    @classmethod
    def opened(cls, connection: duckdb.DuckDBPyConnection) -> Rows:
        """Return what is in `raw` now."""
        return cls(connection, [name for name in connection.table("raw").columns if name not in _OWN_COLUMNS])

    def is_empty(self, place: object) -> bool:
        """Return whether there is no row at all. Raises `SourceError` naming the place when it cannot be read."""
        with readable(place):
            return not self.connection.table("raw").limit(1).fetchall()


def door_sql(name: str, **params: Any) -> str:
    """Return one of the door's SQL files, rendered for DuckDB."""
    return render_file(DOOR / f"{name}.sql", **params)


def open_file(connection: duckdb.DuckDBPyConnection, path: Path, source: Source) -> Rows:
    """Read one file. Raises `SourceError` when it is truncated or is not what its name says."""
    forget(connection)
    with readable(path):
        match source.file_format:
            case "csv":
                _open_csv(connection, path, source.delimiter)
            case "jsonl":
                _open_json(connection, path)
            case _:
                connection.sql(door_sql("read_parquet", file_path=str(path))).create_view("raw")
        return Rows.opened(connection)


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what was read before."""
    connection.execute("DROP VIEW IF EXISTS raw")
    for name in ("door_split", "door_unsplit", "door_lines", "door_rows", "door_rejects", "door_rejects_scan"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")


@contextmanager
def readable(place: object) -> Iterator[None]:
    """Turn DuckDB's errors into `SourceError` naming the place."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        reason = re.split(r"\n|Possible Solution", str(error))[0].strip()
        raise SourceError(
            f"{place}: cannot be read to its end ({reason}). The file is truncated, damaged or of another format; "
            "deliver it again. Nothing of it was loaded."
        ) from error


_SEPARATORS = ";,|\t"


def check_columns(place: object, found: list[str], source: Source) -> list[str]:
    """Return a warning for each new column. Raises `SourceError` for a missing one, with the nearest name."""
    present = {name.lower() for name in found}
    used, known = used_columns(source), {name.lower() for name in source.ignore}
    new = [name for name in found if name.lower() not in {u.lower() for u in used} | known]
    missing = sorted(name for name in used if name.lower() not in present)
    if missing and len(found) == 1 and any(mark in found[0] for mark in _SEPARATORS):
        raise SourceError(
            f"{place}: the one column in it is {found[0]!r}. Are its values separated by {source.delimiter!r}? Say "
            "what separates them under `delimiter` in config/sources.yaml. Nothing of it was loaded."
        )
    if missing:
        words = "; ".join(f"{name!r} is missing{did_you_mean(name, new or found)}" for name in missing)
        raise SourceError(
            f"{place}: columns have changed: {words}. Mend the file, or `from` in config/sources.yaml. "
            "Nothing of it was loaded."
        )
    return [f"{place}: column {name!r} is new and not read; map it, or list it under `ignore`" for name in new]


def _open_csv(connection: duckdb.DuckDBPyConnection, path: Path, delimiter: str) -> None:
    columns = [quoted(name) for name in csv_header(path, delimiter)]
    if not columns:
        connection.from_arrow(pa.table({name: pa.array([], pa.string()) for name in _OWN_COLUMNS})).create("door_split")
        connection.table("door_split").create_view("raw")
        return
    split = door_sql("split_csv", file_path=str(path), delimiter=delimiter, columns=columns)
    connection.sql(split).create("door_split")
    unclosed = connection.sql(door_sql("unclosed_quotes")).fetchall()[0][0]
    if unclosed is not None:
        raise SourceError(
            f"{path}: line {unclosed} opens a quote that is never closed: the file is truncated, or a quote within a "
            "value is not doubled. Mend it and deliver it again. Nothing of it was loaded."
        )
    connection.sql(door_sql("unsplit_csv")).create("door_unsplit")
    connection.sql(door_sql("read_split")).create_view("raw")


def _open_json(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.sql(door_sql("read_lines", file_path=str(path))).create("door_lines")
    names = [name for (name,) in connection.sql(door_sql("json_keys")).fetchall()]
    columns = [{"name": quoted(name), "path": '$."' + name.replace('"', '\\"') + '"'} for name in names]
    connection.sql(door_sql("read_json", columns=columns)).create_view("raw")
