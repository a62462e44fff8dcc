"""What `config/sources.yaml` may say: where a source's rows are and how they become a staging table.

Every key is checked before anything is read: table, columns, references, expressions and time zones.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import cached_property
from typing import Any, Literal
from zoneinfo import available_timezones

import sqlglot
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ml.config import did_you_mean
from ml.portable import lint
from ml.sql import Table
from ml.times import parse_as_of

Bound = float | datetime | date | str
OnFail = Literal["refuse", "null", "warn"]
Aggregate = Literal["same", "min", "max", "sum", "count"]
Format = Literal["csv", "parquet", "jsonl"]
SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".jsonl.gz": "jsonl", ".ndjson": "jsonl"
}  # fmt: skip
DERIVED = "_epoch"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Lookup(_Frozen):
    """A value of another staging table, found by its key in the input column `by`."""

    table: str = Field(description="The staging table; its key is looked up.")
    column: str = Field(description="The column that is taken over.")
    by: str = Field(description="The input column that holds the key.")


class ColumnMapping(_Frozen):
    """How one staging column is made and what its values must satisfy.

    Exactly one of `from` (a column of the input), `expression` (portable SQL over the input's columns),
    `constant` and `lookup` (a column of another staging table). `between` includes both ends for numbers and
    leaves out the upper end for times.
    """

    source: str | None = Field(None, alias="from", description="A column of the input, in any case of letters.")
    expression: str | None = Field(None, description="Portable SQL over the input's columns (docs/sql.md).")
    constant: str | int | float | bool | None = Field(None, description="The same value in every row.")
    lookup: Lookup | None = Field(None, description="A column of another staging table.")
    prefix: str = Field("", description="Put before a text, such as `household:`; a missing value stays missing.")
    timezone: str | None = Field(None, description="Zone of times that carry no offset themselves; without it, UTC.")
    unit: Literal["seconds", "milliseconds"] | None = Field(None, description="For times given as numbers since 1970.")
    factor: float | None = Field(
        None, gt=0, description="Multiplies a number; a whole-number column is then rounded half up (dollars: 100)."
    )
    required: bool = Field(False, description="A missing value refuses the row; always so where the table needs it.")
    between: tuple[Bound, Bound] | None = Field(None, description="The range of good values.")
    allowed: tuple[str | int | bool, ...] | None = Field(None, alias="in", description="The good values.")
    matches: str | None = Field(None, description="A regular expression that the whole text matches.")
    format: Literal["email", "phone", "country", "currency"] | None = Field(None, description="A well-known form.")
    on_fail: OnFail = Field(
        "refuse",
        description="What a bad value does: `refuse` quarantines the row, `null` empties the value, `warn` keeps it (a "
        "NUL byte empties it, because no warehouse takes one); the last two are counted as warnings.",
    )
    aggregate: Aggregate = Field(
        "same", description="How a group's rows become one value; `same` refuses a group whose rows differ."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnMapping:
        given = {"source", "expression", "constant", "lookup"} & self.model_fields_set
        if len(given) != 1:
            raise ValueError("give exactly one of from, expression, constant and lookup")
        return self

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"not a time zone{did_you_mean(value, available_timezones())}")
        return value

    @field_validator("expression")
    @classmethod
    def _portable(cls, value: str | None) -> str | None:
        return _portable_expression(value) if value is not None else None

    @property
    def zone(self) -> str:
        """The time zone of times that carry none themselves."""
        return self.timezone or "UTC"


class Reference(_Frozen):
    """A column whose values must be found in another staging table."""

    table: str = Field(description="The staging table.")
    column: str | None = Field(None, description="Its column; without it, the one of the same name.")
    on_fail: OnFail = Field("refuse", description="What an unknown value does, as for a column.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"table": value} if isinstance(value, str) else value


class Range(_Frozen):
    """Bounds of one measure: absolute, and as shares of the median of the source's own history."""

    min: float | None = Field(None, description="At least this much.")
    max: float | None = Field(None, description="At most this much.")
    min_share: float | None = Field(None, ge=0, description="At least this times the usual.")
    max_share: float | None = Field(None, gt=0, description="At most this times the usual.")


class Volume(_Frozen):
    """What one file (or query result) may measure. `stop` refuses the load; `alert` reports and goes on."""

    action: Literal["alert", "stop"] = Field("alert", description="`stop` loads nothing and raises; `alert` warns.")
    rows: Range = Field(Range(), description="Rows loaded.")
    bytes: Range = Field(Range(), description="Size of the input.")
    money: Range = Field(Range(), description="Sum of the `money` column in cents.")
    money_per_row: Range = Field(Range(), description="Mean of the `money` column in cents.")
    refused_share: Range = Field(Range(), description="Refused rows by rows read.")


class Cursor(_Frozen):
    """The column by which a query is read onwards; the query binds `:cursor`."""

    column: str = Field(description="Column of the query's result.")
    type: Literal["TIMESTAMP", "BIGINT", "VARCHAR"] = Field("TIMESTAMP", description="Type in which it is bound.")
    start: str = Field("1970-01-01", description="Where the first load starts.")


class Source(_Frozen):
    """One input and the staging table it fills."""

    table: str = Field(description="The staging table that is filled, such as `stg_orders`.")
    description: str = Field("", description="What it is, for people.")
    synthetic: bool = Field(False, description="True for generated data.")
    files: str | None = Field(None, description="Pattern of files: CSV, Parquet or JSON lines, also gzipped text.")
    format: Format | None = Field(None, description="The files' format; without it, the suffix says.")
    delimiter: str = Field(",", description="What separates the values of a CSV.")
    url: str | None = Field(None, description="SQLAlchemy URL of a database; keep secrets in `${NAME}`.")
    query: str | None = Field(None, description="A SELECT in that database's own dialect.")
    cursor: Cursor | None = Field(None, description="Reads only what is new; the query binds `:cursor`.")
    columns: dict[str, ColumnMapping] = Field(description="Staging column to where it comes from.")
    ignore: tuple[str, ...] = Field((), description="Input columns left unread on purpose; others raise an alert.")
    leave_out: dict[str, str] = Field({}, description="Name to a condition on the input; such rows are only counted.")
    group: bool = Field(False, description="Makes one row per key out of several, such as orders out of lines.")
    latest_by: str | None = Field(
        None, description="The row with its highest value stays of a repeated key; without it, the last."
    )
    duplicates: Literal["refuse", "leave_out"] = Field(
        "refuse", description="`leave_out` counts the other rows of a repeated key instead of keeping them."
    )
    references: dict[str, Reference] = Field({}, description="Column to the staging table that must know its value.")
    money: str | None = Field(None, description="The column that `volume.money` adds up.")
    volume: Volume = Field(Volume(), description="What one file, or one result of the query, may measure.")
    on_empty: Literal["error", "skip"] = Field("error", description="What an input without a row means.")
    on_missing: Literal["error", "skip"] = Field("error", description="What it means that no file is there.")

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if (self.files is None) == (self.url is None) or (self.url is None) != (self.query is None):
            raise ValueError("give either files, or url and query")
        if self.cursor and (self.query is None or ":cursor" not in self.query):
            raise ValueError("a cursor needs a query with :cursor in it, such as WHERE updated_at >= :cursor")
        if self.cursor and self.group:
            raise ValueError("a group needs all its rows: read them without a cursor, or group in the query")
        return self

    @field_validator("leave_out")
    @classmethod
    def _portable(cls, value: dict[str, str]) -> dict[str, str]:
        return {name: _portable_expression(condition) for name, condition in value.items()}

    @property
    def lookups(self) -> dict[str, Lookup]:
        """The columns that are filled from another staging table."""
        return {name: mapping.lookup for name, mapping in self.columns.items() if mapping.lookup}

    @property
    def upstream(self) -> set[str]:
        """The staging tables that must be loaded first."""
        return {r.table for r in self.references.values()} | {lookup.table for lookup in self.lookups.values()}

    @cached_property
    def file_format(self) -> Format | None:
        """The format of the files, from their suffix unless it is given."""
        suffixes = [suffix for suffix in SUFFIXES if (self.files or "").endswith(suffix)]
        return self.format or (SUFFIXES[max(suffixes, key=len)] if suffixes else None)


class SourcesFile(_Frozen):
    """The whole of `config/sources.yaml`."""

    sources: dict[str, Source]

    @field_validator("sources")
    @classmethod
    def _plain_names(cls, value: dict[str, Source]) -> dict[str, Source]:
        wrong = [name for name in value if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]
        if wrong:
            raise ValueError(f"{wrong}: a source's name is lower case letters, digits and _")
        return value


def moment(value: float | datetime | date | str) -> datetime:
    """Return a bound of a time as naive UTC; a bare date is midnight in the settings' time zone."""
    return parse_as_of(value if isinstance(value, datetime) else str(value)).at


def _portable_expression(text: str) -> str:
    try:
        statement = sqlglot.select(text, dialect="duckdb").sql("duckdb")
    except sqlglot.errors.ParseError as error:
        raise ValueError(f"not readable as SQL: {error}") from error
    problems = lint(statement)
    if problems:
        raise ValueError(f"not in the portable SQL subset: {'; '.join(problems)}")
    return text


def derived_columns(source: Source, table: Table) -> dict[str, str]:
    """Return each `*_epoch` column that is computed from its mapped `*_at` column."""
    pairs = {name: name.removesuffix(DERIVED) + "_at" for name in table.column_names if name.endswith(DERIVED)}
    return {epoch: at for epoch, at in pairs.items() if at in source.columns and epoch not in source.columns}
