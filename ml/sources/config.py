"""Read `config/sources.yaml` and hold it against the staging tables before anything is read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from ml.config import did_you_mean, read_yaml
from ml.errors import ConfigError
from ml.settings import settings
from ml.sources.spec import DERIVED, ColumnMapping, Source, SourcesFile, derived_columns, moment
from ml.sql import Table, load_tables


def load_sources(path: Path | None = None) -> dict[str, Source]:
    """Return the sources by name, referenced tables first.

    Raises `ConfigError` naming file, key and nearest name for whatever does not fit the staging tables.
    """
    place = path or settings().config_dir / "sources.yaml"
    changed = place.stat().st_mtime_ns if place.exists() else 0
    return _load_sources(place, changed, settings().sql_dir)


@lru_cache(maxsize=8)
def _load_sources(place: Path, _changed: int, _sql_dir: Path) -> dict[str, Source]:
    sources = read_yaml(place, SourcesFile).sources
    problems = [
        f"sources.{name}.{words}" for name, source in sources.items() for words in _problems(source, load_tables())
    ]
    if problems:
        raise ConfigError(f"{place}:\n  " + "\n  ".join(problems))
    return _in_order(sources, place)


def _in_order(sources: dict[str, Source], place: Path) -> dict[str, Source]:
    fills: dict[str, list[str]] = {}
    for name, source in sources.items():
        fills.setdefault(source.table, []).append(name)
    graph = {
        name: [other for needed in sorted(source.upstream) for other in fills.get(needed, []) if other != name]
        for name, source in sources.items()
    }
    try:
        return {name: sources[name] for name in TopologicalSorter(graph).static_order()}
    except CycleError as error:
        raise ConfigError(f"{place}: sources refer to each other in a circle: {error.args[1]}") from error


def _problems(source: Source, tables: dict[str, Table]) -> list[str]:
    staging = [name for name, found in tables.items() if found.stage == "1_staging" and name.startswith("stg_")]
    if source.table not in staging:
        return [f"table: there is no staging table {source.table!r}{did_you_mean(source.table, staging)}"]
    table = tables[source.table]
    return [
        *_column_problems(source, table),
        *_reference_problems(source, tables),
        *_time_problems(source, table),
        *([] if source.files is None or source.file_format else [f"files: {source.files!r}: name the format"]),
    ]


def _column_problems(source: Source, table: Table) -> list[str]:
    named: dict[str, Iterable[str]] = {"columns": source.columns, "references": source.references}
    named |= {key: [name] for key in ("latest_by", "money") if (name := getattr(source, key))}
    unknown = [
        f"{key}.{name}: {table.name} has no such column{did_you_mean(name, table.column_names)}"
        for key, names in named.items()
        for name in names
        if name not in table.column_names
    ]
    filled = {*source.columns, *derived_columns(source, table), "source_name"}
    absent = [c.name for c in table.columns if (c.checks.not_null or c.name in table.key) and c.name not in filled]
    return [*unknown, *(f"columns: {table.name} needs {name}; map it" for name in absent)]


def _reference_problems(source: Source, tables: dict[str, Table]) -> list[str]:
    problems = []
    for name, reference in source.references.items():
        if reference.table not in tables:
            problems.append(f"references.{name}: no table {reference.table!r}{did_you_mean(reference.table, tables)}")
        elif (reference.column or name) not in tables[reference.table].column_names:
            problems.append(f"references.{name}: {reference.table} has no column {reference.column or name!r}")
    for name, lookup in source.lookups.items():
        known = tables[lookup.table].column_names if lookup.table in tables else []
        if lookup.column not in known:
            problems.append(f"columns.{name}.lookup: there is no {lookup.table}.{lookup.column}")
    return problems


def _time_problems(source: Source, table: Table) -> list[str]:
    types = {column.name: column.type for column in table.columns}
    problems = []
    for name, mapping in source.columns.items():
        is_time = types.get(name) in ("TIMESTAMP", "DATE") or name.endswith(DERIVED)
        if (mapping.timezone or mapping.unit) and not is_time:
            problems.append(f"columns.{name}: timezone and unit are for times; {name} is {types.get(name)}")
        if mapping.between and is_time:
            problems += _bound_problems(name, mapping)
    return problems


def _bound_problems(name: str, mapping: ColumnMapping) -> list[str]:
    bounds: tuple[Any, ...] = mapping.between or ()
    try:
        low, high = [moment(bound) for bound in bounds]
    except ConfigError as error:
        return [f"columns.{name}.between: {error}"]
    return [] if low < high else [f"columns.{name}.between: {low} is not before {high}"]
