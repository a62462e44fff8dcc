"""`airflow standalone` that keeps to loopback and stops when it is told to.

Airflow's scheduler and triggerer each serve their logs on every network address, and the setting for that is a
command-line option which `airflow standalone` does not pass on; the API server reads the same files from the disk.
Its parent stops its parts on KeyboardInterrupt only, and a shell that starts it in the background makes it deaf to
that.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from airflow.cli.commands import standalone_command

NO_LOG_SERVER = "--skip-serve-logs"


class LoopbackCommand(standalone_command.SubCommand):
    """A part of Airflow, started without its log server."""

    def __init__(self, parent: Any, name: str, command: list[str], env: dict[str, str]) -> None:
        quiet = [NO_LOG_SERVER] if name in {"scheduler", "triggerer"} else []
        super().__init__(parent, name, [*command, *quiet], env)


def main() -> int:
    """Run every part of Airflow until SIGINT or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    airflow: Any = standalone_command
    airflow.SubCommand = LoopbackCommand
    airflow.StandaloneCommand().run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
