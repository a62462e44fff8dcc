"""`python -m ml.sources.demo`: write the demo's raw files and show what is in them."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ml.errors import AudienceflowError
from ml.sources.demo.writing import write_demo


def main() -> int:
    """Write the files under `--home` (default: the settings' home) and print the summary."""
    parser = argparse.ArgumentParser(prog="python -m ml.sources.demo", description=__doc__)
    parser.add_argument("--home", type=Path, help="folder that gets demo/raw/ (default: AUDIENCEFLOW_HOME)")
    parser.add_argument("--seed", type=int, help="seed of the companion (default: AUDIENCEFLOW_SEED)")
    asked = parser.parse_args()
    console = Console()
    try:
        with console.status("Demo data") as status:
            made = write_demo(asked.home, seed=asked.seed, progress=lambda done: status.update(f"Demo data: {done}"))
    except AudienceflowError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    _show(console, made)
    return 0


def _show(console: Console, made: dict[str, object]) -> None:
    counts = made["counts"]
    table = Table("what is true of it", "count", title=f"{made['raw']} (seed {made['seed']})")
    table.columns[1].justify = "right"
    for name, count in counts.items() if isinstance(counts, dict) else ():
        table.add_row(name.replace("_", " "), f"{count:,}")
    console.print(table)
    console.print(f"{'written' if made['written'] else 'already there'} in {made['seconds']} s")


if __name__ == "__main__":
    sys.exit(main())
