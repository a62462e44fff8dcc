"""The SQL layer: one SELECT a file, its YAML beside it, rendered by Jinja, transpiled by SQLGlot.

Files are written in the portable subset that `ml.portable` lints, which is DuckDB's dialect without what
other engines read differently. A value printed by Jinja becomes a SQL literal, so `{{ as_of }}` needs
no quotes and a text value cannot break out of its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

import jinja2
import sqlglot
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field

from ml.config import did_you_mean, read_yaml
from ml.errors import ConfigError
from ml.settings import settings
from ml.times import AsOf

Dialect = Literal["duckdb", "postgres"]
SqlType = Literal["BIGINT", "INTEGER", "DOUBLE", "VARCHAR", "BOOLEAN", "TIMESTAMP", "DATE"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Checks(_Frozen):
    """What every value of a column must satisfy; NULL passes all but `not_null`."""

    not_null: bool = False
    unique: bool = False
    between: tuple[float, float] | None = None
    allowed: tuple[str | int | bool, ...] | None = Field(None, alias="in")


class Says(_Frozen):
    """A feature in words: templates such as `no order for {value:days}`, which `ml.features.phrases` fills in."""

    text: str
    exactly: dict[int | str, str] = {}
    missing: str | None = None
    usual: str | None = None

    @property
    def names(self) -> set[str]:
        """The fields of all its templates: `value`, `typical`, what a model adds, and names of other features."""
        templates = [self.text, self.missing, self.usual, *self.exactly.values()]
        return {name for text in templates if text for _, name, _, _ in Formatter().parse(text) if name is not None}


class Feature(_Frozen):
    """How a column enters a model: its kind, what stands in for a missing value, how it is said in a reason."""

    kind: Literal["number", "category"]
    impute: Literal["zero", "median", "missing", "none"]
    group: str
    says: Says


class Column(_Frozen):
    """A column of a table: its portable type, what it means and what it must satisfy."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    type: SqlType
    description: str
    checks: Checks = Checks()
    feature: Feature | None = None
    sensitive: bool = False  # about a person's circumstances: judged by, and no feature unless a model allows it


class TableSpec(_Frozen):
    """The YAML beside a SQL file."""

    description: str
    grain: str
    key: tuple[str, ...]
    partition: tuple[str, ...] = ()
    write: Literal["replace", "merge"] = "replace"
    reads: tuple[str, ...] = ()
    params: dict[str, str] = {}
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Table:
    """A table of the warehouse: its specification and, unless Python writes it, its SELECT."""

    name: str
    stage: str
    spec: TableSpec
    sql: Path | None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The table's columns in order."""
        return self.spec.columns

    @property
    def column_names(self) -> list[str]:
        """The names of the table's columns in order."""
        return [column.name for column in self.spec.columns]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return self.spec.key

    @property
    def partition(self) -> tuple[str, ...]:
        """The columns whose values name the part of the table that is replaced whole."""
        return self.spec.partition

    @property
    def description(self) -> str:
        """What the table holds, ending with its grain."""
        return self.spec.description

    @property
    def grain(self) -> str:
        """What one row stands for."""
        return self.spec.grain

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables its SELECT reads."""
        return self.spec.reads

    def render(self, dialect: Dialect = "duckdb", **params: Any) -> str:
        """Return the table's SELECT for `dialect`. Raises `ConfigError` on a missing parameter."""
        if self.sql is None:
            raise ConfigError(f"Table {self.name} has no SQL file: it is written from Python")
        return render_file(self.sql, dialect, **params)


def load_tables(sql_dir: Path | None = None) -> dict[str, Table]:
    """Return every table of `sql_dir` (default: the settings') by name, upstream before downstream.

    A folder is read once a process. Raises `ConfigError` for a YAML that is wrong, a SQL file without YAML, a name
    used twice, a table that reads one that does not exist, or a cycle.
    """
    return _read_tables(sql_dir or settings().sql_dir)


@lru_cache
def _read_tables(root: Path) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for path in sorted(root.glob("[0-9]_*/*.yaml")):
        if path.stem in tables:
            raise ConfigError(f"{path}: table {path.stem} is defined twice; names are unique across stages")
        sql = path.with_suffix(".sql")
        tables[path.stem] = Table(
            path.stem, path.parent.name, read_yaml(path, TableSpec), sql if sql.exists() else None
        )
    for sql in root.glob("[0-9]_*/*.sql"):
        if sql.stem not in tables:
            raise ConfigError(f"{sql}: there is no {sql.stem}.yaml beside it; write what the table is")
    return _in_order(tables)


