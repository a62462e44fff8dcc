"""What a sync asks of a platform, whichever it is. A hook in `plugins/activation/hooks/` provides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Contact:
    """One person to create or update; `trace_id` comes back with the outcome."""

    trace_id: str
    email: str
    properties: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """What the platform said of one contact: its id there, or why it was refused.

    `terminal` means that the same address will be refused for ever, so it is not tried again.
    """

    trace_id: str
    remote_id: str | None = None
    error: str | None = None
    terminal: bool = False


@dataclass(frozen=True)
class Membership:
    """Which record ids are now on the list, which are off it, and which the platform does not know."""

    present: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PropertySpec:
    """A contact property that must exist before the first write."""

    name: str
    label: str
    description: str
    kind: str


class Platform(Protocol):
    """A destination. Every write is safe to repeat; errors are those of `ml.errors`."""

    batch_rows: int

    @property
    def account(self) -> str:
        """Which account of the platform this is, without a secret: the ledger keeps accounts apart.

        The same over restarts and new tokens. Raises `ConfigError` when nothing says which.
        """

    def ensure_properties(self, properties: Sequence[PropertySpec]) -> list[str]:
        """Create the properties that are missing and return their names."""

    def ensure_list(self, name: str) -> str:
        """Return the id of the static list `name`, creating it when it is missing."""

    def upsert_contacts(self, contacts: Sequence[Contact]) -> list[Outcome]:
        """Create or update contacts by e-mail; one outcome for each, refused ones included."""

    def change_membership(self, list_id: str, add: Sequence[str], remove: Sequence[str]) -> Membership:
        """Put record ids on a list and take others off; says what is true afterwards."""

    def clear_properties(self, record_ids: Sequence[str], names: Sequence[str]) -> None:
        """Empty the named properties of these records; unknown records are passed over."""
