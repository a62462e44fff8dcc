"""Write the demo's raw files once: every file whole or not at all, the manifest last."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ml.settings import settings
from ml.sources.demo import companion
from ml.sources.demo.files import PARTIAL, replacing, write_bytes, write_csv_gz, write_json_lines, write_parquet
from ml.sources.demo.journey import TABLES, package_data, read_journey

log = logging.getLogger(__name__)

VERSION = 1  # raise it when the generated files change
MANIFEST = "manifest.json"
STALE_SECONDS = 3600
Progress = Callable[[str], None]


def write_demo(
    home: Path | None = None,
    *,
    seed: int | None = None,
    baskets_before: datetime | None = None,
    progress: Progress = log.info,
) -> dict[str, Any]:
    """Fill `<home>/demo/raw/` and return its manifest with `written` and `seconds`.

    Does nothing when the manifest names this version and seed and every file has its size.
    `baskets_before` (naive UTC) generates the companion as if nothing were bought from then on: the
    test of leakage uses it. Raises `SourceError` when the panel's package is missing.
    """
    raw = Path(home or settings().home) / "demo" / "raw"
    wanted = {
        "version": VERSION,
        "seed": settings().seed if seed is None else seed,
        "baskets_before": baskets_before.isoformat() if baskets_before else None,
    }
    started = time.perf_counter()
    manifest = _complete(raw, wanted)
    written = manifest is None
    if manifest is None:
        manifest = _write(raw, wanted, baskets_before, progress)
    return manifest | {"raw": str(raw), "written": written, "seconds": round(time.perf_counter() - started, 2)}


def _complete(raw: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest, if it is of this version and seed and its files are all there."""
    try:
        manifest: dict[str, Any] = json.loads((raw / MANIFEST).read_bytes())
        same = all(manifest[key] == value for key, value in wanted.items())
        whole = all((raw / name).stat().st_size == entry["bytes"] for name, entry in manifest["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return manifest if same and whole else None


def _write(raw: Path, wanted: dict[str, Any], baskets_before: datetime | None, progress: Progress) -> dict[str, Any]:
    (raw / MANIFEST).unlink(missing_ok=True)
    files = [_copy(table, raw) for table in TABLES]
    progress("Complete Journey copied")
    journey = read_journey(raw / "complete_journey", baskets_before)
    progress(f"{len(journey.basket_id):,} baskets of {len(journey.households):,} households read")
    made = companion.make_companion(journey, wanted["seed"], progress)
    files += list(_write_companion(raw / "companion", made))
    files += list(_write_truth(raw / "truth", made))
    progress(f"{len(files)} files written")
    manifest = wanted | {"files": {str(f.relative_to(raw)): _entry(f) for f in files}, "counts": made.expected}
    _forget_others(raw, files)
    write_bytes(_json(manifest), raw / MANIFEST)
    return manifest


def _copy(table: str, raw: Path) -> Path:
    path = raw / "complete_journey" / f"{table}.parquet"
    with replacing(path) as partial:
        shutil.copyfile(package_data() / path.name, partial)
    return path


def _write_companion(folder: Path, made: companion.Companion) -> Iterator[Path]:
    yield write_csv_gz(made.contacts, folder / "crm_contacts.csv.gz")
    yield write_json_lines(made.consents, folder / "consents.jsonl")
    yield from _monthly(made.events, "received_at", folder / "web_events")
    yield from _monthly(made.messages, "event_at", folder / "messages")
    yield write_bytes(companion.README.encode(), folder / "README.md")


def _write_truth(folder: Path, made: companion.Companion) -> Iterator[Path]:
    for name, table in made.truth.items():
        yield write_parquet(table, folder / f"truth_{name}.parquet")
    yield write_bytes(_json(made.expected), folder / "truth_expected.json")


def _monthly(table: pa.Table, column: str, folder: Path) -> Iterator[Path]:
    """One file per month of `column`, by which the table is sorted."""
    months, first = np.unique(table[column].to_numpy().astype("datetime64[M]"), return_index=True)
    for month, start, stop in zip(months, first, [*first[1:], len(table)], strict=True):
        yield write_parquet(table.slice(start, stop - start), folder / f"{folder.name}_{month}.parquet")


def _entry(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _forget_others(raw: Path, files: list[Path]) -> None:
    """Remove what an older version or a killed run has left, but not what another run is writing now."""
    for path in set(raw.rglob("*")) - set(files):
        if path.is_file() and not (path.suffix == PARTIAL and time.time() - path.stat().st_mtime < STALE_SECONDS):
            path.unlink()


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=2).encode() + b"\n"
