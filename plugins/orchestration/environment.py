"""The one place that says how Airflow runs on one machine: every variable, as a dictionary.

Imports neither Airflow nor the library, because Airflow reads its configuration while it is imported.
`local.py`, `services.py` and `tests/conftest.py` apply the same dictionary, so a DAG sees the same Airflow
in the demo, under `make up` and in the tests.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import sys
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
ADMIN = "admin"

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
QUIET = {
    "GIT_PYTHON_REFRESH": "quiet",  # MLflow asks git for a commit; a clone without git is fine
    "PYTHONWARNINGS": "ignore::DeprecationWarning,ignore::PendingDeprecationWarning",
}


def airflow_environment(home: Path, port: int = 8080) -> dict[str, str]:
    """Return every variable that Airflow and the stages need, with all state below `home`.

    Three ports are used from `port` on: the API server, the worker logs, the triggerer logs; all on loopback.
    Creates `home/airflow` and, once, the secret from which Airflow's keys are derived.
    """
    airflow_home = Path(home).absolute() / "airflow"
    airflow_home.mkdir(parents=True, exist_ok=True)
    return {
        "AUDIENCEFLOW_HOME": str(airflow_home.parent),
        "AIRFLOW_HOME": str(airflow_home),
        "PATH": _path_with_venv(),
        **_core(airflow_home),
        **_addresses(port),
        **_pace(),
        **TELEMETRY_OFF,
        **QUIET,
    }


def apply_environment(home: Path, port: int = 8080) -> dict[str, str]:
    """Set `airflow_environment` in this process; call it before the first Airflow import."""
    variables = airflow_environment(home, port)
    os.environ.update(variables)
    return variables


def secret_file(path: Path, length: int = 48) -> str:
    """Return the secret kept in `path`, written once and readable by its owner only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip() or _rewrite(path, length)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(secrets.token_hex(length))
    return path.read_text().strip()


def _rewrite(path: Path, length: int) -> str:
    """Replace a secret that a killed process left empty."""
    path.unlink()
    return secret_file(path, length)


def _core(airflow_home: Path) -> dict[str, str]:
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow_home / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_DIR / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT_DIR / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "orchestration.executor.PreloadingExecutor",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow_home / "passwords.json"),
        **_secrets(secret_file(airflow_home / "secret")),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(airflow_home / "logs"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(airflow_home / "bundles"),
    }


def _secrets(secret: str) -> dict[str, str]:
    """Derive each of Airflow's keys from one secret, so that every process signs and reads alike."""

    def derive(purpose: str) -> bytes:
        return hashlib.sha512(f"{purpose}:{secret}".encode()).digest()

    return {
        "AIRFLOW__API_AUTH__JWT_SECRET": derive("jwt").hex(),
        "AIRFLOW__API__SECRET_KEY": derive("session").hex(),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(derive("fernet")[:32]).decode(),
    }


def _addresses(port: int) -> dict[str, str]:
    base = f"http://{LOOPBACK}:{port}"
    return {
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(port + 1),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(port + 2),
    }


def _pace() -> dict[str, str]:
    """Small processes for a small machine: the default parallelism alone pre-forks 32 workers."""
    return {
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    }


def _path_with_venv() -> str:
    """`airflow standalone` starts its parts by the name `airflow`, so the venv comes first."""
    here = str(Path(sys.executable).parent)
    rest = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part != here]
    return os.pathsep.join([here, *rest])
