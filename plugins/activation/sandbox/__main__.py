"""`python -m activation.sandbox --port 8899 --state FILE`: the sandbox CRM, on this machine."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from activation.sandbox.app import TOKEN
from activation.sandbox.server import LOOPBACK, serve
from ml.settings import settings


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m activation.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8899)
    parser.add_argument("--host", default=LOOPBACK, help="inside a container only: 0.0.0.0")
    parser.add_argument("--state", type=Path, default=settings().home / "sandbox" / "hubspot.jsonl")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger(__name__).info(
        "Sandbox CRM on http://%s:%s (token %s), state in %s", options.host, options.port, TOKEN, options.state
    )
    serve(options.state, options.port, options.host)


if __name__ == "__main__":
    main()
