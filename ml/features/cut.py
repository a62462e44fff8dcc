"""SQL over sources that end at a point in time: what it would say if nothing later had been recorded.

A statement of `sql/` is taken as it is; only the tables that it reads are replaced. A source is cut at its first
`*_epoch` column, which says when its rows happened. A table of the same stage is replaced by its own statement over
cut sources, so that nothing stored has a part in the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from ml.errors import ConfigError
from ml.sql import Table, load_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.times import AsOf

_DIALECT = "duckdb"  # of the files in sql/
_LAST = "last"


def statements(found: Table, **params: Any) -> dict[str, str]:
    """Return the SELECT of each table of the same stage that a table needs, by name, its own last."""
    tables, wanted = load_tables(), {found.name}
    for name in reversed(tables):
        if name in wanted:
            wanted |= {read for read in tables[name].reads if tables[read].stage == found.stage}
    return {name: tables[name].render(**params) for name in tables if name in wanted}


def cut(texts: Mapping[str, str], until: AsOf, parts: int = 1) -> str:
    """Return the last of some SELECTs, each reading the ones before it, over sources without rows at or after `until`.

    One statement of the portable subset, for `Warehouse.select_text`; it writes nothing. All rows are computed, and
    those of every `parts`-th customer returned.
    """
    *before, last = texts
    made = {name: _parse(text) for name, text in texts.items()}
    epochs = _epochs()
    read = {name for query in made.values() for name in _repoint(query, {*before, *epochs})}
    whole = exp.select("*").from_(made[last].subquery(_LAST))
    query = whole if parts == 1 else whole.where((exp.column("customer_key") % parts).eq(0))
    for name in sorted(read - {*before}):
        query = query.with_(_aside(name), as_=_until(name, epochs[name], until))
    for name in before:
        query = query.with_(_aside(name), as_=made[name])
    return query.sql(_DIALECT)


def _parse(text: str) -> exp.Query:
    found = sqlglot.parse_one(text, read=_DIALECT)
    if not isinstance(found, exp.Query):
        raise ConfigError(f"A file of sql/ holds one SELECT, not {text[:60]!r}")
    return found


def _epochs() -> dict[str, str]:
    """Return the column that says when a table's rows happened, by table."""
    first: dict[str, str] = {}
    for name, found in load_tables().items():
        column = next((column for column in found.column_names if column.endswith("_epoch")), None)
        if column:
            first[name] = column
    return first


def _repoint(query: exp.Query, names: set[str]) -> set[str]:
    """Let a statement read the replacement of each of `names`; return those that it reads."""
    own = {part.alias for part in query.find_all(exp.CTE)}
    found = [node for node in query.find_all(exp.Table) if node.name in names - own]
    read = {node.name for node in found}
    for node in found:
        node.replace(exp.to_table(_aside(node.name), alias=node.alias or node.name))
    return read


def _until(name: str, epoch: str, until: AsOf) -> exp.Select:
    return exp.select("*").from_(name).where(exp.column(epoch) < exp.Literal.number(until.epoch))


def _aside(name: str) -> str:
    return f"{name}_cut"
