"""Table specifications as SQLAlchemy tables: creating, deleting, selecting, and Arrow types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from ml.config import did_you_mean
from ml.errors import ConfigError, WarehouseError
from ml.sql import Table
from ml.times import AsOf

if TYPE_CHECKING:
    import pandas as pd

    from ml.engines import Engine

_SQL_TYPES: dict[str, Any] = {
    "BIGINT": sa.BigInteger(),
    "INTEGER": sa.Integer(),
    "DOUBLE": sa.Double(),
    "VARCHAR": sa.String(),
    "BOOLEAN": sa.Boolean(),
    "TIMESTAMP": sa.DateTime(),
    "DATE": sa.Date(),
}
_ARROW_TYPES: dict[str, pa.DataType] = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "DATE": pa.date32(),
}
_OPERATORS = {"<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__", "!=": "__ne__", "=": "__eq__"}


@lru_cache
def _core(name: str, columns: tuple[tuple[str, str], ...]) -> sa.Table:
    return sa.Table(name, sa.MetaData(), *(sa.Column(c, _SQL_TYPES[kind]) for c, kind in columns))


def core(spec: Table) -> sa.Table:
    """Return the table for SQLAlchemy's expression language."""
    return _core(spec.name, tuple((column.name, column.type) for column in spec.columns))


def arrow_schema(spec: Table) -> pa.Schema:
    """Return the table's Arrow schema, in the order of its columns."""
    return pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in spec.columns])


def compile_literal(statement: Any, engine: Engine) -> str:
    """Return a statement as text with its values as literals."""
    compiled = statement.compile(engine.sqlalchemy, compile_kwargs={"literal_binds": True})
    return str(compiled).replace("%%", "%")


def create(engine: Engine, specs: Sequence[Table]) -> None:
    """Create missing tables; add columns that are new in the YAML. Raises `WarehouseError` for removed ones."""
    with engine.session() as session:
        for spec in specs:
            made = sa.schema.CreateTable(core(spec), if_not_exists=True)
            session.execute(str(made.compile(engine.sqlalchemy)))
            found = session.arrow(f"TABLE {spec.name} LIMIT 0")
            _add_columns(session, spec, found.column_names, engine)


def _add_columns(session: Any, spec: Table, found: Sequence[str], engine: Engine) -> None:
    gone = set(found) - set(spec.column_names)
    if gone:
        raise WarehouseError(
            f"Table {spec.name} in the warehouse has columns that sql/{spec.stage}/{spec.name}.yaml does not name: "
            f"{sorted(gone)}. Drop the table (it is rebuilt), or put the columns back."
        )
    for column in spec.columns:
        if column.name not in found:
            kind = _SQL_TYPES[column.type].compile(engine.sqlalchemy.dialect)
            session.execute(f"ALTER TABLE {spec.name} ADD COLUMN {column.name} {kind}")


def conditions(spec: Table, where: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    """Return `where` as SQLAlchemy conditions; None means IS NULL. Raises `ConfigError` on an unknown column."""
    return [_condition(_column(spec, name), value) for name, value in where.items()]


def _column(spec: Table, name: str) -> sa.Column[Any]:
    if name not in spec.column_names:
        raise ConfigError(f"Table {spec.name} has no column {name!r}{did_you_mean(name, spec.column_names)}")
    return core(spec).c[name]


def _condition(column: sa.Column[Any], value: Any) -> sa.ColumnElement[bool]:
    if isinstance(value, tuple):
        operator, operand = value
        return getattr(column, _OPERATORS[operator])(_plain(operand))  # type: ignore[no-any-return]
    if isinstance(value, list | set | frozenset):
        return column.in_([_plain(item) for item in value])
    return column.is_(None) if value is None else column == _plain(value)


def _plain(value: Any) -> Any:
    value = value.at if isinstance(value, AsOf) else value
    return value.item() if hasattr(value, "item") else value


def delete(spec: Table, where: Mapping[str, Any]) -> sa.Delete:
    """Return the statement that deletes the rows matching `where`."""
    return sa.delete(core(spec)).where(*conditions(spec, where))


def delete_matching(spec: Table, incoming: str) -> str:
    """Return the statement that deletes the rows whose key is among those of the table `incoming`."""
    joined = " AND ".join(f"{spec.name}.{column} = {incoming}.{column}" for column in spec.key)
    return f"DELETE FROM {spec.name} USING {incoming} WHERE {joined}"


def select(
    spec: Table, columns: Sequence[str] | None, where: Mapping[str, Any], order_by: Sequence[str] | None
) -> sa.Select[Any]:
    """Return the statement that reads the rows matching `where`."""
    chosen = [_column(spec, name) for name in (columns or spec.column_names)]
    statement = sa.select(*chosen).where(*conditions(spec, where))
    return statement.order_by(*(_column(spec, name).asc().nulls_last() for name in order_by or ()))


def count(spec: Table, where: Mapping[str, Any]) -> sa.Select[Any]:
    """Return the statement that counts the rows matching `where`."""
    return sa.select(sa.func.count()).select_from(core(spec)).where(*conditions(spec, where))


def conform(spec: Table, rows: pa.Table | pd.DataFrame, partition: Mapping[str, Any]) -> pa.Table:
    """Return `rows` with the table's columns, order and types, the partition's values filled in.

    Raises `WarehouseError` naming a column that is missing, unknown, or cannot hold its values.
    """
    found = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
    unknown = set(found.column_names) - set(spec.column_names)
    if unknown:
        raise WarehouseError(f"{spec.name} has no columns {sorted(unknown)}; it has {spec.column_names}")
    return pa.Table.from_arrays(
        [_conformed(spec, field, found, partition) for field in arrow_schema(spec)], schema=arrow_schema(spec)
    )


def _conformed(spec: Table, wanted: pa.Field, rows: pa.Table, partition: Mapping[str, Any]) -> Any:
    if wanted.name in partition and wanted.name not in rows.column_names:
        return pa.repeat(pa.scalar(_plain(partition[wanted.name]), wanted.type), rows.num_rows)
    if wanted.name not in rows.column_names:
        raise WarehouseError(f"{spec.name}: the rows to write have no column {wanted.name!r}")
    try:
        return rows.column(wanted.name).cast(wanted.type)
    except pa.ArrowInvalid as error:
        raise WarehouseError(f"{spec.name}.{wanted.name}: {error}") from error
