"""`make up` and `make down`: Airflow, MLflow and the sandbox CRM on loopback, over the state that the demo left."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from ml.errors import AudienceflowError
from ml.settings import settings
from orchestration import summary
from orchestration.environment import ADMIN, LOOPBACK, airflow_environment, apply_environment, secret_file
from orchestration.local import CRM_CONNECTION, only_one, sandbox_state
from orchestration.processes import Register, Service, answer, free_port, start, stop, wait_until
from orchestration.screen import Screen, output_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

PATIENCE = 300.0
AIRFLOW_PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 when a service did not start."""
    parser = argparse.ArgumentParser(prog="orchestration.services", description=__doc__)
    verbs = {"up": up, "down": down, "clean": clean}
    parser.add_argument("verb", choices=verbs)
    verb = parser.parse_args(arguments).verb
    try:
        return verbs[verb]()
    except AudienceflowError as error:
        Console().print(f"✗ {error}", style="red", markup=False, soft_wrap=True)
        return 1


def register() -> Register:
    """Return the file that remembers the services of this home folder."""
    return Register(settings().home / "services" / "running.json")


def up() -> int:
    """Start what does not run yet, wait until all of it answers, and print addresses and login."""
    known = register()
    if len(known.running()) == len(known.services()) > 0:
        _show(Console(highlight=False), known.services())
        return 0
    _stop_all(known)
    _demo_first()
    apply_environment(settings().home)
    with output_to(_log("up")) as console, Screen(console).alive() as screen:
        try:
            _start_all(known, screen)
        except BaseException:
            _stop_all(known)
            raise
        _show(console, known.services())
    return 0


def down() -> int:
    """Stop everything that `up` started; may be called at any time."""
    stopped = _stop_all(register())
    Console(highlight=False).print(f"Stopped: {', '.join(stopped) or 'nothing was running'}")
    return 0


def clean() -> int:
    """Stop everything and forget everything below the home folder."""
    down()
    home = settings().home
    ours = not home.exists() or any((home / name).exists() for name in ("airflow", "run.lock", "warehouse.duckdb"))
    if not ours:
        raise AudienceflowError(f"{home} holds nothing that this project made; remove it yourself if you mean it")
    left: list[str] = []
    shutil.rmtree(home, onerror=lambda _, path, problem: left.append(f"{path} ({problem[1]})"))
    if left and home.exists():
        raise AudienceflowError(f"{len(left)} things below {home} could not be removed, the first {left[0]}")
    Console(highlight=False).print(f"Forgot everything below {home}")
    return 0


def _demo_first() -> None:
    """Run the demo when there is no state to show yet."""
    if summary.summary_path().exists():
        return
    code = subprocess.call([sys.executable, "-m", "orchestration.local", "demo"])
    if code:
        raise AudienceflowError("The demo did not end well, so there is nothing to show; see above")


def _start_all(known: Register, screen: Screen) -> None:
    """Start everything at once and wait for each: the slow parts start side by side."""
    from orchestration import bookkeeping

    with only_one(settings().home):
        with screen.stage("prepare"):
            bookkeeping.prepare()
            bookkeeping.abandon_test_runs()
            bookkeeping.release_schedules()
        waits = {}
        for service, is_ready in _starts(_environment()):
            known.add(service)
            waits[service] = is_ready
    for service, is_ready in waits.items():
        with screen.stage(service.name):
            wait_until(is_ready, service, _log(service.name), seconds=PATIENCE)


def _environment() -> dict[str, str]:
    port = free_port(settings().airflow_port, width=3)
    return {
        **os.environ,
        **airflow_environment(settings().home, port),
        "AUDIENCEFLOW_AS_OF": settings().as_of or str(summary.read(summary.summary_path())["as_of"]),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its job runners are six more processes
    }


def _starts(env: dict[str, str]) -> Iterator[tuple[Service, Callable[[], bool]]]:
    """Start one service after the other; Airflow comes last, because it links to the others."""
    if CRM_CONNECTION not in env:
        yield _start_sandbox(env)
    if not settings().mlflow_tracking_uri.startswith("http"):
        yield _start_mlflow(env)
    yield _start_airflow(env)


def _start_airflow(env: dict[str, str]) -> tuple[Service, Callable[[], bool]]:
    password()
    address = env["AIRFLOW__API__BASE_URL"]
    service = start("Airflow", [sys.executable, "-m", "orchestration.standalone"], env, _log("Airflow"), address)
    return service, lambda: airflow_is_healthy(address)


def airflow_is_healthy(address: str) -> bool:
    """Return whether every part of the Airflow at `address` says that it is well."""
    health = answer(f"{address}/api/v2/monitor/health")
    return isinstance(health, dict) and all(
        (health.get(part) or {}).get("status") == "healthy" for part in AIRFLOW_PARTS
    )


def _start_mlflow(env: dict[str, str]) -> tuple[Service, Callable[[], bool]]:
    port = free_port(settings().mlflow_port)
    address = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", settings().mlflow_tracking_uri]
    artifacts = ["--artifacts-destination", str(settings().mlflow_artifacts)]
    service = start("MLflow", [*command, *store, *artifacts], env, _log("MLflow"), address)
    env["AUDIENCEFLOW_MLFLOW_LINK"] = address
    return service, lambda: answer(f"{address}/health") == "OK"


def _start_sandbox(env: dict[str, str]) -> tuple[Service, Callable[[], bool]]:
    """Start the sandbox CRM over the demo's state, and let Airflow's connection point at it."""
    from activation.sandbox import connection_json

    port = free_port(settings().sandbox_port)
    address = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "activation.sandbox", "--port", str(port), "--state", str(sandbox_state())]
    service = start("Sandbox CRM", command, env, _log("Sandbox CRM"), address)
    env[CRM_CONNECTION] = connection_json(address)
    env["AUDIENCEFLOW_CRM_LINK"] = address
    return service, lambda: answer(address) is not None


def _stop_all(known: Register) -> list[str]:
    running = known.running()
    stop(*running)
    known.clear()
    return [service.name for service in running]


def password() -> str:
    """Return the admin's password, made once and kept in a file that only its owner may read."""
    path = settings().home / "airflow" / "passwords.json"
    if not path.exists():
        word = secret_file(path.with_name("password"), length=9)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            json.dump({ADMIN: word}, handle)
    return str(json.loads(path.read_text(encoding="utf-8"))[ADMIN])


def _show(console: Console, services: Sequence[Service]) -> None:
    for service in services:
        login = f"  user {ADMIN}, password {password()}" if service.name == "Airflow" else ""
        console.print(f"{service.name:<12} {service.address}{login}", markup=False, soft_wrap=True)
    console.print("make down stops all of it.")


def _log(name: str) -> Path:
    return settings().home / "logs" / f"{name.lower().replace(' ', '-')}.log"


if __name__ == "__main__":
    sys.exit(main())
