"""Background processes of this machine: started in sessions of their own, remembered in a file, stopped to the last."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psutil

from ml.errors import AudienceflowError
from orchestration.environment import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

GRACE = 25.0
"""Seconds that a service has to stop by itself."""


@dataclass(frozen=True)
class Service:
    """A process that was started; `born` tells it from a later process with the same id."""

    name: str
    pid: int
    born: float
    address: str

    def process(self) -> psutil.Process | None:
        """Return the process, or None when it has ended."""
        try:
            found = psutil.Process(self.pid)
            alive = found.create_time() == self.born and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if alive else None


def start(name: str, command: Sequence[str], env: dict[str, str], log_file: Path, address: str) -> Service:
    """Start `command` away from this terminal, its output in `log_file`."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            list(command), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    return Service(name, process.pid, psutil.Process(process.pid).create_time(), address)


def stop(*services: Service, first: signal.Signals = signal.SIGINT, grace: float = GRACE) -> None:
    """Ask services to stop, all at once, then insist: none of them and no child of theirs is left when this returns."""
    asked = [process for service in services if (process := service.process())]
    family = [*asked, *(child for process in asked for child in process.children(recursive=True))]
    _signal(asked, first)
    _, stubborn = psutil.wait_procs(asked, timeout=grace)
    family += [child for left in stubborn for child in left.children(recursive=True)]
    _, left = psutil.wait_procs(family, timeout=0.0 if stubborn else 2.0)
    _signal(left, signal.SIGTERM)
    _, left = psutil.wait_procs(left, timeout=5.0)
    _signal(left, signal.SIGKILL)
    psutil.wait_procs(left, timeout=5.0)


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def wait_until(is_ready: Callable[[], bool], service: Service, log_file: Path, seconds: float) -> None:
    """Wait for a service to answer. Raises `AudienceflowError` when it ends first or takes too long."""
    deadline = time.monotonic() + seconds
    while not is_ready():
        if service.process() is None:
            raise AudienceflowError(f"{service.name} ended while starting; its log is {log_file}")
        if time.monotonic() > deadline:
            raise AudienceflowError(f"{service.name} does not answer after {seconds:.0f} s; its log is {log_file}")
        time.sleep(0.5)


def answer(address: str) -> Any:
    """Return the JSON (or text) behind `address`, or None when nobody answers well."""
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(address, timeout=5.0) as response:  # noqa: S310 - an address of this machine
            body = response.read()
    # Where nobody listens yet, a connection on loopback may meet itself and read its own question.
    except (URLError, OSError, HTTPException):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def free_port(preferred: int, width: int = 1) -> int:
    """Return the first port from `preferred` on, at which `width` ports in a row are free on loopback."""
    for port in range(preferred, preferred + 200, width):
        if all(_is_free(port + offset) for offset in range(width)):
            return port
    raise AudienceflowError(f"No free port between {preferred} and {preferred + 200} on {LOOPBACK}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class Register:
    """The file that remembers what was started."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def services(self) -> list[Service]:
        """Return what was started and not yet stopped; some may have ended."""
        if not self.path.exists():
            return []
        return [Service(**row) for row in json.loads(self.path.read_text(encoding="utf-8"))]

    def running(self) -> list[Service]:
        """Return what is still alive."""
        return [service for service in self.services() if service.process()]

    def add(self, service: Service) -> None:
        """Remember a service before anything else can go wrong."""
        self._write([*self.services(), service])

    def clear(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)

    def _write(self, services: Sequence[Service]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps([asdict(service) for service in services], indent=2), encoding="utf-8")
        draft.replace(self.path)
