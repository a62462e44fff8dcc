"""One small demo: run twice, looked at in a browser, and held beside one that was killed in each of its stages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from ml.settings import PROJECT_DIR, settings
from ml.sql import load_tables
from ml.warehouse import Warehouse
from orchestration import summary
from tests.e2e.browser import DESKTOP, PHONE, a_page, chromium, fits, log_in, see
from tests.e2e.stages import STAGES
from tests.e2e.world import SEGMENTS, households

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

# When something ran, under which run's name, and where its report lies differ between any two runs.
DIFFERS = {
    "loaded_at", "load_id", "run_id", "updated_at", "started_at", "ended_at", "quarantined_at", "merged_at", "at",
    "report_path", "report", "created_at_run", "recorded_run_id", "seconds", "assigned_at", "evaluated_at",
    "proposed_at", "decided_at",
}  # fmt: skip
SUMMARY = ["as_of", "counts", "revenue_cents", "models", "drift", "segments", "syncs", "timings", "peak_rss_mb"]
# Histories of attempts: a killed attempt is part of them.
HISTORIES = {"sync_records", "sync_runs", "source_loads", "drift_runs", "training_snapshots"}


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


@dataclass(frozen=True)
class Demo:
    """A home folder in which the demo ran twice, and one in which it was killed in each stage."""

    home: Path
    config: Path
    killed: Path


@pytest.fixture(scope="module")
def demo(full_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The small world, run through every stage twice, and killed on its way."""
    home = tmp_path_factory.mktemp("small") / "home"
    config = home / "config"
    env = os.environ | {"AUDIENCEFLOW_HOME": str(home), "AUDIENCEFLOW_CONFIG_DIR": str(config)}
    env["AUDIENCEFLOW_BACKTESTS"] = "automatic"
    for name in ("AIRFLOW_HOME", "WAREHOUSE_URL", "MLFLOW_TRACKING_URI"):  # MLflow itself sets the last, in any test
        env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.stages", str(full_demo)],
        env=env,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return Demo(home, config, home.with_name("killed"))


def test_a_demo_says_what_it_did_and_sends_nothing_the_second_time(demo, full_demo):
    first = json.loads((demo.home / "first.json").read_text())
    second = summary.read(demo.home / "demo" / "summary.json")
    assert list(first) == SUMMARY
    assert first["as_of"] == second["as_of"] == "2018-01-01T05:00:00+00:00"
    assert first["counts"] == second["counts"]
    assert first["counts"]["customers"] == len(households(full_demo))
    assert first["models"]["churn_28d"]["alias"] == "champion"
    assert set(first["timings"]) >= set(STAGES)
    pushed = {one["segment"]: (one["adds"], one["updates"], one["removes"]) for one in second["syncs"]}
    assert pushed == dict.fromkeys((*SEGMENTS, "at_risk"), (0, 0, 0))
    assert all(one["adds"] == one["confirmed"] > 0 for one in first["syncs"])


def test_a_demo_killed_in_each_stage_ends_as_if_nothing_had_happened(demo):
    assert json.loads((demo.killed / "killed.json").read_text()) == STAGES

    whole, killed = (Warehouse(f"duckdb:///{folder}/warehouse.duckdb") for folder in (demo.home, demo.killed))
    with whole.held(), killed.held():
        compared = [name for name in load_tables() if name not in HISTORIES and whole.exists(name)]
        assert len(compared) > 25
        for name in compared:
            _same(name, _frame(whole, name), _frame(killed, name))
    lists = _crm(demo.home)
    assert any(lists.values())
    assert lists == _crm(demo.killed)


@pytest.fixture
def services(demo: Demo, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """`make up` over the small demo, on free ports: the address of each service and Airflow's password."""
    from orchestration import services as running
    from orchestration.processes import free_port

    monkeypatch.setenv("AUDIENCEFLOW_HOME", str(demo.home))
    monkeypatch.setenv("AUDIENCEFLOW_CONFIG_DIR", str(demo.config))
    for number, name in enumerate(("AIRFLOW", "MLFLOW", "SANDBOX")):
        monkeypatch.setenv(f"AUDIENCEFLOW_{name}_PORT", str(free_port(24080 + 100 * number, width=3)))
    settings.cache_clear()
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    command = [sys.executable, "-m", "orchestration.services"]
    try:
        subprocess.run([*command, "up"], env=env, check=True)
        places = {service.name: service.address for service in running.register().services()}
        yield {**places, "password": running.password()}
    finally:
        subprocess.run([*command, "down"], env=env, check=True)


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: install the package chromium")
def test_a_person_sees_the_dags_green_the_models_and_the_members(services):
    with a_page(DESKTOP) as page:
        log_in(page, services["Airflow"], services["password"])
        see(page, f"{services['Airflow']}/dags", "10 Dags")
        for stage in STAGES:
            see(page, f"{services['Airflow']}/dags/{stage}", stage)
            badge = page.get_by_text("Latest Run").locator("..").get_by_test_id("state-badge")
            expect(badge).to_have_attribute("aria-label", "success")
        see(page, f"{services['MLflow']}/#/models", "churn_28d")
        see(page, services["Sandbox CRM"], "Audienceflow at_risk")
        page.set_viewport_size(PHONE)
        see(page, services["Sandbox CRM"], "Audienceflow at_risk")
        assert fits(page)
