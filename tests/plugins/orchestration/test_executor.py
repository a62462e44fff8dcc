"""What tasks import is imported by the scheduler that forks them: a task finds it there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

# Starts the executor that the configuration names, as a scheduler does, and asks a fork of it what is imported.
FORKED = """
import os
import sys
from airflow.executors import local_executor
from airflow.executors.executor_loader import ExecutorLoader

def worker(**given):
    from orchestration.executor import MODULES
    missing = [name for name in MODULES if name not in sys.modules]
    os.write(1, f"{missing}\\n".encode())  # in one piece: the workers share the output

local_executor._run_worker = worker
executor = ExecutorLoader.get_default_executor()
executor.start()
executor._spawn_worker()
for process in executor.workers.values():
    process.join()
"""


def test_a_task_finds_imported_what_it_needs(home):
    from orchestration.environment import airflow_environment

    env = os.environ | airflow_environment(home)
    done = subprocess.run([sys.executable, "-c", FORKED], env=env, capture_output=True, text=True, check=False)
    missing = {line for line in done.stdout.splitlines() if line.startswith("[")}
    assert missing == {"[]"}, done.stdout + done.stderr
