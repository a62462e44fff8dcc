"""Each table of 4_labels gives the rows of its golden cases, on DuckDB and on PostgreSQL."""

from pathlib import Path

import pytest

from ml.sql import load_tables
from ml.warehouse import Warehouse
from tests.sql.golden import cases, load_case, run_case

CASES = cases(Path(__file__).parent / "cases")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_rows(path: Path, warehouse: Warehouse):
    """The rows are those that the case expects."""
    case = load_case(path)
    assert run_case(warehouse, case) == case["expect"]


def test_every_sql_table_has_a_case():
    """No SELECT of the stage goes without a golden case."""
    tables = {name for name, found in load_tables().items() if found.stage == "4_labels" and found.sql}
    assert tables == {load_case(path)["table"] for path in CASES}
