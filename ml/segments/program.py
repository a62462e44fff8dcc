"""The SQL of a run: statements that are materialised one after the other, then one question a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ml.segments.measures import Measures
from ml.segments.plan import Plan
from ml.sql import Dialect, render_file

QUERIES = Path("6_segments/queries")


class Statement(NamedTuple):
    """A SELECT and the name under which the statements after it find its rows."""

    name: str
    sql: str


def measure(measures: Measures, dialect: Dialect = "duckdb") -> Iterator[Statement]:
    """Yield what computes the facts of a run, each stream of events read once a shape; last is `run_measured`."""

    def statement(name: str, file: str, **params: object) -> Statement:
        return Statement(name, render_file(QUERIES / f"{file}.sql", dialect, **params))

    for tallies in measures.tallies.values():
        yield statement(tallies.name, "tallies", of=tallies)
    if measures.sequences:
        yield statement("run_happened", "happened", of=measures.happened)
    for sequence, name in measures.sequences.items():
        yield statement(name, "sequence", of=sequence, flags=measures.happened.flags)
    yield statement("run_measured", "measured", of=measures, as_of=measures.as_of)


def judge(plan: Plan, members: Mapping[str, str], customer_key: int | None = None, dialect: Dialect = "duckdb") -> str:
    """Return a rule's question over `run_measured`: one row a member, or one row for `customer_key`, member or not.

    Args:
        plan: what the rule asks.
        members: for each segment it names, the table with customer_key and entered_at of its members.
        customer_key: ask about this customer only.
        dialect: the engine.

    Columns of the rows: customer_key, the values of the conditions, and for each condition whether it holds.
    """
    tables = {source: members[segment] for segment, source in plan.memberships.items()}
    return render_file(QUERIES / "judged.sql", dialect, plan=plan, tables=tables, customer_key=customer_key)
