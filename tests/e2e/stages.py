"""Run the DAGs one by one in forked processes, and kill some of them: `python -m tests.e2e.stages whole|killed`.

Airflow is imported once; the DAGs run in children, which are the processes that are killed.
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
        _run(stage)
        seconds[stage] = time.monotonic() - began
    (home / "seconds.json").write_text(json.dumps(seconds))


def killed(home: Path) -> None:
    """Kill every stage on its way; the next process runs it to its end and is killed in the stage after it."""
    expected = json.loads(Path(sys.argv[2]).read_text())
    hit, left = [], []
    for number, stage in enumerate(STAGES):
        child = _Child([*left, stage])
        child.wait_for(stage)
        time.sleep(expected[stage] * (0.55 + 0.1 * (number % 4)))
        if child.kill():
            hit.append(stage)
        left = [stage]
    _Child(left).wait_for("the end")
    (home / "killed.json").write_text(json.dumps(hit))


def _run(stage: str) -> None:
    assert local.main(["run", stage, "--conf", CONF]) == 0, stage


class _Child:
    """A forked process that runs stages in their order and says which one it begins."""

    def __init__(self, stages: list[str]) -> None:
        said, says = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            for stage in stages:
                os.write(says, f"{stage}\n".encode())
                _run(stage)
            os.write(says, b"the end\n")
            os._exit(0)
        os.close(says)
        self._said = os.fdopen(said)

    def wait_for(self, line: str) -> None:
        """Return once the child says `line`; the stages before it went well."""
        assert any(said.strip() == line for said in self._said), f"stopped before {line}"

    def kill(self) -> bool:
        """Kill the process; return whether it was still running."""
        os.kill(self._pid, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(self._pid, 0)[1])


def main() -> None:
    """Import what the children need and what takes long, then run."""
    home = settings().home
    apply_environment(home)
    for module in ("mlflow.sklearn", "lightgbm", "xgboost", "evidently.presets", "orchestration.inprocess"):
        importlib.import_module(module)
    {"whole": whole, "killed": killed}[sys.argv[1]](home)


if __name__ == "__main__":
    main()
