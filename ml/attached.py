"""DuckDB's file, attached while it is in use, to one instance that a process keeps.

Starting an instance takes some 20 ms of CPU and attaching a file to it 2 ms, so a file that is let go after each
session costs next to nothing. While it is attached no other process can open it.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import duckdb
from duckdb_sqlalchemy import ConnectionWrapper

from ml.settings import settings


@dataclass
class _Instance:
    """DuckDB in this process, and how many connections use each file."""

    root: duckdb.DuckDBPyConnection
    config: dict[str, Any]
    users: Counter[str] = field(default_factory=Counter)


@dataclass
class _Process:
    """The instance of this process, and what a fork inherits and must neither use nor close: it lost its threads."""

    lock: RLock = field(default_factory=RLock)
    instance: _Instance | None = None
    inherited: list[_Instance] = field(default_factory=list)

    def forked(self) -> None:
        """Begin anew in a child."""
        self.lock = RLock()
        self.inherited += [self.instance] if self.instance else []
        self.instance = None


_here = _Process()
os.register_at_fork(after_in_child=_here.forked)


class Attached(ConnectionWrapper):
    """A connection to a file; closing the last one of a process lets go of the file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, instance: _Instance, name: str) -> None:
        super().__init__(connection)
        self._instance, self._name = instance, name

    def close(self) -> None:
        """Close the connection, and let go of the file when nobody else uses it."""
        with _here.lock:
            super().close()
            _release(self._instance, self._name)


def attach(path: Path, *, read_only: bool = False) -> Attached:
    """Return a connection to a file. Raises `duckdb.Error` when it cannot be opened."""
    name = "file_" + hashlib.blake2b(str(path.resolve()).encode(), digest_size=8).hexdigest()
    quoted = str(path).replace("'", "''")
    with _here.lock:
        instance = _instance(path)
        if not instance.users[name]:
            instance.root.execute(f"ATTACH '{quoted}' AS {name}" + (" (READ_ONLY)" if read_only else ""))
        instance.users[name] += 1
        try:
            connection = instance.root.cursor()
            connection.execute(f"USE {name}")
        except duckdb.Error:
            _release(instance, name)
            raise
    return Attached(connection, instance, name)


def _release(instance: _Instance, name: str) -> None:
    instance.users[name] -= 1
    if not instance.users[name]:
        try:
            instance.root.execute(f"DETACH {name}")
        except duckdb.Error:  # an instance that failed is of no more use: the next session starts another
            _forget(instance)


def _forget(instance: _Instance) -> None:
    instance.root.close()
    _here.instance = None


def _instance(path: Path) -> _Instance:
    """Return the process's instance; another one for other settings, once nobody uses the first."""
    config = {
        "threads": settings().threads,
        "memory_limit": settings().memory_limit,
        "temp_directory": f"{path}.tmp",
        # Merging part-filled row groups at each checkpoint costs a tenth of a feature build and saves no space.
        "max_vacuum_tasks": 0,
    }
    found = _here.instance
    if found is None or (found.config != config and not +found.users):
        root = duckdb.connect(":memory:", config=config)
        root.execute("SET enable_progress_bar = false")
        found = _here.instance = _Instance(root, config)
    return found
