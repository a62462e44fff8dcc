"""The door: rows come in as they were delivered and leave typed and checked, or with the rule they broke.

It is a DuckDB of its own in memory (spilling to a temporary folder), whatever the warehouse, so that every
warehouse gets the same rows. The SQL is in `sql/1_staging/door/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ml.errors import ConfigError
from ml.settings import settings
from ml.sources.mapping import (
    DoorColumn,
    all_columns,
    door_columns,
    fragment,
    origin_of,
    quoted,
)
from ml.sources.readers import Rows, door_sql, readable
from ml.sources.spec import Source, derived_columns
from ml.sources.tally import Tally
from ml.sql import identifier, table

MEMORY_LIMIT = "1GB"


class Door:
    """One load of one source: `take` each delivery, `settle` them together, then read what came out."""

    def __init__(self, name: str, source: Source, folder: Path) -> None:
        self.name, self.source, self.table = name, source, table(source.table)
        self.connection = connect(folder)
        self._taken: list[str] = []
        self._columns: list[DoorColumn] = []
        self._references: list[dict[str, Any]] = []

    def close(self) -> None:
        """Let go of the temporary file."""
        self.connection.close()

    def look_up(self, found: dict[str, pa.Table]) -> None:
        """Make values of other staging tables known: for each column a table of `key` and `value`."""
        for column, values in found.items():
            self.connection.from_arrow(values).create(f"lookup_{column}")

    def take(self, number: int, place: str) -> None:
        """Map and check the rows in `raw`. Raises `SourceError` when they cannot be read to the end."""
        self._columns = door_columns(self.source, self.table, self._types(place))
        mapped = self.connection.sql(door_sql("map", file=number, columns=self._columns, **self._map_parameters()))
        rows = f"mapped_{number}"
        with readable(place):
            mapped.create(rows)  # a table of its own: inserting a relation takes two and a half times as long
        self._taken.append(rows)

    def settle(self, known: dict[str, pa.Table], taken: pa.Table | None = None) -> None:
        """Group, check references against `known` (one column `value` each) and find repeated keys.

        `taken` holds, in a column `value`, the keys that other sources have put into the same table.
        """
        self.connection.sql(door_sql("mapped", taken=self._taken)).create_view("mapped")
        if self.source.group:
            made = [column for column in self._all_columns() if column.made]
            self.connection.sql(door_sql("group", columns=made)).create("grouped")
        self._references = [self._reference(column, found) for column, found in known.items()]
        keys = [column for column in self.table.key if column != "source_name"]
        if taken is not None:
            self.connection.from_arrow(taken).create("taken")
        refer = door_sql(
            "refer",
            rows="grouped" if self.source.group else "mapped",
            references=self._references,
            taken=taken is not None,
            key=identifier(keys[0]),
            key_label=keys[0],
        )
        self.connection.sql(refer).create_view("referred")
        repeated = door_sql("repeated", key=[identifier(key) for key in keys], latest_by=self.source.latest_by)
        self.connection.sql(repeated).create("repeated")
        verdict = {"refuse": "rule", "leave_out": "left_out"}[self.source.duplicates]
        words = {"rule": f"{'+'.join(keys)}:repeated", "left_out": "repeated"}[verdict]
        self.connection.sql(door_sql("settle", **{"rule": None, "left_out": None, verdict: words})).create_view(
            "settled"
        )

    def tallies(self) -> dict[int, Tally]:
        """Return what became of the rows, by the number of the delivery."""
        tallies: dict[int, Tally] = {}
        for number, left_out, rule, count, _ in self._counts(self._judged[0]):
            tally = tallies.setdefault(number, Tally())
            tally.read += count
            tally.note(left_out, rule, count)
        for number, left_out, rule, count, money in self._counts("settled", self.source.money):
            if left_out is None and rule is None:
                tallies[number].loaded, tallies[number].money_cents = count, money
            elif self.source.group:
                tallies[number].note(left_out, rule, count)
        for number, warning, count in self._warnings():
            tallies[number].warnings[warning] += count
        return tallies

    def accepted(self, chunk_rows: int) -> Iterator[pa.Table]:
        """Yield the good rows with the columns of the staging table, at most `chunk_rows` at a time."""
        query = door_sql("accepted", columns=self._all_columns())
        held: list[pa.RecordBatch] = []
        for batch in self.connection.sql(query).to_arrow_reader(chunk_rows):
            if held and sum(b.num_rows for b in held) + batch.num_rows > chunk_rows:
                yield pa.Table.from_batches(held)
                held = []
            held.append(batch)
        if held:
            yield pa.Table.from_batches(held)

    def refused(self, rows: Rows, number: int, file_name: str) -> pa.Table:
        """Return the refused rows of the delivery in `raw`: row_id, row_number, row_json, rule."""
        columns = [{"key": name, "name": quoted(name)} for name in rows.columns]
        query = door_sql(
            "refused", file=number, judged=self._judged, columns=columns, source_name=self.name, file_name=file_name
        )
        return self.connection.sql(query).to_arrow_table()

    @property
    def _judged(self) -> list[str]:
        """The relations that hold verdicts: on rows as delivered and, after grouping, on groups."""
        return ["mapped", "settled"] if self.source.group else ["settled"]

    def _all_columns(self) -> list[DoorColumn]:
        return all_columns(self.source, self.table, self.name)

    def _map_parameters(self) -> dict[str, Any]:
        derived = derived_columns(self.source, self.table)
        return {
            "derived": [{"name": identifier(epoch), "at": identifier(at)} for epoch, at in derived.items()],
            "left_out": [{"name": name, "condition": fragment(c)} for name, c in self.source.leave_out.items()],
        }

    def _types(self, place: str) -> dict[str, str]:
        return {
            name: self._type(name, place)
            for name, mapping in self.source.columns.items()
            if "constant" not in mapping.model_fields_set
        }

    def _type(self, name: str, place: str) -> str:
        given = door_sql("given", origins=[origin_of(name, self.source.columns[name])])
        try:
            return str(self.connection.sql(given).types[0])
        except duckdb.Error as error:
            reason = str(error).split("\n", maxsplit=1)[0]
            key = f"sources.{self.name}.columns.{name}"
            raise ConfigError(f"config/sources.yaml: {key} does not fit {place}: {reason}") from error

    def _reference(self, column: str, known: pa.Table) -> dict[str, Any]:
        relation = f"known_{column}"
        self.connection.from_arrow(known).create(relation)
        return {
            "name": identifier(column),
            "known": identifier(relation),
            "label": column,
            "on_fail": self.source.references[column].on_fail,
            "flag": fragment(f"_unknown_{column}"),
        }

    def _counts(self, rows: str, money: str | None = None) -> list[tuple[Any, ...]]:
        return list(self.connection.sql(door_sql("counts", rows=rows, money=money)).fetchall())

    def _warnings(self) -> list[tuple[int, str, int]]:
        flags = [
            {
                "rows": self._judged[0],
                "label": c.label,
                "check": c.failure,
                "raised": fragment(f"{c.failure} IS NOT NULL"),
            }
            for c in self._columns
            if c.on_fail != "refuse"
        ] + [
            {"rows": "settled", "label": r["label"], "check": "reference", "raised": r["flag"]}
            for r in self._references
            if r["on_fail"] != "refuse"
        ]
        return list(self.connection.sql(door_sql("warnings", flags=flags)).fetchall()) if flags else []


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that neither downloads extensions nor takes more than its share of memory."""
    config: dict[str, Any] = {
        "threads": settings().threads,
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(folder),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET enable_progress_bar = false")
    # It moves a part that two TRY() share out of both (DuckDB 2.0), so that one bad row fails the file.
    connection.execute("SET disabled_optimizers = 'common_subexpressions'")
    return connection
