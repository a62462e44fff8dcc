"""`make bench`: ratios of one run on ten million events, against named alternatives on the same machine.

Absolute seconds say more of the machine than of the code, so nearly every bar is a ratio of two measurements of the
same run, or a peak of memory. Each measurement has a process of its own. Writes
`$AUDIENCEFLOW_HOME/bench/results.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ml.settings import PROJECT_DIR, settings

_CUSTOMERS = 500_000
_SMALL = 0.1
_ASKED_FOR = {"pymc"}  # 600 MB to install

Results = dict[str, dict[str, Any]]
NAMES = (
    *("scan", "features", "pandas_load", "pandas_compute", "one_as_of", "six_as_of"),
    *("training", "scoring", "reasons", "btyd", "pymc", "segments", "segments_alone", "segments_day_later"),
)


@dataclass(frozen=True)
class Bar:
    """A figure made of measurements, and the most it may be; `most` is None where it is only told."""

    what: str
    unit: str
    most: float | None
    needs: tuple[str, ...]
    figure: Callable[[Results], float]


def _ratio(name: str, *others: str, of: str = "seconds") -> Callable[[Results], float]:
    return lambda found: found[name][of] / sum(found[other][of] for other in others)


def _scored(name: str) -> Callable[[Results], float]:
    """Return the CPU seconds that a measurement takes for 500,000 customers, as a multiple of the training's."""
    return lambda found: (
        found[name]["cpu_seconds"] / found[name]["result"] * _CUSTOMERS / found["training"]["cpu_seconds"]
    )


BARS = (
    Bar(
        "features / pandas, loading included",
        "x",
        0.8,
        ("features", "pandas_load", "pandas_compute"),
        _ratio("features", "pandas_load", "pandas_compute"),
    ),
    Bar(
        "features / pandas, frames in memory",
        "x",
        None,
        ("features", "pandas_compute"),
        _ratio("features", "pandas_compute"),
    ),
    Bar("features / scan of their columns", "x", 20, ("features", "scan"), _ratio("features", "scan")),
    Bar(
        "six as_of / one, a process each",
        "x",
        5,
        ("six_as_of", "one_as_of"),
        _ratio("six_as_of", "one_as_of", of="process_seconds"),
    ),
    Bar(
        "six as_of / one, without the start of the process",
        "x",
        None,
        ("six_as_of", "one_as_of"),
        _ratio("six_as_of", "one_as_of"),
    ),
    Bar("features, peak memory", "MB", 1500, ("features",), lambda found: found["features"]["peak_mb"]),
    Bar("six as_of, peak memory", "MB", 1500, ("six_as_of",), lambda found: found["six_as_of"]["peak_mb"]),
    Bar("pandas, peak memory", "MB", None, ("pandas_compute",), lambda found: found["pandas_compute"]["peak_mb"]),
    Bar("scoring 500,000 / training, CPU", "x", 0.25, ("scoring", "training"), _scored("scoring")),
    Bar("reasons of 500,000 / training, CPU", "x", 5, ("reasons", "training"), _scored("reasons")),
    Bar("scoring, peak memory", "MB", None, ("scoring",), lambda found: found["scoring"]["peak_mb"]),
    Bar("slowest buy-till-you-die fit on CDNOW", "s", 1, ("btyd",), lambda found: found["btyd"]["seconds"]),
    Bar(
        "buy-till-you-die fit / pymc-marketing's MAP",
        "x",
        0.1,
        ("pymc",),
        lambda found: 1 / found["pymc"]["times_faster"],
    ),
    Bar("twenty segments / scan", "x", 40, ("segments", "scan"), _ratio("segments", "scan")),
    Bar("slowest segment alone / scan", "x", 12, ("segments_alone", "scan"), _ratio("segments_alone", "scan")),
    Bar(
        "twenty segments a day later / first time",
        "x",
        0.1,
        ("segments_day_later", "segments"),
        _ratio("segments_day_later", "segments"),
    ),
    Bar(
        "twenty segments a day later / scan",
        "x",
        None,
        ("segments_day_later", "scan"),
        _ratio("segments_day_later", "scan"),
    ),
    Bar("segments, peak memory", "MB", None, ("segments",), lambda found: found["segments"]["peak_mb"]),
)


@dataclass(frozen=True)
class Verdict:
    """A bar and what this run gave; `met` is None where there is no bar, or nothing was measured."""

    what: str
    figure: float | None
    unit: str
    most: float | None
    met: bool | None


