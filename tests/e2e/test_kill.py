"""Every stage is killed on its way and started again: the warehouse and the CRM end as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.settings import PROJECT_DIR, settings
from ml.sql import load_tables
from ml.warehouse import Warehouse
from tests.e2e.stages import STAGES
from tests.e2e.world import write_world

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

# When something ran, under which run's name, and where its report lies differ between any two runs.
DIFFERS = {
    "loaded_at", "load_id", "run_id", "updated_at", "started_at", "ended_at", "quarantined_at", "merged_at", "at",
    "report_path", "report", "created_at_run", "recorded_run_id", "seconds", "assigned_at", "evaluated_at",
}  # fmt: skip
# Histories of attempts: a killed attempt is part of them.
HISTORIES = {"sync_records", "sync_runs", "source_loads", "drift_runs", "training_snapshots"}


def _run(how: list[str], home: Path, config: Path) -> None:
    env = os.environ | {"AUDIENCEFLOW_HOME": str(home), "AUDIENCEFLOW_CONFIG_DIR": str(config)}
    env.pop("AIRFLOW_HOME", None)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.stages", *how],
        env=env,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def _frame(warehouse: Warehouse, name: str) -> pd.DataFrame:
    rows = warehouse.read(name)
    kept = [column for column in rows.columns if column not in DIFFERS]
    return rows[kept].sort_values(kept, ignore_index=True)


def _same(name: str, one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert len(one) == len(other), name
    for column in one.columns:
        left, right = one[column], other[column]
        if str(left.dtype).startswith("double"):
            a, b = left.to_numpy("float64", na_value=np.nan), right.to_numpy("float64", na_value=np.nan)
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9, err_msg=f"{name}.{column}")
        else:
            assert left.equals(right), f"{name}.{column}"


def _crm(home: Path) -> dict[str, set[str]]:
    """Return the addresses on each list of the sandbox CRM."""
    from activation.sandbox.state import Journal

    journal = Journal(home / "sandbox" / "hubspot.jsonl")
    state = journal.state
    journal.close()
    return {
        found["name"]: {state.contacts[record]["email"] for record in state.members[list_id]}
        for list_id, found in state.lists.items()
    }


def test_a_demo_killed_in_each_stage_ends_as_if_nothing_had_happened(tmp_path_factory, home):
    full = tmp_path_factory.mktemp("full")
    homes = {name: tmp_path_factory.mktemp(name) for name in ("whole", "killed")}
    configs = {name: write_world(folder, full) for name, folder in homes.items()}
    _run(["whole"], homes["whole"], configs["whole"])
    _run(["killed", str(homes["whole"] / "seconds.json")], homes["killed"], configs["killed"])
    assert len(json.loads((homes["killed"] / "killed.json").read_text())) >= len(STAGES) - 2

    settings.cache_clear()
    load_tables.cache_clear()
    whole, killed = (Warehouse(f"duckdb:///{folder}/warehouse.duckdb") for folder in homes.values())
    compared = [name for name in load_tables() if name not in HISTORIES and whole.exists(name)]
    assert len(compared) > 25
    for name in compared:
        _same(name, _frame(whole, name), _frame(killed, name))
    lists = _crm(homes["whole"])
    assert any(lists.values())
    assert lists == _crm(homes["killed"])
