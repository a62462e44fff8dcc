"""One DAG in this process over `dag.test()`: what its tasks returned, or the failure in words."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from unittest.mock import patch

from airflow.listeners import hookimpl

from orchestration.tasklogs import kept_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow.models import DagRun
    from airflow.sdk import DAG

Results = dict[str, list[Any]]


@dataclass(frozen=True)
class StageRun:
    """A finished DAG: what each task returned, one item a mapped instance, the wall seconds, and what it published.

    `failure` says in words which tasks failed and why; it is empty when the DAG succeeded.
    """

    dag_id: str
    seconds: float
    results: Results = field(default_factory=dict)
    published: frozenset[str] = frozenset()
    failure: str = ""

    def one(self, task_id: str) -> Any:
        """Return what an unmapped task returned, or None when it did not run."""
        values = self.results.get(task_id, [])
        return values[0] if values else None


class DagFailed(Exception):
    """At least one DAG did not succeed; the message names each DAG, its tasks and their errors."""


@dataclass
class Watcher:
    """Airflow's listener: names the running task to the screen and keeps the last error of each task."""

    on_task: Callable[[str], None]
    errors: dict[tuple[str, int], str] = field(default_factory=dict)

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ARG002
        """Show the task."""
        self.on_task(label(task_instance))

    @hookimpl
    def on_task_instance_failed(
        self,
        previous_state: Any,  # noqa: ARG002 - the hook's signature
        task_instance: Any,
        error: Any,
    ) -> None:
        """Keep the error; a task that is tried again may lose it."""
        self.errors[_key(task_instance)] = f"{type(error).__name__}: {error}"
        self.on_task(f"{label(task_instance)} failed: {error}")

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ARG002
        """Forget the errors of earlier tries."""
        self.errors.pop(_key(task_instance), None)


def label(instance: Any) -> str:
    """Return a task instance's name as a person reads it: `score[churn]` or, not yet rendered, `score[2]`."""
    index = getattr(instance, "map_index", -1)
    if index is None or index < 0:
        return str(instance.task_id)
    return f"{instance.task_id}[{getattr(instance, 'rendered_map_index', None) or index}]"


def _key(instance: Any) -> tuple[str, int]:
    return instance.task_id, getattr(instance, "map_index", -1)


def load_dags(folder: str) -> dict[str, DAG]:
    """Return every DAG of `folder` by id. Raises `DagFailed` when a file cannot be imported."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=folder)
    if bag.import_errors:
        file, trace = next(iter(bag.import_errors.items()))
        raise DagFailed(f"{file} cannot be imported: {_last_error(trace)}")
    return dict(bag.dags)


def _last_error(trace: str) -> str:
    """Return the error's own words: the last line that is not indented, and what follows it."""
    lines = trace.strip().splitlines()
    start = max(number for number, line in enumerate(lines) if not line.startswith(" "))
    return "\n".join(lines[start:])


def run_dag(dag: DAG, conf: dict[str, Any], on_task: Callable[[str], None], everything: Path | None = None) -> StageRun:
    """Run one DAG to its end, well or not.

    Args:
        dag: the DAG.
        conf: the run's parameters.
        on_task: is told the name of each task that starts.
        everything: the file that this process's output goes to; each task's part is kept as its log.
    """
    from airflow.sdk.listener import get_listener_manager

    watcher = Watcher(on_task)
    manager: Any = get_listener_manager()
    manager.add_listener(watcher)
    began = time.monotonic()
    try:
        with own_parameters(dag), _seam(everything):
            run = dag.test(run_conf=conf)
    finally:
        manager.pm.unregister(watcher)
    failure = "" if str(run.state) == "success" else _in_words(run, watcher.errors)
    return StageRun(dag.dag_id, time.monotonic() - began, _returned(run), _published(dag, run), failure)


@contextmanager
def own_parameters(dag: DAG) -> Iterator[None]:
    """Keep what a run was asked for to that run.

    Airflow writes it onto the parameters themselves. That is harmless where each task has a process of its own; here
    every run, and every DAG with the same field, would be asked for it from then on.
    """
    found: list[Any] = [param for owner in (dag, *dag.tasks) for _, param in owner.params.items()]
    before = [param.value for param in found]
    try:
        yield
    finally:
        for param, value in zip(found, before, strict=True):
            param.value = value


