"""The SQL layer: values become literals, references are checked, and the YAML is strict."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import ConfigError
from ml.sql import literal, load_tables, render_file, table

YAML = """
description: Things. One row per thing.
grain: thing
key: [k]
{extra}
columns:
  - {{name: k, type: BIGINT, description: The key.}}
"""


def _folder(tmp_path: Path, **tables: str) -> Path:
    for name, extra in tables.items():
        folder = tmp_path / "1_staging"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(YAML.format(extra=extra))
    return tmp_path


def test_tables_come_upstream_first(tmp_path):
    tables = load_tables(_folder(tmp_path, a="reads: [b]", b="reads: [c]", c=""))
    assert list(tables) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"a": "reads: [b]"}, "reads 'b', which does not exist"),
        ({"a": "reads: [b]", "b": "reads: [a]"}, "circle"),
        ({"a": "partition: [day]"}, "'day' is not one of its columns"),
        ({"a": "partitions: [k]"}, "did you mean partition"),
    ],
)
def test_a_wrong_yaml_is_refused(tmp_path, tables, words):
    with pytest.raises(ConfigError, match=words):
        load_tables(_folder(tmp_path, **tables))


def test_a_sql_file_without_its_yaml_is_refused(tmp_path):
    _folder(tmp_path, a="")
    (tmp_path / "1_staging" / "lonely.sql").write_text("SELECT 1 AS k")
    with pytest.raises(ConfigError, match=r"no lonely\.yaml beside it"):
        load_tables(tmp_path)


def test_an_unknown_table_names_the_nearest(home):
    with pytest.raises(ConfigError, match="did you mean stg_orders"):
        table("stg_order")


def test_values_become_literals():
    assert literal(datetime(2018, 1, 1, 5)) == "TIMESTAMP '2018-01-01 05:00:00'"
    assert literal(["a", 1, None, True]) == "'a', 1, NULL, TRUE"
    assert literal(0.5) == "CAST(0.5 AS DOUBLE)"


@given(st.text().filter(lambda text: "\x00" not in text))
def test_a_text_cannot_break_out_of_its_literal(text):
    import duckdb

    assert duckdb.sql(f"SELECT {literal(text)}").fetchall() == [(text,)]


def test_a_missing_parameter_is_named(home, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIENCEFLOW_SQL_DIR", str(tmp_path))
    from ml.settings import settings

    settings.cache_clear()
    (tmp_path / "q.sql").write_text("SELECT {{ horizon }} AS h, {{ as_of_epoch }} AS e, {{ name | identifier }} FROM t")
    assert render_file(Path("q.sql"), horizon=28, as_of=datetime(1970, 1, 2), name="x").startswith(
        "SELECT 28 AS h, 86400"
    )
    with pytest.raises(ConfigError, match="'horizon' is undefined; pass it"):
        render_file(Path("q.sql"), as_of=datetime(1970, 1, 2), name="x")
    with pytest.raises(ConfigError, match="not a plain lower-case name"):
        render_file(Path("q.sql"), horizon=1, as_of=datetime(1970, 1, 2), name="x; DROP TABLE t")
