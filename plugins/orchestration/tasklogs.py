"""The log of a task that ran in this process, put where Airflow's pages look for it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def kept_log(instance: Any, everything: Path | None) -> Iterator[None]:
    """Copy what the block adds to the file `everything` to the task instance's own log.

    `dag.test()` writes no task logs; with `everything` None nothing is kept.
    """
    if everything is None:
        yield
        return
    begin = everything.stat().st_size
    try:
        yield
    finally:
        sys.stdout.flush()
        target = log_path(instance)
        target.parent.mkdir(parents=True, exist_ok=True)
        with everything.open("rb") as source:
            source.seek(begin)
            target.write_bytes(source.read())


def log_path(instance: Any) -> Path:
    """Return the file that Airflow's default `log_filename_template` names for a task instance."""
    from airflow.configuration import conf

    parts = [f"dag_id={instance.dag_id}", f"run_id={instance.run_id}", f"task_id={instance.task_id}"]
    if instance.map_index >= 0:
        parts.append(f"map_index={instance.map_index}")
    return Path(conf.get("logging", "base_log_folder"), *parts, f"attempt={instance.try_number}.log")