def table(name: str) -> Table:
    """Return one table of the settings' SQL folder. Raises `ConfigError` with the nearest names."""
    tables = load_tables()
    if name not in tables:
        raise ConfigError(f"There is no table {name!r}{did_you_mean(name, tables)}")
    return tables[name]


def _in_order(tables: Mapping[str, Table]) -> dict[str, Table]:
    for found in tables.values():
        _check_table(found, tables)
    graph = {name: [r for r in found.reads if r != name] for name, found in tables.items()}
    try:
        return {name: tables[name] for name in TopologicalSorter(graph).static_order()}
    except CycleError as error:
        raise ConfigError(f"Tables read each other in a circle: {' -> '.join(error.args[1])}") from error


def _check_table(found: Table, tables: Mapping[str, Table]) -> None:
    for read in found.reads:
        if read not in tables:
            raise ConfigError(f"sql/{found.stage}/{found.name}.yaml: reads {read!r}, which does not exist")
    for column in (*found.key, *found.partition):
        if column not in found.column_names:
            raise ConfigError(f"sql/{found.stage}/{found.name}.yaml: {column!r} is not one of its columns")
    for told in found.columns:
        _check_says(told, found)


# What is no column: the feature's own value, the median learnt, and a propensity's target with what is done to it.
_SAID = {"value", "typical", "target", "done"}


def _check_says(column: Column, found: Table) -> None:
    for name in column.feature.says.names - _SAID if column.feature else ():
        if name not in found.column_names:
            place = f"sql/{found.stage}/{found.name}.yaml: {column.name}.feature.says"
            raise ConfigError(f"{place}: there is no feature {name!r}{did_you_mean(name, found.column_names)}")


def render_file(path: Path, dialect: Dialect = "duckdb", **params: Any) -> str:
    """Render a SQL file with `params` as literals and transpile it to `dialect`."""
    relative = path.relative_to(settings().sql_dir) if path.is_absolute() else path
    try:
        text = _jinja(settings().sql_dir).get_template(str(relative)).render(**_with_epochs(params))
    except jinja2.UndefinedError as error:
        raise ConfigError(f"sql/{relative}: {error.message}; pass it as a parameter") from error
    except jinja2.TemplateNotFound as error:
        raise ConfigError(f"There is no SQL file {error.name!r} below {settings().sql_dir}") from error
    return transpile(text, dialect)


def transpile(text: str, dialect: Dialect) -> str:
    """Translate a statement of the portable subset to `dialect`; DuckDB reads the subset as it is."""
    if dialect == "duckdb":
        return text
    return sqlglot.transpile(text, read="duckdb", write=dialect)[0]


def literal(value: object) -> Markup:
    """Return `value` as a SQL literal; a list or tuple becomes the inside of an IN list."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return _markup("'" + value.replace("'", "''") + "'")
    if isinstance(value, list | tuple | set | frozenset):
        return Markup(", ").join(literal(item) for item in value)
    if isinstance(value, AsOf):
        return literal(value.at)
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, naming the variable
    return _markup(_scalar(value))


def _scalar(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value).upper()
        case float():
            return f"CAST({value!r} AS DOUBLE)"  # a bare 0.5 is a decimal in some engines
        case datetime():
            return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S}'"
        case date():
            return f"DATE '{value:%Y-%m-%d}'"
    raise TypeError(f"{value!r} has no SQL literal")


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - the one place where made SQL is trusted


def identifier(name: str) -> Markup:
    """Return `name` as a bare SQL identifier. Raises `ConfigError` if it is not a plain lower-case name."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"{name!r} is not a plain lower-case name and cannot stand in SQL")
    return _markup(name)


def _with_epochs(params: Mapping[str, Any]) -> dict[str, Any]:
    points = {key: AsOf(value) if isinstance(value, datetime) else value for key, value in params.items()}
    epochs = {f"{key}_epoch": value.epoch for key, value in points.items() if isinstance(value, AsOf)}
    return {**epochs, **points}


@lru_cache
def _jinja(sql_dir: Path) -> jinja2.Environment:
    # autoescape keeps what macros return apart from values: only values become literals.
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(sql_dir),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=literal,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["identifier"] = identifier
    return env
