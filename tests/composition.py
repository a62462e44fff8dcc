"""docker-compose.yml, .env.example and the Dockerfile as data, and what a container would run, run here instead."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ml.settings import PROJECT_DIR

COMPOSE = PROJECT_DIR / "docker-compose.yml"
DOCKERFILE = PROJECT_DIR / "Dockerfile"
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<rule>:-|:\?)(?P<rest>[^}]*)\}")


@dataclass(frozen=True)
class Variable:
    """A `${NAME:-default}` or `${NAME:?reason}` of the file."""

    name: str
    is_required: bool
    default: str


def variables() -> set[Variable]:
    found = VARIABLE.finditer(COMPOSE.read_text(encoding="utf-8"))
    return {Variable(m["name"], m["rule"] == ":?", m["rest"] if m["rule"] == ":-" else "") for m in found}


def env_example() -> dict[str, str]:
    lines = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=")[::2] for line in lines if line and not line.startswith("#"))
    return dict(pairs)


def compose(values: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the file with its variables filled in: given values, else defaults, else `x`; `$$` becomes `$`."""
    given = values or {}

    def fill(match: re.Match[str]) -> str:
        return given.get(match["name"]) or (match["rest"] if match["rule"] == ":-" else "x")

    text = VARIABLE.sub(fill, COMPOSE.read_text(encoding="utf-8"))
    return dict(yaml.safe_load(text.replace("$$", "$")))


def our_services() -> dict[str, dict[str, Any]]:
    """The services of the project's own image."""
    return {name: service for name, service in compose()["services"].items() if "build" in service}


def dockerfile() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, rest in lines]


def arguments(instruction: str) -> list[list[str]]:
    return [shlex.split(rest) for word, rest in dockerfile() if word == instruction]


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for words in arguments("ENV") for pair in words)


class Native:
    """The stack's commands on this machine: loopback for service names, free ports, a folder for the volumes.

    `postgres` is the folder of a PostgreSQL server's socket.
    """

    def __init__(self, folder: Path, ports: dict[str, int], values: dict[str, str], postgres: str = "") -> None:
        self.folder, self.ports, self.postgres = folder, ports, postgres
        self.services = compose(values)["services"]

    def translate(self, text: str) -> str:
        text = re.sub(r"@postgres:5432/(\w+)", rf"@/\1?host={self.postgres}", text)
        text = re.sub(r"\b(?:redis|mlflow|sandbox|airflow-api-server|localhost)(?=:\d)", "127.0.0.1", text)
        for port, here in self.ports.items():
            text = re.sub(rf"(?<![\w.]){port}\b", str(here), text)
        if port := self.ports.get("6379"):  # the image's own, which no command names
            text = text.replace("redis-server ", f"redis-server --port {port} --bind 127.0.0.1 --dir {self.folder} ")
            text = text.replace("redis-cli ", f"redis-cli -p {port} ")
        text = text.replace("/opt/audienceflow", str(PROJECT_DIR)).replace("/var/lib", str(self.folder))
        return text.replace("0.0.0.0", "127.0.0.1")

    def command(self, name: str) -> list[str]:
        return [self.translate(word) for word in self.services[name]["command"]]

    def health(self, name: str) -> list[str]:
        kind, *words = (self.translate(word) for word in self.services[name]["healthcheck"]["test"])
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else words

    def environment(self, name: str) -> dict[str, str]:
        """What the container would see, and nothing of this process but where programs are."""
        own = {**image_environment(), **self.services[name].get("environment", {})}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        outside = {"PATH": path, "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return {**{key: self.translate(str(value)) for key, value in own.items()}, **outside}
