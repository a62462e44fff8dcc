"""Progress for people: one line a finished stage, a sign of life in between, everything else in a log file."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PULSE = 4.0
WIDTH = 120  # of a log of continuous integration, which has no width of its own
WATCHED = ("ml", "activation")


@contextmanager
def output_to(log_file: Path) -> Iterator[Console]:
    """Send everything this process prints to `log_file` and yield a console on the real screen.

    Works on file descriptors, so that what libraries written in C print goes to the file, too.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    is_terminal = sys.stdout.isatty()
    sys.stdout.flush()
    saved = [os.dup(1), os.dup(2)]
    with log_file.open("a", buffering=1) as log, os.fdopen(os.dup(1), "w", buffering=1) as screen:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield Console(
                file=screen, force_terminal=is_terminal, highlight=False, width=None if is_terminal else WIDTH
            )
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


@dataclass
class Outcome:
    """How a stage ended; whoever runs it sets `failed`."""

    failed: bool = False


class Screen:
    """What runs now, for how long, and the last thing it said.

    A terminal shows a spinner; anything else gets a line whenever `pulse` seconds passed without one. `log_file` is
    where `output_to` sends everything else, if it does. `seconds` holds the wall time of each stage that ended.
    """

    def __init__(self, console: Console, pulse: float = PULSE, log_file: Path | None = None) -> None:
        self.console = console
        self.pulse = pulse
        self.log_file = log_file
        self.seconds: dict[str, float] = {}
        self._stage = self._task = self._note = ""
        self._began = self._spoke = time.monotonic()
        self._over = threading.Event()

    @contextmanager
    def alive(self) -> Iterator[Screen]:
        """Keep giving signs of life until the block ends."""
        ticker = threading.Thread(target=self._tick, daemon=True)
        listener = _LastMessage(self)
        for name in WATCHED:
            logging.getLogger(name).addHandler(listener)
        ticker.start()
        try:
            yield self
        finally:
            self._over.set()
            ticker.join()
            for name in WATCHED:
                logging.getLogger(name).removeHandler(listener)

    @contextmanager
    def stage(self, title: str) -> Iterator[Outcome]:
        """Show a stage while it runs; leave a line with its seconds, unless the block raises."""
        self._stage, self._task, self._note = title, "", ""
        self._began = time.monotonic()
        outcome = Outcome()
        yield outcome
        self.seconds[title] = time.monotonic() - self._began
        mark = "[red]✗[/]" if outcome.failed else "[green]✓[/]"
        self.say(f"{mark} {escape(title):<24} {self.seconds[title]:6.1f} s")
        self._stage = ""

    def task(self, label: str) -> None:
        """Name the task that runs now."""
        self._task, self._note = label, ""

    def note(self, message: str) -> None:
        """Remember the last thing that was said."""
        self._note = message

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._spoke = time.monotonic()
        self.console.print(line, soft_wrap=True)

    def _now(self) -> str:
        parts = [self._stage, self._task, f"{time.monotonic() - self._began:.0f} s", self._note]
        return escape(" · ".join(part for part in parts if part))

    def _tick(self) -> None:
        if self.console.is_terminal:
            with self.console.status("") as status:
                while not self._over.wait(0.25):
                    status.update(self._now())
            return
        while not self._over.wait(0.25):
            if self._stage and time.monotonic() - self._spoke >= self.pulse:
                self.say(f"  {self._now()}")


class _LastMessage(logging.Handler):
    """Hands each message of the library to the screen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.note(record.getMessage()[:120])
