"""What the sandbox remembers: contacts, properties, lists and members, journalled to one file."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

FIRST_ID = 1001
DEFINED = {
    "email": "string",
    "firstname": "string",
    "lastname": "string",
    "phone": "string",
    "lifecyclestage": "enumeration",
}


def timestamp() -> str:
    """Return the present as HubSpot writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class State:
    """The CRM's content. `writes` counts how often each address was written since the start, for tests."""

    contacts: dict[str, dict[str, str]] = field(default_factory=dict)
    properties: dict[str, dict[str, Any]] = field(default_factory=dict)
    lists: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, dict[str, str]] = field(default_factory=dict)
    by_email: dict[str, str] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    last_id: int = FIRST_ID - 1

    def apply(self, entry: dict[str, Any]) -> None:
        """Carry out one entry of the journal."""
        getattr(self, f"_{entry['do']}")(entry)

    def _contact(self, entry: dict[str, Any]) -> None:
        record = self.contacts.setdefault(entry["id"], {})
        self.by_email.pop(record.get("email", ""), None)
        record.update(entry["properties"])
        self.by_email[record["email"]] = entry["id"]
        self.last_id = max(self.last_id, int(entry["id"]))

    def _property(self, entry: dict[str, Any]) -> None:
        self.properties[entry["body"]["name"]] = entry["body"]

    def _list(self, entry: dict[str, Any]) -> None:
        self.lists[entry["body"]["listId"]] = entry["body"]
        self.members.setdefault(entry["body"]["listId"], {})
        self.last_id = max(self.last_id, int(entry["body"]["listId"]))

    def _drop_list(self, entry: dict[str, Any]) -> None:
        self.lists.pop(entry["id"], None)
        self.members.pop(entry["id"], None)

    def _drop_contact(self, entry: dict[str, Any]) -> None:
        self.by_email.pop(self.contacts.pop(entry["id"], {}).get("email", ""), None)
        for members in self.members.values():
            members.pop(entry["id"], None)

    def _members(self, entry: dict[str, Any]) -> None:
        members = self.members[entry["list"]]
        members.update(dict.fromkeys(entry["add"], entry["at"]))
        for record in entry["remove"]:
            members.pop(record, None)


class Journal:
    """A state kept in a file of JSON lines: a kill loses at most the line that was being written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.state = State()
        for line in _whole_lines(path):
            self.state.apply(json.loads(line))
        self._file: TextIO = self._compacted(path)

    def do(self, *entries: dict[str, Any]) -> None:
        """Carry out entries and write them down before the answer leaves."""
        for entry in entries:
            self.state.apply(entry)
        self._file.write("".join(json.dumps(entry) + "\n" for entry in entries))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def next_id(self) -> str:
        """Return an id that was never given."""
        self.state.last_id += 1
        return str(self.state.last_id)

    def _compacted(self, path: Path) -> TextIO:
        fresh = path.with_suffix(".new")
        fresh.write_text("".join(json.dumps(entry) + "\n" for entry in _entries(self.state)))
        os.replace(fresh, path)  # noqa: PTH105 - the atomic one
        return path.open("a")


def _whole_lines(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def _entries(state: State) -> list[dict[str, Any]]:
    return [
        *({"do": "property", "body": body} for body in state.properties.values()),
        *({"do": "contact", "id": record, "properties": found} for record, found in state.contacts.items()),
        *({"do": "list", "body": body} for body in state.lists.values()),
        *(
            {"do": "members", "list": name, "add": [record], "remove": [], "at": at}
            for name, members in state.members.items()
            for record, at in members.items()
        ),
    ]