def judge(found: Results) -> list[Verdict]:
    """Return each bar with its figure, in the order of `BARS`."""
    return [_judged(bar, found) for bar in BARS]


def _judged(bar: Bar, found: Results) -> Verdict:
    if not set(bar.needs) <= found.keys():
        return Verdict(bar.what, None, bar.unit, bar.most, None)
    figure = round(bar.figure(found), 3)
    return Verdict(bar.what, figure, bar.unit, bar.most, None if bar.most is None else figure <= bar.most)


def measure(name: str, home: Path) -> dict[str, Any]:
    """Run one measurement in a process of its own, and time that as well. Raises `CalledProcessError` when it fails."""
    env = os.environ | {"AUDIENCEFLOW_HOME": str(home), "WAREHOUSE_URL": "", "MLFLOW_TRACKING_URI": ""}
    command, started = [sys.executable, "-m", "tests.bench.measures", name], time.perf_counter()
    with (home / f"{name}.log").open("w") as log:
        done = subprocess.run(
            command, check=True, env=env, cwd=PROJECT_DIR, stdout=subprocess.PIPE, stderr=log, text=True
        )
    return json.loads(done.stdout) | {"process_seconds": round(time.perf_counter() - started, 3)}


def main(arguments: list[str] | None = None) -> int:
    """Generate, measure, print and write; return 0, or 1 when a measurement failed or a bar of `--strict` is missed."""
    given = _parser().parse_args(arguments)
    console, folder = Console(), settings().home / "bench"
    home = folder / f"{given.events}x{given.customers}"
    found, failed = _run(console, home, given)
    verdicts = judge(found)
    console.print(_table(verdicts, f"{given.events:,} events, {given.customers:,} customers"))
    for name in failed:
        console.print(f"[red]{name} failed[/]: see {home / f'{name}.log'}")
    result = {"events": given.events, "customers": given.customers, "measurements": found, "failed": failed}
    (folder / "results.json").write_text(json.dumps(result | {"bars": [asdict(v) for v in verdicts]}, indent=1))
    console.print(f"Written: {folder / 'results.json'}")
    return int(bool(failed) or (given.strict and any(v.met is False for v in verdicts)))


def _run(console: Console, home: Path, given: argparse.Namespace) -> tuple[Results, list[str]]:
    found, failed = Results(), list[str]()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("making the world (once)")
        _prepare(home, given)
        for name in given.only or _names(given.pymc):
            progress.update(task, description=name.replace("_", " "))
            try:
                found[name] = measure(name, home)
            except subprocess.CalledProcessError:
                failed.append(name)
            progress.console.print(f"{name.replace('_', ' ')}: {_outcome(found.get(name))}")
    return found, failed


def _names(pymc: bool) -> list[str]:
    return [name for name in NAMES if pymc or name not in _ASKED_FOR]


def _outcome(one: dict[str, Any] | None) -> str:
    return f"{one['seconds']:.2f} s, {one['peak_mb']:,} MB" if one else "failed"


def _prepare(home: Path, given: argparse.Namespace) -> None:
    env = os.environ | {"AUDIENCEFLOW_HOME": str(home), "WAREHOUSE_URL": ""}
    command = [sys.executable, "-m", "tests.bench.world", str(home), str(given.events), str(given.customers)]
    subprocess.run(command, check=True, env=env, cwd=PROJECT_DIR)


def _table(verdicts: list[Verdict], title: str) -> Table:
    table = Table(title=title)
    for name, side in (("figure", "left"), ("this run", "right"), ("at most", "right"), ("verdict", "left")):
        table.add_column(name, justify=side)
    for one in verdicts:
        table.add_row(one.what, _shown(one.figure, one.unit), _shown(one.most, one.unit), _word(one))
    return table


def _shown(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:,.0f} MB" if unit == "MB" else f"{value:.{_digits(value)}f} {unit}"


def _digits(value: float) -> int:
    return 2 if value >= _SMALL else 3


def _word(one: Verdict) -> str:
    if one.figure is None:
        return "not measured"
    return {True: "[green]met[/]", False: "[red]missed[/]", None: "told"}[one.met]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=500_000)
    parser.add_argument("--only", nargs="*", choices=NAMES, help="measure these only")
    parser.add_argument(
        "--pymc", action="store_true", help="compare with pymc-marketing, too: installs it in an environment of its own"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a bar is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
