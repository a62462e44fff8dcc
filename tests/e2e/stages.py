"""Run the DAGs one by one in forked processes, and kill some of them: `python -m tests.e2e.stages whole|killed`.

Airflow is imported once; each DAG runs in a child, which is the process that is killed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from ml.settings import settings
from orchestration import local
from orchestration.environment import apply_environment

STAGES = [
    "ingest_sources",
    "build_profiles",
    "build_features",
    "train_models",
    "watch_drift",
    "score_customers",
    "build_segments",
    "sync_segments",
    "measure_uplift",
]
CONF = json.dumps({"as_of": "2018-01-01"})


def whole(home: Path) -> None:
    """Run every stage once and keep how long each took."""
    seconds = {}
    for stage in STAGES:
        began = time.monotonic()
        assert os.waitpid(_child(stage), 0)[1] == 0, stage
        seconds[stage] = time.monotonic() - began
    (home / "seconds.json").write_text(json.dumps(seconds))


def killed(home: Path) -> None:
    """Kill every stage on its way, then run it again to its end; keep which ones were killed."""
    expected = json.loads(Path(sys.argv[2]).read_text())
    hit = []
    for number, stage in enumerate(STAGES):
        child = _child(stage)
        time.sleep(expected[stage] * (0.55 + 0.1 * (number % 4)))
        os.kill(child, signal.SIGKILL)
        if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            hit.append(stage)
        assert os.waitpid(_child(stage), 0)[1] == 0, stage
    (home / "killed.json").write_text(json.dumps(hit))


def _child(stage: str) -> int:
    child = os.fork()
    if child == 0:
        code = local.main(["run", stage, "--conf", CONF])
        os._exit(code)
    return child


def main() -> None:
    """Import what the children need and what takes long, then run."""
    home = settings().home
    apply_environment(home)
    for module in ("mlflow.sklearn", "lightgbm", "xgboost", "evidently.presets", "orchestration.inprocess"):
        importlib.import_module(module)
    {"whole": whole, "killed": killed}[sys.argv[1]](home)


if __name__ == "__main__":
    main()