@contextmanager
def _seam(everything: Path | None) -> Iterator[None]:
    """Stand between `dag.test()` and each task: instances of a mapped task run in order, and logs are kept.

    Behind a pool of one slot they run in order, too; `dag.test()` keeps what may run in a set. And it reads and writes
    every DAG file anew for each run, where once a process will do. A task would make this process deaf to SIGTERM.
    """
    from airflow.dag_processing import dagbag
    from airflow.sdk.definitions import dag as module

    run_task: Any = module._run_task  # noqa: SLF001 - dag.test() has no other seam
    pauses = _Pauses(vars(module))
    once = _Once(dagbag.BundleDagBag, dagbag.sync_bag_to_db)
    set_handler = signal.signal

    def handle(number: Any, handler: Any) -> Any:
        return signal.getsignal(number) if number == signal.SIGTERM else set_handler(number, handler)

    def in_turn(*, ti: Any, **arguments: Any) -> Any:
        if _earlier_ones_wait(ti):
            return None
        with kept_log(ti, everything):
            pauses.begin()
            return run_task(ti=ti, **arguments)

    with (
        patch.object(module, "_run_task", in_turn),
        patch.object(time, "sleep", pauses.sleep),
        patch.object(signal, "signal", handle),
        patch.multiple(dagbag, BundleDagBag=once.read, sync_bag_to_db=once.sync),
    ):
        yield


@dataclass
class _Once:
    """Reads the DAG files of a bundle, and writes them to Airflow's database, the first time that it is asked to."""

    read_bundle: Callable[..., Any]
    sync_bundle: Callable[..., Any]
    done: ClassVar[set[str]] = set()

    def read(self, *, bundle_name: str, **where: Any) -> Any:
        """Return the DAGs of a bundle, or None when they are in the database."""
        return None if bundle_name in self.done else self.read_bundle(bundle_name=bundle_name, **where)

    def sync(self, bag: Any, bundle_name: str, version: str | None) -> None:
        """Write what was read."""
        if bag is not None:
            self.sync_bundle(bag, bundle_name, version)
            self.done.add(bundle_name)


class _Pauses:
    """The pauses of `dag.test()`: a second wherever nothing may run, which most often is only until the next look.

    They begin short and double until a task runs; everybody else sleeps as long as they want.
    """

    def __init__(self, of: dict[str, Any]) -> None:
        self._of, self._sleep = of, time.sleep
        self.begin()

    def begin(self) -> None:
        """Let the next pause be short."""
        self._next = 0.02

    def sleep(self, seconds: float) -> None:
        """Sleep; as long as it takes where `dag.test()` asks."""
        if sys._getframe(1).f_globals is self._of:  # noqa: SLF001 - who asks
            seconds, self._next = min(seconds, self._next), self._next * 2
        self._sleep(seconds)


def _earlier_ones_wait(instance: Any) -> bool:
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    earlier: Any = select(TaskInstance.map_index).where(
        TaskInstance.dag_id == instance.dag_id,
        TaskInstance.run_id == instance.run_id,
        TaskInstance.task_id == instance.task_id,
        TaskInstance.map_index < instance.map_index,
        TaskInstance.state == "scheduled",
    )
    with create_session() as session:
        return session.scalars(earlier.limit(1)).first() is not None


def _in_words(run: DagRun, errors: dict[tuple[str, int], str]) -> str:
    failed = [ti for ti in run.get_task_instances() if str(ti.state) == "failed"]
    reasons = [f"{label(ti)}: {errors.get(_key(ti), 'see the log')}" for ti in failed] or ["no task said why"]
    return f"DAG {run.dag_id} failed. " + "; ".join(f"Task {reason}" for reason in reasons)


def _published(dag: DAG, run: DagRun) -> frozenset[str]:
    """Return the names of the assets whose tasks succeeded."""
    done = {ti.task_id for ti in run.get_task_instances() if str(ti.state) == "success"}
    return frozenset(asset.name for task in dag.tasks if task.task_id in done for asset in task.outlets)


def _returned(run: DagRun) -> Results:
    results: Results = {}
    for task_id, value in _xcoms(run):
        results.setdefault(task_id, []).append(value)
    return results


def _xcoms(run: DagRun) -> Iterator[tuple[str, Any]]:
    from airflow.models.xcom import XComModel
    from airflow.sdk.serde import deserialize
    from airflow.utils.session import create_session

    query: Any = XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id, key="return_value")
    with create_session() as session:
        rows: Any = session.scalars(query.order_by(None).order_by(XComModel.task_id, XComModel.map_index))
        for row in rows:
            yield row.task_id, deserialize(XComModel.deserialize_value(row))
