"""Progress never falls silent, and what libraries print goes to the log."""

import io
import logging
import subprocess
import sys
import time

import pytest
from rich.console import Console

from orchestration.screen import Screen


def _screen(pulse):
    return Screen(Console(file=io.StringIO(), width=200), pulse=pulse)


def test_a_stage_gives_a_sign_of_life_with_its_task_and_the_last_message():
    screen = _screen(pulse=0.1)
    with screen.alive(), screen.stage("ingest"):
        screen.task("ingest[orders]")
        logging.getLogger("ml.sources").setLevel(logging.INFO)
        logging.getLogger("ml.sources").info("%d rows read", 5)
        deadline = time.monotonic() + 5
        while "5 rows read" not in screen.console.file.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "ingest · ingest[orders] · 0 s · 5 rows read" in screen.console.file.getvalue()


def test_a_stage_that_ends_well_leaves_its_name_and_its_seconds():
    screen = _screen(pulse=60)
    with screen.stage("features"):
        pass
    assert "✓ features" in screen.console.file.getvalue()
    assert 0 <= screen.seconds["features"] < 1


def test_a_stage_that_ended_badly_is_crossed():
    screen = _screen(pulse=60)
    with screen.stage("features") as outcome:
        outcome.failed = True
    assert "✗ features" in screen.console.file.getvalue()


def test_a_stage_that_raises_leaves_no_tick():
    screen = _screen(pulse=60)
    with pytest.raises(ValueError, match="broken"), screen.stage("features"):
        raise ValueError("broken")
    assert "✓" not in screen.console.file.getvalue()


def test_what_is_printed_below_python_goes_to_the_log_and_the_screen_stays_ours(tmp_path):
    code = f"""
import os
from pathlib import Path
from orchestration.screen import output_to
with output_to(Path({str(tmp_path / "logs" / "x.log")!r})) as console:
    os.write(1, b"from C\\n"); os.write(2, b"a warning\\n"); print("from Python")
    console.print("for people")
print("after")
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split("\n") == ["for people", "after", ""]
    assert shown.stderr == ""
    kept = (tmp_path / "logs" / "x.log").read_text()
    assert all(text in kept for text in ("from C", "a warning", "from Python"))
