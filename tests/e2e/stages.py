"""The demo of a small world, twice whole and then killed in each of its stages: `python -m tests.e2e.stages FULL`.

FULL is a home folder with the raw files of all customers. Airflow is imported once, and believes in one home folder:
what runs are children, and the state that was killed is put aside under `killed` beside it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

from ml.settings import settings
from orchestration import local
from orchestration.environment import apply_environment
from orchestration.screen import Screen
from tests.e2e.world import write_world

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
AS_OF = "2018-01-01"
THE_END = "the end"
IMPORTED = (
    *("evidently.presets", "plotly.graph_objs", "orchestration.chain", "activation.sandbox.app"),
    *("airflow.api_fastapi.execution_api.routes", "airflow.sdk.execution_time.task_runner"),
)


def whole(home: Path) -> None:
    """Run the demo, keep its summary, and which task of each stage took longest, and how long; then run it again."""
    begun = list[tuple[str, str, float]]()
    with _told(lambda stage, task: begun.append((stage, task, time.monotonic()))):
        _demo()
    longest = {stage: _longest(stage, begun) for stage in STAGES}
    (home / "longest.json").write_text(json.dumps(longest))
    (home / "first.json").write_bytes((home / "demo" / "summary.json").read_bytes())
    _demo()


def killed(home: Path, longest: dict[str, tuple[str, float]]) -> None:
    """Kill every stage in its longest task; the next process runs it to its end and is killed in the stage after it."""
    hit, left = [], []
    for number, stage in enumerate(STAGES):
        task, seconds = longest[stage]
        child = _Child(partial(_run, [*left, stage]))
        child.wait_for(f"{stage}/{task}")
        time.sleep(seconds * (0.1 + 0.15 * (number % 4)))
        if child.kill():
            hit.append(stage)
        left = [stage]
    _Child(partial(_run, left)).wait_for(THE_END)
    (home / "killed.json").write_text(json.dumps(hit))


def _demo() -> None:
    with patch.object(local, "_write_raw_files"):  # the small world's are there
        assert local.main(["demo", "--as-of", AS_OF]) == 0


def _longest(stage: str, begun: list[tuple[str, str, float]]) -> tuple[str, float]:
    spans = [
        (after - at, task)
        for (ran, task, at), (_, _, after) in zip(begun, [*begun[1:], ("", "", time.monotonic())], strict=True)
        if ran == stage and task not in ("as_of", "choose", "publish")
    ]
    seconds, task = max(spans)
    return task, seconds


def _told(tell: Callable[[str, str], object]) -> patch:
    """Hand each task that begins, with its stage, to `tell` as well as to the screen."""
    shown = Screen.task

    def task(self: Screen, label: str) -> None:
        shown(self, label)
        tell(self._stage, label)

    return patch.object(Screen, "task", task)


class _Child:
    """A forked process that says which task it begins."""

    def __init__(self, run: Callable[[], object]) -> None:
        said, says = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            with _told(lambda stage, task: os.write(says, f"{stage}/{task}\n".encode())):
                run()
            os.write(says, f"{THE_END}\n".encode())
            os._exit(0)
        os.close(says)
        self._said = os.fdopen(said)

    def wait_for(self, line: str) -> None:
        """Return once the child says `line`; what it did before went well."""
        assert any(said.strip() == line for said in self._said), f"stopped before {line}"

    def kill(self) -> bool:
        """Kill the process; return whether it was still running."""
        os.kill(self._pid, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(self._pid, 0)[1])


def _run(stages: list[str]) -> None:
    """Run some DAGs as the demo does, one after the other."""
    from orchestration.chain import run_all
    from orchestration.screen import output_to

    local._set_clock(AS_OF)
    with output_to(settings().home / "logs" / "local.log") as console, local.in_process(console) as (dags, screen):
        for stage in stages:
            run_all({stage: dags[stage]}, {"as_of": AS_OF, **local.UNATTENDED, **local.UNSEEN}, screen)


def main() -> None:
    """Import what the children need and what takes long, then run."""
    home, full = settings().home, Path(sys.argv[1])
    kept, aside = home.with_name("kept"), home.with_name("killed")
    _fill(home, full)
    from orchestration.executor import MODULES  # imports Airflow, which reads its configuration then

    for module in (*MODULES, *IMPORTED):
        importlib.import_module(module)
    from airflow.sdk.execution_time.supervisor import in_process_api_server

    # It would be built at the first request, which takes seconds: once will do for all children.
    in_process_api_server().app._cadwyn_initialize()
    _Child(partial(whole, home)).wait_for(THE_END)
    longest = json.loads((home / "longest.json").read_text())
    home.rename(kept)
    _fill(home, full)
    killed(home, longest)
    home.rename(aside)
    kept.rename(home)


def _fill(home: Path, full: Path) -> None:
    write_world(home, full)
    apply_environment(home)


if __name__ == "__main__":
    main()
