"""Which files a source has, and what identifies their content."""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import os
import string
from dataclasses import dataclass, replace
from pathlib import Path

from ml.errors import ConfigError, SourceError
from ml.settings import settings
from ml.sources.spec import Source


@dataclass(frozen=True)
class Delivery:
    """One input of a load: a file, or the rows that a query returned."""

    file_name: str
    path: Path | None = None
    bytes: int | None = None
    modified: int | None = None
    content_hash: str | None = None
    cursor_value: str | None = None

    def hashed(self) -> Delivery:
        """Return the delivery with the SHA-256 of its file. Raises `SourceError` when it cannot be read."""
        if self.path is None or self.content_hash:
            return self
        try:
            with self.path.open("rb") as file:
                return replace(self, content_hash=hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read: {error.strerror}; check its rights") from error


def filled_in(text: str, place: str) -> str:
    """Return `text` with `{home}` and `${VARIABLE}` filled in. Raises `ConfigError` on an unset variable."""
    try:
        return string.Template(text.replace("{home}", str(settings().home))).substitute(os.environ)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{place}: environment variable {error} is not set (or $ is not doubled)") from error


def find_files(name: str, source: Source) -> list[Delivery]:
    """Return the source's files in the order of their names. Raises `SourceError` when there is none."""
    pattern = filled_in(source.files or "", f"sources.{name}.files")
    found = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns
    paths = sorted(path for path in found if path.is_file())
    if not paths and source.on_missing == "error":
        raise SourceError(
            f"Source {name}: no file matches {pattern}{_nearest_folder(pattern)}. "
            "Deliver it, mend `files` in config/sources.yaml, or set on_missing: skip."
        )
    return [_delivery(path) for path in paths]


def csv_header(path: Path, delimiter: str) -> list[str]:
    """Return the column names in the first line; a byte that is not UTF-8 stands out as a question mark.

    Raises `SourceError` when the file cannot be read or repeats a name.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter), [])
    except (OSError, EOFError, csv.Error) as error:
        raise SourceError(f"{path}: the header cannot be read ({error}); deliver it again") from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SourceError(f"{path}: the header names {repeated} more than once; rename one in the file")
    return names


def _delivery(path: Path) -> Delivery:
    stat = path.stat()
    home = settings().home
    shown = path.relative_to(home) if path.is_relative_to(home) else path
    return Delivery(str(shown), path, stat.st_size, stat.st_mtime_ns)


def _nearest_folder(pattern: str) -> str:
    folder = Path(pattern).parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    inside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    shown = ", ".join(inside[:6]) + (", ..." if len(inside) > 6 else "")
    return f" ({folder} holds {shown or 'nothing'})"
