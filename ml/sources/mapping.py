"""From a source's mapping and the types found in its input to the parameters of the door's SQL.

What is printed into the SQL is either a value (which Jinja turns into a literal) or one of the fragments made
here: quoted input columns, checked expressions, plain names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlglot
from markupsafe import Markup
from sqlglot import exp

from ml.sources.spec import DERIVED, ColumnMapping, Source, derived_columns, moment
from ml.sql import Column, Table, identifier
from ml.times import AsOf

NOTHING = Markup("")
FORMATS = {
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "phone": r"[+(]?[0-9][0-9 ().\-/]{5,24}",
    "country": r"[A-Z]{2}",
    "currency": r"[A-Z]{3}",
}
_GIVEN_KINDS = {
    "VARCHAR": "text",
    "TIMESTAMP WITH TIME ZONE": "zoned",
    "DATE": "time",
    "BOOLEAN": "bool",
    "FLOAT": "float",
    "DOUBLE": "float",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), "whole"),
}


@dataclass(frozen=True)
class Origin:
    """Where a column's value comes from: SQL over the input's columns, or a relation found by `raw`."""

    given: Markup
    raw: Markup
    lookup: Markup | None = None
    is_expression: bool = False

    @property
    def raised(self) -> Markup:
        """The name of the flag that says whether an expression failed on the row."""
        return fragment(f"_raised{self.given}")


NOWHERE = Origin(NOTHING, NOTHING)


@dataclass(frozen=True)
class DoorColumn:
    """One staging column on its way through the door; the Markup fields are SQL fragments."""

    label: str
    name: Markup
    type: Markup
    kind: str
    required: bool
    on_fail: str
    aggregate: str
    is_key: bool
    made: bool = True
    origin: Origin = NOWHERE
    failure: Markup = NOTHING
    given_kind: str = ""
    constant: Any = None
    prefix: str = ""
    zone: str = "UTC"
    unit: str | None = None
    factor: float | None = None
    between: tuple[Any, Any] | None = None
    allowed: tuple[Any, ...] | None = None
    matches: str | None = None
    format: str | None = None
    contract_between: tuple[float, float] | None = None
    contract_in: tuple[Any, ...] | None = None

    @property
    def given(self) -> Markup:
        """The name of the value before it is typed."""
        return self.origin.given


def quoted(name: str) -> Markup:
    """Return any input column's name as a quoted identifier."""
    return fragment(exp.to_identifier(name, quoted=True).sql("duckdb"))


def origin_of(name: str, mapping: ColumnMapping) -> Origin:
    """Return where the value of a column comes from."""
    given = fragment(f"_given_{name}")
    if mapping.lookup:
        return Origin(given, quoted(mapping.lookup.by), identifier(f"lookup_{name}"))
    if mapping.source is not None:
        return Origin(given, quoted(mapping.source))
    if mapping.expression is not None:
        return Origin(given, fragment(f"({mapping.expression})"), is_expression=True)
    return Origin(given, NOTHING)


def used_columns(source: Source) -> set[str]:
    """Return the input columns that a source's mapping and filters read."""
    texts = [m.expression for m in source.columns.values() if m.expression] + list(source.leave_out.values())
    named = {m.source for m in source.columns.values() if m.source is not None}
    named |= {lookup.by for lookup in source.lookups.values()}
    return named.union(*(_columns_of(text) for text in texts))


def door_columns(source: Source, table: Table, types: dict[str, str]) -> list[DoorColumn]:
    """Return the columns that the mapping makes; `types` gives the DuckDB type of each given value."""
    return [
        _door_column(column, source.columns[column.name], table, _given_kind(types.get(column.name, "")))
        for column in table.columns
        if column.name in source.columns
    ]


def all_columns(source: Source, table: Table, source_name: str) -> list[DoorColumn]:
    """Return every column of the staging table: made by the mapping, derived, or the same in all rows."""
    derived = derived_columns(source, table)
    return [
        DoorColumn(
            label=column.name,
            name=identifier(column.name),
            type=fragment(column.type),
            kind="",
            required=False,
            on_fail="refuse",
            aggregate=_aggregate(source, derived.get(column.name, column.name)),
            is_key=column.name in table.key,
            made=column.name in source.columns or column.name in derived,
            constant=source_name if column.name == "source_name" else None,
        )
        for column in table.columns
    ]


def _aggregate(source: Source, column: str) -> str:
    return source.columns[column].aggregate if column in source.columns else "same"


def _given_kind(type_name: str) -> str:
    if type_name.startswith("TIMESTAMP") and "ZONE" not in type_name:
        return "time"
    return _GIVEN_KINDS.get(type_name, "other")


def _door_column(column: Column, mapping: ColumnMapping, table: Table, given_kind: str) -> DoorColumn:
    checks, kind = column.checks, _kind(column, mapping)
    unit = "seconds" if kind == "epoch" and given_kind == "whole" and mapping.unit is None else mapping.unit
    return DoorColumn(
        label=column.name,
        name=identifier(column.name),
        type=fragment(column.type),
        kind=kind,
        required=mapping.required or checks.not_null or column.name in table.key,
        on_fail=mapping.on_fail,
        aggregate=mapping.aggregate,
        is_key=column.name in table.key,
        origin=origin_of(column.name, mapping),
        failure=fragment(f"_failure_{column.name}"),
        given_kind=given_kind,
        constant=mapping.constant,
        prefix=mapping.prefix,
        zone=mapping.zone,
        unit=unit,
        factor=mapping.factor,
        between=_bounds(mapping, kind),
        allowed=mapping.allowed,
        matches=mapping.matches,
        format=FORMATS[mapping.format] if mapping.format else None,
        contract_between=checks.between,
        contract_in=checks.allowed,
    )


def _kind(column: Column, mapping: ColumnMapping) -> str:
    if "constant" in mapping.model_fields_set:
        return "constant"
    if column.type in ("BIGINT", "INTEGER"):
        if column.name.endswith(DERIVED):
            return "epoch"
        return "scaled" if mapping.factor else "whole"
    return {"VARCHAR": "text", "TIMESTAMP": "time", "DOUBLE": "number"}.get(column.type, "other")


def _bounds(mapping: ColumnMapping, kind: str) -> tuple[Any, Any] | None:
    if mapping.between is None:
        return None
    low, high = mapping.between
    if kind == "time":
        return moment(low), moment(high)
    if kind == "epoch":
        return tuple(_epoch_bound(bound) for bound in (low, high))  # type: ignore[return-value]
    return low, high


def _epoch_bound(bound: Any) -> int:
    return AsOf(moment(bound)).epoch


def _columns_of(text: str) -> set[str]:
    return {column.name for column in sqlglot.parse_one(text, read="duckdb").find_all(exp.Column)}


def fragment(text: str) -> Markup:
    """Return SQL that was made of checked names and expressions only, so that Jinja prints it as it is."""
    return Markup(text)  # noqa: S704 - made of checked names and expressions only
