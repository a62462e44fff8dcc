"""The checks of a table's YAML, run on the partition that was just written, inside its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ml import schema
from ml.sql import Column, Table

if TYPE_CHECKING:
    from ml.engines import Engine, Session


def run(session: Session, spec: Table, partition: Mapping[str, Any], engine: Engine) -> tuple[int, list[str]]:
    """Return the rows of the partition and what is wrong with them, in words with example keys."""
    broken = _broken_conditions(spec)
    counts = [sa.func.count(), *(_total(condition) for _, condition in broken)]
    statement = sa.select(*(c.label(f"c{i}") for i, c in enumerate(counts)))
    statement = statement.select_from(schema.core(spec)).where(*schema.conditions(spec, partition))
    found = session.arrow(schema.compile_literal(statement, engine)).to_pylist()[0]
    problems = [
        f"{found[f'c{i}']} rows where {words}, such as {_example(session, spec, partition, condition, engine)}"
        for i, (words, condition) in enumerate(broken, start=1)
        if found[f"c{i}"]
    ]
    return int(found["c0"]), problems + _repeated(session, spec, partition, engine)


def _total(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    # A bare SUM has no type that both engines agree on.
    return sa.cast(sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0), sa.BigInteger)


def _broken_conditions(spec: Table) -> list[tuple[str, sa.ColumnElement[bool]]]:
    found = []
    for column in spec.columns:
        found += _broken(spec, column)
    return found


def _broken(spec: Table, column: Column) -> list[tuple[str, sa.ColumnElement[bool]]]:
    value, checks = schema.core(spec).c[column.name], column.checks
    found: list[tuple[str, sa.ColumnElement[bool]]] = []
    if checks.not_null or column.name in spec.key:
        found.append((f"{column.name} is missing", value.is_(None)))
    if checks.between:
        low, high = checks.between
        found.append((f"{column.name} is outside {low:g} to {high:g}", sa.or_(value < low, value > high)))
    if checks.allowed:
        allowed = list(checks.allowed)
        found.append((f"{column.name} is not one of {allowed}", value.not_in(allowed)))
    return found


def _example(
    session: Session,
    spec: Table,
    partition: Mapping[str, Any],
    condition: sa.ColumnElement[bool],
    engine: Engine,
) -> str:
    keys = [schema.core(spec).c[name] for name in spec.key]
    statement = sa.select(*keys).where(condition, *schema.conditions(spec, partition)).order_by(*keys).limit(1)
    rows = session.arrow(schema.compile_literal(statement, engine)).to_pylist()
    return ", ".join(f"{k}={v}" for k, v in rows[0].items())


def _repeated(session: Session, spec: Table, partition: Mapping[str, Any], engine: Engine) -> list[str]:
    sets = [spec.key, *((c.name,) for c in spec.columns if c.checks.unique and (c.name,) != spec.key)]
    problems = []
    for names in sets:
        # Several partitions may be checked at once; unique is meant within each.
        keys = [schema.core(spec).c[name] for name in dict.fromkeys((*names, *spec.partition))]
        statement = sa.select(*keys, sa.func.count().label("times")).where(*schema.conditions(spec, partition))
        statement = statement.group_by(*keys).having(sa.func.count() > 1).limit(1)
        rows = session.arrow(schema.compile_literal(statement, engine)).to_pylist()
        if rows:
            shown = ", ".join(f"{k}={v}" for k, v in rows[0].items())
            problems.append(f"{'+'.join(names)} is not unique, such as {shown}")
    return problems
