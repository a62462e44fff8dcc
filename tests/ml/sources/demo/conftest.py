"""The demo's files, written once for all tests here, and a small panel for tests that write several times."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.sources.demo import writing
from ml.sources.demo.journey import TABLES, package_data


@dataclass(frozen=True)
class Raw:
    """Query the raw files: `{crm_contacts}` and the like stand for the files."""

    folder: Path

    @property
    def names(self) -> dict[str, str]:
        panel = {name: f"'{self.folder}/complete_journey/{name}.parquet'" for name in TABLES}
        truth = {f"truth_{name}": f"'{self.folder}/truth/truth_{name}.parquet'" for name in self.truths}
        return (
            panel
            | truth
            | {
                "crm_contacts": f"read_csv('{self.folder}/companion/crm_contacts.csv.gz', all_varchar=true)",
                "consents": f"read_json('{self.folder}/companion/consents.jsonl')",
                "web_events": f"'{self.folder}/companion/web_events/*.parquet'",
                "messages": f"'{self.folder}/companion/messages/*.parquet'",
            }
        )

    truths = ("duplicates", "devices", "sessions", "consents")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            return connection.execute(query.format(**self.names)).fetchall()

    def one(self, query: str) -> Any:
        row = self.rows(query)[0]
        return row[0] if len(row) == 1 else row

    @property
    def expected(self) -> dict[str, int]:
        return json.loads((self.folder / "truth" / "truth_expected.json").read_text())


@pytest.fixture(scope="session")
def raw(full_demo: Path) -> Raw:
    """The whole demo, as `make demo` gets it."""
    return Raw(full_demo / "demo" / "raw")


@pytest.fixture(scope="session")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the package's, with every tenth household."""
    folder = tmp_path_factory.mktemp("panel")
    for name in TABLES:
        table = pq.read_table(package_data() / f"{name}.parquet")
        if "household_id" in table.column_names:
            table = table.filter(pc.is_in(table["household_id"], value_set=pa.array(np.arange(0, 2501, 10))))
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


@pytest.fixture
def small(panel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `write_demo` read the small panel."""
    monkeypatch.setattr(writing, "package_data", lambda: panel)
    return panel
