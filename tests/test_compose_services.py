"""Each service of docker-compose.yml, started by its own command on this machine, answers its own health check.

Containers' names become loopback, their ports free ones, their volumes a folder; everything else is what the file says.
Redis has no wheel: where its server is missing, Celery's worker talks through a folder instead.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psutil
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from orchestration.processes import Service, free_port, start, stop
from tests.composition import Native, variables

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

INSIDE = ("8080", "5000", "8070", "8974", "6379")
TOGETHER = (
    "sandbox", "mlflow", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
    "airflow-worker",
)  # fmt: skip
PATIENCE = 240.0


@dataclass
class Stack:
    """What runs, and what its containers would see."""

    native: Native
    environments: dict[str, dict[str, str]]
    services: dict[str, Service] = field(default_factory=dict)
    healthy: set[str] = field(default_factory=set)

    def prepare(self):
        command, environment = self.native.command("airflow-init"), self.environments["airflow-init"]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr[-3000:]

    def start(self, name):
        log = self.native.folder / f"{name}.log"
        self.services[name] = start(name, self.native.command(name), self.environments[name], log, "")

    def stop(self):
        stop(*self.services.values(), first=signal.SIGTERM, grace=10)

    def wait_healthy(self, name):
        """Run the service's own health check until it passes, as Compose would."""
        until = time.monotonic() + PATIENCE
        while name not in self.healthy:
            check = self.check(name)
            if check.returncode == 0:
                self.healthy.add(name)
            log = (self.native.folder / f"{name}.log").read_text()[-3000:]
            assert self.services[name].process(), f"{name} ended:\n{log}"
            assert time.monotonic() < until, f"{name} is not healthy:\n{check.stdout}{check.stderr}\n{log}"

    def check(self, name):
        time.sleep(0.5)
        return subprocess.run(
            self.native.health(name), env=self.environments[name], capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def native(pg_server, tmp_path_factory):
    """The stack with throw-away secrets, its databases on the tests' PostgreSQL server."""
    values = {variable.name: "0123456789abcdef" * 4 for variable in variables() if variable.is_required}
    values |= {"AIRFLOW_FERNET_KEY": Fernet.generate_key().decode()}
    ports = {inside: free_port(20000 + 97 * place) for place, inside in enumerate(INSIDE)}
    stack = Native(tmp_path_factory.mktemp("stack"), ports, values, str(pg_server.query["host"]))
    (stack.folder / "sandbox").mkdir()
    with databases(pg_server, values["POSTGRES_PASSWORD"]):
        yield stack


@contextmanager
def databases(server, password):
    """What the postgres service makes when it starts: its user and three databases."""
    admin = sa.create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE audienceflow SUPERUSER LOGIN PASSWORD '{password}'")
        for name in ("airflow", "mlflow", "warehouse"):
            connection.exec_driver_sql(f"CREATE DATABASE {name} OWNER audienceflow")
    yield
    with admin.connect() as connection:
        for name in ("airflow", "mlflow", "warehouse"):
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        connection.exec_driver_sql("DROP ROLE audienceflow")
    admin.dispose()


@pytest.fixture(scope="module")
def stack(native):
    """Everything that runs for long, started together after `airflow-init`, stopped at the end."""
    has_redis = shutil.which("redis-server") is not None
    made = Stack(native, {name: native.environment(name) for name in native.services})
    if not has_redis:
        broker_in_a_folder(made)
    made.prepare()
    try:
        for name in [*(["redis"] if has_redis else []), *TOGETHER]:
            made.start(name)
        yield made
    finally:
        made.stop()


def broker_in_a_folder(made):
    folder = made.native.folder / "broker"
    folder.mkdir()
    options = {
        f"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__{key}": str(folder)
        for key in ("DATA_FOLDER_IN", "DATA_FOLDER_OUT", "CONTROL_FOLDER")
    }
    for environment in made.environments.values():
        environment |= {"AIRFLOW__CELERY__BROKER_URL": "filesystem://", **options}


@pytest.mark.parametrize("name", TOGETHER)
def test_a_service_answers_its_health_check(stack, name):
    stack.wait_healthy(name)


def test_redis_answers_its_health_check(stack):
    if "redis" not in stack.services:
        pytest.skip("no redis-server on this machine: the worker's broker was a folder instead")
    stack.wait_healthy("redis")


def test_the_admin_may_log_in_with_the_password_of_the_environment(stack):
    """And nobody with another."""
    stack.wait_healthy("airflow-api-server")
    address = stack.environments["airflow-api-server"]["AIRFLOW__API__BASE_URL"]
    password = stack.environments["airflow-init"]["AIRFLOW_ADMIN_PASSWORD"]
    codes = [
        httpx.post(f"{address}/auth/token", json={"username": "admin", "password": word}).status_code
        for word in (password, "wrong")
    ]
    assert codes == [201, 401]


@pytest.mark.parametrize(("database", "table"), [("airflow", "dag_run"), ("mlflow", "runs")])
def test_the_databases_of_the_server_are_really_used(pg_server, stack, database, table):
    """And not a file somewhere that looks the same until the container is gone."""
    stack.wait_healthy("mlflow")
    engine = sa.create_engine(pg_server.set(drivername="postgresql+psycopg", database=database))
    assert sa.inspect(engine).has_table(table)
    engine.dispose()


def test_nothing_listens_beyond_loopback(stack):
    """Here every published address is loopback, and no part opens another one."""
    for name in TOGETHER:
        stack.wait_healthy(name)
    parents = [process for service in stack.services.values() if (process := service.process())]
    processes = [child for parent in parents for child in (parent, *parent.children(recursive=True))]
    listening = {c.laddr.ip for p in processes for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
