"""Bring one source into its staging table: only what is new, only what is good, the rest kept with its reason.

A load may be killed at any line and run again: rows are merged by key, a file's refusals are replaced whole,
and the load counts as done only when its row is in `source_loads`, which is written last.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

from ml.alerts import alert
from ml.config import did_you_mean
from ml.errors import ConfigError, SourceError, VolumeAlert
from ml.settings import settings
from ml.sources import database, quarantine, volumes
from ml.sources.config import load_sources
from ml.sources.door import Door
from ml.sources.files import Delivery, find_files
from ml.sources.history import History, loads_table, read_history
from ml.sources.readers import Rows, check_columns, open_file
from ml.sources.spec import Lookup, Source
from ml.sources.tally import Tally
from ml.sql import table
from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

# Rows of one write: bounds memory; a smaller first load is one transaction.
CHUNK_ROWS = 2_000_000


def source_names() -> list[str]:
    """Return the sources of `config/sources.yaml`, those that others refer to first."""
    return list(load_sources())


def ingest_source(name: str, warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Load what is new in one source.

    Returns {name, table, rows_read, rows_loaded, rows_refused, rows_filtered, warnings, skipped}; a source without
    anything new is skipped. Raises `SourceError` (after the good files are loaded) naming each file that is
    missing, empty, truncated or has other columns, and `VolumeAlert` (nothing is loaded) when a volume that may
    `stop` the load is out of bounds.
    """
    source = _source(name)
    store = warehouse or Warehouse()
    with _folder(name) as folder:
        load = _Load(name, source, store, read_history(name, source, store), Door(name, source, folder))
        try:
            return load.run()
        finally:
            load.door.close()


def check_volumes(name: str, warehouse: Warehouse | None = None) -> list[str]:
    """Return, in words, what is unusual in the last load of each file of a source, against its other loads."""
    source = _source(name)
    history = read_history(name, source, warehouse or Warehouse())
    return [
        f"{load['file_name']}: {words}"
        for load in history.latest.values()
        for words in volumes.alerts(
            source.volume, volumes.past_measures(load), history.measures(without=load["load_id"])
        )
    ]


