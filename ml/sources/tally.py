"""What became of the rows of one delivery: every row read is loaded, refused, left out or grouped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Rows read, loaded, refused (by rule), left out by a declared filter; warnings by column and check."""

    read: int = 0
    loaded: int = 0
    refused: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    money_cents: int | None = None

    def note(self, left_out: str | None, rule: str | None, count: int) -> None:
        """Count rows that did not pass."""
        if left_out is not None:
            self.left_out[left_out] += count
        elif rule is not None:
            self.refused += count
            self.rules[rule] += count

    @classmethod
    def total(cls, tallies: Iterable[Tally]) -> Tally:
        """Return the sum of several deliveries (money is left out)."""
        total = cls()
        for tally in tallies:
            total.read += tally.read
            total.loaded += tally.loaded
            total.refused += tally.refused
            total.rules += tally.rules
            total.left_out += tally.left_out
            total.warnings += tally.warnings
        return total
