"""The real scheduler: `01` is triggered over the REST API, the assets do the rest, and the CRM has the members."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from ml.settings import settings
from ml.warehouse import Warehouse
from tests.e2e.world import write_world

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

AS_OF = "2018-01-01T05:00:00+00:00"
CHAIN = [
    "ingest_sources",
    "build_profiles",
    "build_features",
    "watch_drift",
    "train_models",
    "score_customers",
    "build_segments",
    "sync_segments",
    "measure_uplift",
]
MINUTES = 8
FINISHED = {"success", "failed"}


class Airflow:
    """The REST API of a running Airflow, as its admin."""

    def __init__(self, address: str, password: str) -> None:
        self.address = address
        self._token = self._ask("POST", "/auth/token", {"username": "admin", "password": password})["access_token"]

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a DAG and return the run's id."""
        body = {"logical_date": None, "conf": conf}
        return str(self._ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def known(self) -> set[str]:
        """Return the DAGs that have been read so far: a healthy Airflow may not have seen the files yet."""
        return {found["dag_id"] for found in self._ask("GET", "/api/v2/dags?limit=100")["dags"]}

    def runs(self) -> list[dict[str, Any]]:
        """Return every run of every DAG, oldest first."""
        return self._ask("GET", "/api/v2/dags/~/dagRuns?limit=100&order_by=run_after")["dag_runs"]

    def tasks(self, run: dict[str, Any]) -> dict[str, str]:
        """Return the state of each task of a run."""
        place = f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances?limit=100"
        return {task["task_id"]: task["state"] for task in self._ask("GET", place)["task_instances"]}

    def _ask(self, verb: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"content-type": "application/json"}
        if path.startswith("/api"):
            headers["authorization"] = f"Bearer {self._token}"
        data = json.dumps(body).encode() if body is not None else None
        with urlopen(Request(self.address + path, data=data, headers=headers, method=verb), timeout=30) as response:
            return json.load(response)


@pytest.fixture
def warehouse_url(request: pytest.FixtureRequest, home: Path) -> str:
    """A DuckDB file, or a database on a PostgreSQL server."""
    return f"duckdb:///{home}/warehouse.duckdb" if request.param == "duckdb" else request.getfixturevalue("pg_url")


@pytest.fixture
def airflow(home: Path, full_demo: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    """An Airflow with every part of it, over a small world and a sandbox CRM."""
    from activation.sandbox import connection_json, running_sandbox
    from orchestration import services
    from orchestration.environment import airflow_environment
    from orchestration.processes import free_port, start, stop, wait_until

    monkeypatch.setenv("AUDIENCEFLOW_CONFIG_DIR", str(write_world(home, full_demo)))
    monkeypatch.setenv("WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    settings.cache_clear()
    log = home / "logs" / "airflow.log"
    with running_sandbox(home / "sandbox" / "hubspot.jsonl") as crm:
        port = free_port(28080, width=3)
        env = os.environ | airflow_environment(home, port)
        env["AIRFLOW_CONN_HUBSPOT_DEFAULT"] = connection_json(crm)
        env["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] = "False"
        env["AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"] = "600"  # the files stay as they are
        _prepare(env)
        address = env["AIRFLOW__API__BASE_URL"]
        password = services.password()
        service = start("Airflow", [sys.executable, "-m", "orchestration.standalone"], env, log, address)
        try:
            wait_until(lambda: services.airflow_is_healthy(address), service, log, seconds=300)
            ours = Airflow(address, password)
            wait_until(lambda: set(CHAIN) <= ours.known(), service, log, seconds=300)
            yield ours
        finally:
            stop(service)


def _prepare(env: dict[str, str]) -> None:
    """Make Airflow's database and the writers' pool, in a process that reads this environment."""
    import subprocess

    code = "from orchestration.bookkeeping import prepare; prepare()"
    subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)


def _until_measured(airflow: Airflow) -> list[dict[str, Any]]:
    """Wait until the last DAG of the chain has run and nothing runs any more; stop at the first failure."""
    deadline = time.monotonic() + MINUTES * 60
    while time.monotonic() < deadline:
        runs = airflow.runs()
        failed = [f"{run['dag_id']}: {airflow.tasks(run)}" for run in runs if run["state"] == "failed"]
        assert not failed, failed
        measured = any(run["dag_id"] == CHAIN[-1] and run["state"] == "success" for run in runs)
        if measured and all(run["state"] in FINISHED for run in runs):
            return runs
        time.sleep(2)
    raise AssertionError(f"not done after {MINUTES} minutes: {[(r['dag_id'], r['state']) for r in airflow.runs()]}")


@pytest.mark.parametrize("warehouse_url", ["duckdb", "postgres"], indirect=True)
def test_one_trigger_runs_the_whole_chain_to_the_crm(airflow, warehouse_url, home):
    airflow.trigger("ingest_sources", as_of="2018-01-01")
    runs = _until_measured(airflow)

    started = {run["dag_id"]: run["run_type"] for run in runs}
    assert sorted(started) == sorted(CHAIN)
    assert [name for name, kind in started.items() if kind != "asset_triggered"] == ["ingest_sources"]
    # Before there was a champion, scoring was skipped; drift's watch asked for training, and scoring followed it.
    scorings = [airflow.tasks(run)["publish"] for run in runs if run["dag_id"] == "score_customers"]
    assert sorted(scorings) == ["skipped", "success"]

    found = Warehouse(warehouse_url)
    for table in ("customer_features", "customer_scores", "segment_runs", "sync_runs", "segment_kpis"):
        points = set(found.read(table, ["as_of"])["as_of"].astype(str))
        assert AS_OF[:10] in {point[:10] for point in points}, table
    confirmed = found.read("sync_runs", ["segment", "confirmed", "failed"])
    assert set(confirmed["segment"]) == {"at_risk", "browsers", "price_sensitive", "repeat_buyers"}
    assert confirmed["failed"].sum() == 0
    in_crm = [json.loads(line) for line in (home / "sandbox" / "hubspot.jsonl").read_text().splitlines()]
    assert in_crm
    assert confirmed["confirmed"].sum() > 50
