"""How a command ends."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def leave_quietly(code: str | int | None) -> NoReturn:
    """Exit without the notes on reference counts that native libraries write while Python shuts down."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(code)
