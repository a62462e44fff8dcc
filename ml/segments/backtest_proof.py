"""Whether a definition was proven on the past, and so may be activated."""

from __future__ import annotations

from ml.segments.rules import Rule
from ml.segments.versions_pin import Pin, definition
from ml.settings import settings
from ml.warehouse import Warehouse

RUNS = "segment_backtest_runs"


def definition_hash(rule: Rule) -> str:
    """Return the hash of what decides who is in, as `segment_versions` has it."""
    return Pin(definition(rule), "{}").definition_hash


def is_backtested(rule: Rule, warehouse: Warehouse) -> bool:
    """Whether the outcome of a definition's members was looked up on at least one past date.

    That there was no member proves something only of a segment that may be empty (`minimum_size: 0`).
    """
    asked = {} if rule.segment.limits.minimum_size == 0 else {"members_asked": (">", 0)}
    where = {"segment": rule.name, "definition_hash": definition_hash(rule), "measured": (">", 0), **asked}
    return warehouse.count(RUNS, where) > 0


def untested(rule: Rule, warehouse: Warehouse) -> str:
    """Return why a definition may not be activated: it was not backtested. Empty text when it may be.

    `AUDIENCEFLOW_BACKTESTS=off` lets all of them in.
    """
    if settings().backtests == "off" or rule.segment.backtest.skip or is_backtested(rule, warehouse):
        return ""
    return (
        f"its definition was not backtested, or had no member on any date: run `audienceflow segments backtest "
        f"{rule.name}`, or say in its file why it need not be (backtest: {{skip: ...}})"
    )
