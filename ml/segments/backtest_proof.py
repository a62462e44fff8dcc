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
    """Whether the outcome of a definition was looked up on at least one past date."""
    where = {"segment": rule.name, "definition_hash": definition_hash(rule), "measured": (">", 0)}
    return warehouse.count(RUNS, where) > 0


def untested(rule: Rule, warehouse: Warehouse) -> str:
    """Return why a definition may not be activated: it was not backtested. Empty text when it may be.

    `AUDIENCEFLOW_BACKTESTS=off` lets all of them in.
    """
    if settings().backtests == "off" or rule.segment.backtest.skip or is_backtested(rule, warehouse):
        return ""
    return (
        f"its definition was not backtested: run `audienceflow segments backtest {rule.name}`, or say in its file why "
        "it need not be (backtest: {skip: ...})"
    )
