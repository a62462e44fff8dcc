"""Every table of `sql/`: documented, keyed, renderable, portable, and honest about what it reads."""

from datetime import datetime

import pytest
import sqlglot
from sqlglot import exp

from ml.features.targets import KINDS
from ml.portable import lint
from ml.profiles.config import ATTRIBUTES
from ml.settings import PROJECT_DIR
from ml.sql import Table, load_tables, render_file
from ml.times import parse_as_of
from tests.sql.samples import OF_RULES, query_samples

TABLES = load_tables(PROJECT_DIR / "sql")
WITH_SQL = [t for t in TABLES.values() if t.sql]
QUERIES = sorted(p.relative_to(PROJECT_DIR / "sql") for p in (PROJECT_DIR / "sql").glob("*/queries/*.sql"))
SAMPLES = {
    "int": 28,
    "float": 0.5,
    "str": "x",
    "list": ["x", "y"],
    "event_weights": [("page_view", 500_000), ("opened", -1)],
    "source_rankings": [["x", "y"], []],
    "attribute_rankings": [(name, index % 2) for index, name in enumerate(ATTRIBUTES)],
    "targets": {kind: ["x", "y"] for kind in KINDS},
    "timestamp": datetime(2018, 1, 1, 5),
    "BIGINT": 28,
    "INTEGER": 28,
    "VARCHAR": "x",
    "TIMESTAMP": datetime(2018, 1, 1, 5),
}
PARAMS = query_samples(parse_as_of("2018-01-01"))


def _sample(found: Table) -> dict[str, object]:
    types = {c.name: c.type for c in found.columns if c.name in found.partition} | found.spec.params
    return {name: SAMPLES[kind] for name, kind in types.items()}


def test_there_are_tables():
    assert len(TABLES) >= 25


@pytest.mark.parametrize("found", TABLES.values(), ids=TABLES)
def test_a_table_says_what_it_is(found):
    assert "ne row per" in found.description
    assert found.key
    assert all(column.description.strip() for column in found.columns)


@pytest.mark.parametrize("found", WITH_SQL, ids=lambda t: t.name)
def test_a_table_is_portable_and_parses_for_postgres(found):
    text = found.render("duckdb", **_sample(found))
    assert lint(text) == []
    sqlglot.parse_one(found.render("postgres", **_sample(found)), read="postgres")


@pytest.mark.parametrize("found", WITH_SQL, ids=lambda t: t.name)
def test_a_table_reads_what_its_yaml_says_and_nothing_else(found):
    statement = sqlglot.parse_one(found.render("duckdb", **_sample(found)), read="duckdb")
    made_inside = {cte.alias for cte in statement.find_all(exp.CTE)}
    read = {node.name for node in statement.find_all(exp.Table)} - made_inside
    assert {name for name in read if not name.startswith("landing_")} == set(found.reads)


@pytest.mark.parametrize("found", WITH_SQL, ids=lambda t: t.name)
@pytest.mark.parametrize("engine", ["spark", "snowflake", "bigquery", "databricks", "trino"])
def test_a_table_transpiles_to_other_engines(found, engine):
    text = sqlglot.transpile(found.render("duckdb", **_sample(found)), read="duckdb", write=engine)[0]
    assert sqlglot.parse_one(text, read=engine)


@pytest.mark.parametrize("path", [path for path in QUERIES if path.stem not in OF_RULES], ids=str)
def test_a_query_is_one_select_of_the_subset_and_parses_for_postgres(path):
    """However its parameters turn it."""
    for params in PARAMS.get(path.stem, [{}]):
        assert lint(render_file(path, **params)) == []
        sqlglot.parse_one(render_file(path, "postgres", **params), read="postgres")


def test_no_sample_outlives_its_query():
    assert OF_RULES | set(PARAMS) <= {path.stem for path in QUERIES}
