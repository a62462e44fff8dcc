"""The section that shows what the fitting reports of itself: choices made, and figures by family."""

from __future__ import annotations

from collections.abc import Mapping

from ml.models.page.parts import Facts, Row, Section, Table
from ml.models.page.words import figure


def fitting(told: Mapping[str, str], measured: Mapping[str, float]) -> Section:
    """Return what was told as facts, and figures named `family.row.column` as one table a family."""
    families: dict[str, dict[str, dict[str, float]]] = {}
    for name, value in measured.items():
        family, row, column = (*name.split(".", 2), "", "")[:3]
        families.setdefault(family, {}).setdefault(row, {})[column] = value
    facts = (Facts({_worded(name): str(value) for name, value in told.items()}),) if told else ()
    tables = (_table(family, rows) for family, rows in families.items())
    lead = "What was tried before the test, on data that the test has nothing to do with."
    return Section("How it was fitted", lead, (*facts, *tables))


def _table(family: str, rows: Mapping[str, Mapping[str, float]]) -> Table:
    columns = sorted(dict.fromkeys(column for values in rows.values() for column in values), key=bool)  # plain first
    made = [Row((name, *(figure(values.get(c, float("nan"))) for c in columns))) for name, values in rows.items()]
    return Table((family, *(_worded(column) or "value" for column in columns)), tuple(made))


def _worded(name: str) -> str:
    return name.replace(".", ", ").replace("_", " ")