@dataclass
class _Load:
    """One run over one source."""

    name: str
    source: Source
    warehouse: Warehouse
    history: History
    door: Door
    warnings: list[str] = field(default_factory=list)
    unusual: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        deliveries = self._deliveries()
        taken = self._take(deliveries)
        self._tell(f"Source {self.name} was not delivered as declared, and the run goes on", self.unusual)
        if self.source.group and self.problems:
            raise SourceError("\n".join(self.problems))
        tallies = self._settle(taken) if taken else []
        self._guard(tallies)
        if tallies:
            with self.warehouse.held():
                self._write(tallies)
        if self.problems:
            raise SourceError("\n".join(self.problems))
        return self._result(tallies)

    # -- reading ------------------------------------------------------------------------------------

    def _deliveries(self) -> list[Delivery]:
        """What is new; the files of a grouped source belong together and are read together."""
        if self.source.files is None:
            return [Delivery("query")]
        files = find_files(self.name, self.source)
        if not files:
            self.unusual.append(f"no file matches {self.source.files}")
        changed = [found for file in files if (found := self._changed(file))]
        return [file.hashed() for file in files] if changed and self.source.group else changed

    def _changed(self, file: Delivery) -> Delivery | None:
        try:
            return self.history.changed(file)
        except SourceError as error:
            self.problems.append(str(error))
            return None

    def _take(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        taken: list[Delivery] = []
        if deliveries:
            self.door.look_up({column: self._values(lookup) for column, lookup in self.source.lookups.items()})
        for delivery in deliveries:
            try:
                found = self._take_one(delivery, len(taken))
            except SourceError as error:
                self.problems.append(str(error))
            else:
                taken += [found] if found else []
        return taken

    def _take_one(self, delivery: Delivery, number: int) -> Delivery | None:
        if delivery.path is None:
            rows, delivery = database.open_query(
                self.door.connection, self.name, self.source, self.history.cursor_value
            )
            if self.history.is_done(delivery) or self._is_at_cursor(delivery):
                return None
        elif delivery.bytes == 0:
            self._empty(delivery)
            return None
        else:
            rows = self._open(delivery)
        place = str(delivery.path or f"Source {self.name}")
        if rows.is_empty(place):
            self._empty(delivery)
            return None
        self.unusual += check_columns(place, rows.columns, self.source)
        self.door.take(number, place)
        return delivery

    def _is_at_cursor(self, delivery: Delivery) -> bool:
        """Return whether only rows of the cursor's last value came again; they wait for a later one."""
        end = self.history.cursor_value
        return self.source.cursor is not None and end is not None and delivery.cursor_value == end

    def _open(self, delivery: Delivery) -> Rows:
        if delivery.path is None:
            return Rows.opened(self.door.connection)
        return open_file(self.door.connection, delivery.path, self.source)

    def _empty(self, delivery: Delivery) -> None:
        """Judge a delivery without a row; after a cursor there may be nothing new."""
        if self.source.cursor and self.history.loads:
            return
        words = f"{delivery.path or f'Source {self.name}: the query'}: there is not one row"
        if self.source.on_empty == "error":
            raise SourceError(f"{words}. Deliver it again, or set on_empty: skip in config/sources.yaml.")
        self.unusual.append(words)

    def _values(self, lookup: Lookup) -> pa.Table:
        key = table(lookup.table).key[0]
        found = self.warehouse.read_arrow(lookup.table, [key, lookup.column])
        return pa.table({"key": found.column(key), "value": found.column(lookup.column)})

    # -- judging ------------------------------------------------------------------------------------

    def _settle(self, taken: list[Delivery]) -> list[tuple[Delivery, Tally]]:
        with self.warehouse.held():
            known = {
                column: _known(self.warehouse.read_arrow(reference.table, [reference.column or column]))
                for column, reference in self.source.references.items()
            }
            keys = self._taken()
        self.door.settle(known, keys)
        tallies = self.door.tallies()
        return [(delivery, tallies.get(number, Tally())) for number, delivery in enumerate(taken)]

    def _taken(self) -> pa.Table | None:
        """The keys of other sources in the same table, unless the source is part of the key."""
        others = [n for n, s in load_sources().items() if s.table == self.source.table and n != self.name]
        key = table(self.source.table).key
        if not others or "source_name" in key:
            return None
        return _known(self.warehouse.read_arrow(self.source.table, list(key), where={"source_name": others}))

    def _guard(self, tallies: list[tuple[Delivery, Tally]]) -> None:
        unusual: list[str] = []
        for delivery, tally in tallies:
            past = self.history.measures(without=self.history.load_id(delivery))
            now = volumes.measures(tally, delivery.bytes)
            found = volumes.alerts(self.source.volume, now, past)
            unusual += [f"{self.name}: {delivery.file_name}: {alert}{_commonest(tally)}" for alert in found]
        if unusual and self.source.volume.action == "stop":
            stopped = (
                f"{'; '.join(unusual)}. Nothing was loaded. Check the file and its units; if it is right, widen "
                f"sources.{self.name}.volume in config/sources.yaml."
            )
            raise VolumeAlert("\n".join([stopped, *self.problems]))
        self._tell(f"Source {self.name} is outside its own history, and is loaded all the same", unusual)

    def _tell(self, what: str, why: list[str]) -> None:
        if why:
            alert(what, "\n".join(why))
        self.warnings += why

    # -- writing ------------------------------------------------------------------------------------

    def _write(self, tallies: list[tuple[Delivery, Tally]]) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        for rows in self.door.accepted(CHUNK_ROWS):
            self.warehouse.write(self.source.table, rows)
        held = self.warehouse.read_arrow("quarantined_rows", ["file_name"], where={"source_name": self.name})
        stale = set(held.column("file_name").to_pylist())
        for number, (delivery, tally) in enumerate(tallies):
            if tally.refused or delivery.file_name in stale:
                self._quarantine(number, delivery, now)
        self.warehouse.write("source_loads", loads_table(self.history, self.source.table, tallies, now))

    def _quarantine(self, number: int, delivery: Delivery, now: datetime) -> None:
        refused = self.door.refused(self._open(delivery), number, delivery.file_name)
        place = quarantine.Place(self.name, self.source, delivery.file_name, self.history.load_id(delivery), now)
        self.warehouse.write(
            "quarantined_rows",
            place.rows(refused),
            {"source_name": self.name, "file_name": delivery.file_name},
        )

    def _result(self, tallies: list[tuple[Delivery, Tally]]) -> dict[str, Any]:
        total = Tally.total(tally for _, tally in tallies)
        warnings = [*self.warnings, *(f"{w}: {n:,} rows" for w, n in sorted(total.warnings.items()))]
        for words in warnings:
            log.warning("%s: %s", self.name, words)
        log.info("%s: %s read, %s loaded, %s refused", self.name, total.read, total.loaded, total.refused)
        return {
            "name": self.name,
            "table": self.source.table,
            "rows_read": total.read,
            "rows_loaded": total.loaded,
            "rows_refused": total.refused,
            "rows_filtered": total.left_out.total(),
            "warnings": warnings,
            "skipped": not tallies,
        }


def _source(name: str) -> Source:
    sources = load_sources()
    if name not in sources:
        raise ConfigError(f"There is no source {name!r} in config/sources.yaml{did_you_mean(name, sources)}")
    return sources[name]


def _known(found: pa.Table) -> pa.Table:
    values = found.column(0).unique().drop_null() if found.num_rows else pa.array([], pa.string())
    return pa.table({"value": values})


def _commonest(tally: Tally) -> str:
    return "".join(f" (most often {rule}: {count:,} rows)" for rule, count in tally.rules.most_common(1))


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """Give a folder for the door's temporary file; what killed runs left behind is removed."""
    root = settings().home / "tmp"
    for left in root.glob(f"door-{name}-*"):
        owner = int(left.name.rsplit("-", 1)[1])
        if owner == os.getpid() or not psutil.pid_exists(owner):
            shutil.rmtree(left, ignore_errors=True)
    folder = root / f"door-{name}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
