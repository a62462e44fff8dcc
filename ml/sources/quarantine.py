"""Refused rows are kept: as they came, with the rule they broke and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ml.sources.spec import Source
from ml.sql import table

_WORDS = {
    "type": "{column} cannot be read as {wanted}",
    "required": "{column} is missing",
    "nul_byte": "{column} holds a NUL byte",
    "between": "{column} is outside {bounds}",
    "in": "{column} is not one of {allowed}",
    "matches": "{column} does not match {matches}",
    "format": "{column} is not a valid {format}",
    "contract": "{column} breaks the staging contract (sql/1_staging/{table}.yaml)",
    "reference": "{column} is not in {reference}; load that source first, the file is then read again by itself",
    "same": "{column} differs between the rows of one {group}",
    "repeated": "another row has the same {column}; the latest one was kept",
    "taken": "another source has loaded the same {column}; give one of them a prefix",
    "csv": "the line cannot be split into the columns of the header (a stray quote, separator or byte)",
    "json": "the line is not a JSON object",
}
_KINDS = {"BIGINT": "a number", "INTEGER": "a whole number", "DOUBLE": "a number", "TIMESTAMP": "a time"}
_NEXT = "Mend the row in {file}, or the mapping in config/sources.yaml (sources.{source})"


@dataclass(frozen=True)
class Place:
    """Where refused rows came from: a source, its file and the load that refused them (naive UTC)."""

    name: str
    source: Source
    file_name: str
    load_id: str
    now: datetime

    def rows(self, refused: pa.Table) -> pa.Table:
        """Return the rows of `quarantined_rows` for refused rows with row_id, row_number, row_json and rule."""
        rules = refused.column("rule").combine_chunks().dictionary_encode()
        messages = pa.array([self.message(rule) for rule in rules.dictionary.to_pylist()], pa.string())
        columns = {column: refused.column(column) for column in ("row_id", "row_number", "row_json", "rule")}
        columns["message"] = messages.take(rules.indices)
        same = {
            "source_name": self.name,
            "file_name": self.file_name,
            "table_name": self.source.table,
            "load_id": self.load_id,
            "quarantined_at": self.now,
        }
        columns |= {column: pa.repeat(pa.scalar(value), refused.num_rows) for column, value in same.items()}
        return pa.table(columns)

    def message(self, rule: str) -> str:
        """Return what was wrong, where, and what to do next, for a rule such as `amount_cents:type`."""
        column, check = rule.rsplit(":", 1)
        mapping = self.source.columns.get(column)
        words = _WORDS[check].format(
            column=column,
            wanted=self._wanted(column),
            bounds=" to ".join(str(bound) for bound in (mapping and mapping.between) or ()),
            allowed=", ".join(str(value) for value in (mapping and mapping.allowed) or ()),
            matches=mapping and mapping.matches,
            format=mapping and mapping.format,
            table=self.source.table,
            reference=getattr(self.source.references.get(column), "table", ""),
            group=", ".join(table(self.source.table).key),
        )
        return f"{words}. {_NEXT.format(file=self.file_name, source=self.name)}."

    def _wanted(self, column: str) -> str:
        kind = next((c.type for c in table(self.source.table).columns if c.name == column), "VARCHAR")
        return _KINDS.get(kind, kind.lower())
