"""The pages of `docs/` that are generated from what they describe; tests keep them current."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ml.settings import PROJECT_DIR


def pages() -> dict[str, Callable[[str], str]]:
    """Return each page below `docs/` and what turns its present text into its current one."""
    from ml import settings
    from ml.features import catalogue
    from ml.segments import reference, schema
    from ml.sources import reference as sources

    return {
        "settings.md": lambda _: settings.reference(),
        "features.md": lambda _: catalogue.reference(),
        "segments.md": reference.page,
        "segment.schema.json": schema.page,
        "journey.schema.json": schema.journey_page,
        "sources.md": sources.page,
    }


def write_pages(folder: Path = PROJECT_DIR / "docs", *, check: bool = False) -> list[str]:
    """Bring every page up to date; return those that were not. With `check`, nothing is written."""
    stale = []
    for name, current in pages().items():
        path = folder / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = current(before)
        if after != before:
            stale.append(name)
            if not check:
                path.write_text(after, encoding="utf-8")
    return stale
