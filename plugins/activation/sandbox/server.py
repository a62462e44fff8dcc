"""Starting the sandbox: in a thread of this process, or for good."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from activation.sandbox.app import RATE, TOKEN, Sandbox
from activation.sandbox.state import Journal
from ml.errors import FatalError

LOOPBACK = "127.0.0.1"


@contextmanager
def running_sandbox(state_path: Path | str, port: int = 0, rate: int = RATE) -> Iterator[str]:
    """Run the sandbox in a thread and give its address; port 0 takes a free one.

    What it remembers is in `state_path` and is there again the next time.
    """
    journal = Journal(Path(state_path))
    listener = _listen(port)
    server = uvicorn.Server(_config(Sandbox(journal, rate)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        # The socket listens already: requests that come before the server is up wait in its queue.
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)
        journal.close()


def serve(state_path: Path, port: int, host: str = LOOPBACK) -> None:
    """Run the sandbox until it is stopped."""
    uvicorn.Server(_config(Sandbox(Journal(state_path)))).run(sockets=[_listen(port, host)])


def connection_json(base_url: str) -> str:
    """Return what `AIRFLOW_CONN_HUBSPOT_DEFAULT` must be for a sync to talk to this sandbox."""
    return json.dumps({"conn_type": "hubspot", "host": base_url, "password": TOKEN})


def _config(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(sandbox.app(), log_level="warning", access_log=False, lifespan="off")


def _listen(port: int, host: str = LOOPBACK) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise FatalError(f"The sandbox cannot listen on {host}:{port}: {error}. Choose another port") from error
    listener.listen()
    return listener
