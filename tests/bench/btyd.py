"""`python -m tests.bench.btyd`: buy-till-you-die fits against pymc-marketing's maximum a posteriori, in one run.

Both fit the CDNOW sample (2,357 customers, 39 weeks), one process each and one after the other; the best of a few runs
counts, so that pymc-marketing's compilation and either one's import are left out. pymc-marketing is no dependency of
this project: `--install` puts it into a folder of its own below `$AUDIENCEFLOW_HOME/bench` (600 MB), `--python` takes
an environment that has it. Writes `$AUDIENCEFLOW_HOME/bench/btyd.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ml.models.btyd import BetaGeoNBD, GammaGamma, ParetoNBD
from ml.settings import settings
from tests.ml.models.cdnow import published_summary

PYMC = "pymc-marketing==0.19.2"
LEAST = 10.0  # how many times faster
_RUNS = 3
_SCRIPT = Path(__file__).with_name("pymc_map.py")

Found = dict[str, dict[str, Any]]


def ours() -> Found:
    """Return seconds of each run and parameters, for each model."""
    rows = published_summary()
    history = [rows[name].to_numpy() for name in ("frequency", "recency", "T")]
    asked = {
        "BG/NBD": (BetaGeoNBD, history),
        "Pareto/NBD": (ParetoNBD, history),
        "Gamma-Gamma": (GammaGamma, [rows["frequency"].to_numpy(), rows["monetary"].to_numpy()]),
    }
    return {name: _timed(model, columns) for name, (model, columns) in asked.items()}


def _timed(model: type, columns: list[Any]) -> dict[str, Any]:
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        fitted = model().fit(*columns)
        seconds.append(round(time.perf_counter() - started, 4))
    return {"seconds": seconds, "params": fitted.params_}


def theirs(python: Path, folder: Path) -> Found:
    """Return the same of pymc-marketing in another environment. Raises `CalledProcessError` when it fails there."""
    published_summary().rename_axis("customer_id").to_csv(folder / "cdnow.csv")
    command = [str(python), str(_SCRIPT), str(folder / "cdnow.csv"), str(_RUNS)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def install(folder: Path) -> Path:
    """Make an environment with pymc-marketing, unless it is there; return its Python."""
    python = folder / "pymc" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "pymc"], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, PYMC], check=True)
    return python


def ratios(own: Found, other: Found) -> dict[str, float]:
    """Return how many times faster our best run was than theirs, for each model."""
    return {name: round(min(other[name]["seconds"]) / min(own[name]["seconds"]), 1) for name in own}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write; return 0, or 1 when a ratio misses the bar or nothing could be compared."""
    given, console, folder = _parser().parse_args(arguments), Console(), settings().home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    python = install(folder) if given.install else given.python
    if python is None:
        console.print(f"Nothing to compare with: give --install, or --python of an environment with {PYMC}")
        return 1
    own, other = ours(), theirs(python, folder)
    faster = ratios(own, other)
    console.print(_table(own, other, faster))
    (folder / "btyd.json").write_text(json.dumps({"ours": own, "pymc": other, "faster": faster}, indent=1))
    return int(min(faster.values()) < LEAST)


def _table(own: Found, other: Found, faster: dict[str, float]) -> Table:
    table = Table(title="CDNOW sample: seconds to fit")
    for name in ("model", "ours, best", "pymc MAP, first", "pymc MAP, best", "times faster", "verdict"):
        table.add_column(name, justify="left" if name in {"model", "verdict"} else "right")
    for name, times in faster.items():
        seen = (own[name]["seconds"], other[name]["seconds"])
        figures = (f"{min(seen[0]):.4f}", f"{seen[1][0]:.2f}", f"{min(seen[1]):.2f}", f"{times:,.0f}")
        table.add_row(name, *figures, "[green]met[/]" if times >= LEAST else "[red]missed[/]")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.btyd", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install pymc-marketing into a folder of its own")
    parser.add_argument("--python", type=Path, help="the Python of an environment that has pymc-marketing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
