"""The SQL of a run: statements that are materialised one after the other, then one question a rule."""

from __future__ import annotations

from collections.abc import Iterator
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
    """Yield what computes the facts of a run, each stream read as often as it has shapes; last is `run_measured`.

    A stream's shapes are what is counted; the distinct values of each property; both again where they count since an
    event; the visits of each window; and all sequences together.
    """

    def statement(name: str, file: str, **params: object) -> Statement:
        return Statement(name, render_file(QUERIES / f"{file}.sql", dialect, **params))

    # What is counted since an event comes after what finds that event.
    for tallies in sorted(measures.tallies.values(), key=lambda one: bool(one.anchors)):
        yield statement(tallies.name, "distincts" if tallies.distinct else "tallies", of=tallies)
    for visits in measures.visits.values():
        yield statement(visits.name, "visits", of=visits)
    if measures.sequences:
        yield statement("run_happened", "happened", of=measures.happened)
    for sequence, name in measures.sequences.items():
        yield statement(name, "sequence", of=sequence, seen=measures.happened)
    yield statement("run_measured", "measured", of=measures, as_of=measures.as_of)


class Told(NamedTuple):
    """The tables that tell of other segments, by segment.

    `members`: customer_key, entered_at. `moves`: customer_key, change, moved_epoch, one row for each entry and exit.
    """

    members: dict[str, str]
    moves: dict[str, str]


def judge(plan: Plan, told: Told, customer_key: int | None = None, dialect: Dialect = "duckdb") -> str:
    """Return a rule's question over `run_measured`: one row a member, or one row for `customer_key`, member or not.

    Columns of the rows: customer_key, the values of the conditions, for each condition whether it holds, and the
    points of each weighted sum in millionths of thousandths.
    """
    tables = {"members": told.members, "moves": told.moves}
    return render_file(QUERIES / "judged.sql", dialect, plan=plan, customer_key=customer_key, **tables)
