"""Each table of a stage gives the rows of its golden cases, on DuckDB and on PostgreSQL."""

from pathlib import Path

import pytest

from ml.settings import PROJECT_DIR
from ml.sql import load_tables
from ml.warehouse import Warehouse
from tests.sql.golden import cases, load_case, run_case

STAGES = sorted({found.stage for found in load_tables(PROJECT_DIR / "sql").values() if found.sql})
CASES = {stage: cases(Path(__file__).parent / stage / "cases") for stage in STAGES}
EVERY = [path for paths in CASES.values() for path in paths]


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_rows(path: Path, warehouse: Warehouse):
    """The rows are those that the case expects."""
    case = load_case(path)
    assert run_case(warehouse, case) == case["expect"]


@pytest.mark.parametrize("stage", CASES)
def test_every_sql_table_has_a_case(stage: str):
    """No SELECT of the stage goes without a golden case."""
    tables = {name for name, found in load_tables().items() if found.stage == stage and found.sql}
    assert tables == {load_case(path)["table"] for path in CASES[stage]}
