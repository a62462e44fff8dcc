"""`python -m orchestration.team`: what a team's Airflow (docker-compose.yml) needs before its parts start.

Migrates Airflow's database, sets the writers' pool, and puts the admin's password where Airflow looks for it. May run
any number of times. With `--demo-data` it writes the demo's raw files instead, for a team that only wants a look.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from ml.errors import AudienceflowError, ConfigError
from orchestration.environment import ADMIN

PASSWORD = "AIRFLOW_ADMIN_PASSWORD"  # noqa: S105 - the variable's name
PASSWORDS_FILE = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"


def main() -> int:
    """Run the command line; return 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.team", description=__doc__)
    parser.add_argument("--demo-data", action="store_true", help="write the demo's raw files and end")
    try:
        if parser.parse_args().demo_data:
            from ml.sources.demo import write_demo

            write_demo()
        else:
            prepare()
    except AudienceflowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def prepare() -> None:
    """Make Airflow's database, pool and login ready. Raises `ConfigError` naming a variable that is missing."""
    path, password = Path(_variable(PASSWORDS_FILE)), _variable(PASSWORD)
    from orchestration import bookkeeping

    bookkeeping.prepare()
    write_passwords(path, {ADMIN: password})


def write_passwords(path: Path, passwords: dict[str, str]) -> None:
    """Write the file that Airflow's simple auth manager reads, for its owner's eyes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(passwords), encoding="utf-8")
    beside.replace(path)


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set; see .env.example")
    return value


if __name__ == "__main__":
    sys.exit(main())
