"""Hold one delivery's volume against bounds and against the source's own history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from ml.sources.spec import Range, Volume
from ml.sources.tally import Tally

# Enough to outlive an odd week, few enough to follow a shop that grows.
HISTORY = 20


def measures(tally: Tally, size: int | None) -> dict[str, float]:
    """Return what a delivery measures: rows, bytes, money and money_per_row (cents), refused_share."""
    found: dict[str, float] = {"rows": tally.loaded, "refused_share": tally.refused / max(tally.read, 1)}
    if size is not None:
        found["bytes"] = size
    if tally.money_cents is not None:
        found |= {"money": tally.money_cents, "money_per_row": tally.money_cents / max(tally.loaded, 1)}
    return found


def past_measures(load: Mapping[str, Any]) -> dict[str, float]:
    """Return what a row of `source_loads` measured."""
    tally = Tally(
        read=load["rows_read"],
        loaded=load["rows_loaded"],
        refused=load["rows_refused"],
        money_cents=load["money_cents"],
    )
    return measures(tally, load["bytes"])


def alerts(volume: Volume, now: Mapping[str, float], history: Sequence[Mapping[str, float]]) -> list[str]:
    """Return, in words, each measure that lies outside its bounds; shares need at least one past load."""
    found: list[str] = []
    for measure, value in now.items():
        past = [load[measure] for load in history[-HISTORY:] if measure in load]
        found += _outside(getattr(volume, measure), measure, value, past)
    return found


def _outside(bounds: Range, measure: str, value: float, past: Sequence[float]) -> Iterator[str]:
    if bounds.min is not None and value < bounds.min:
        yield f"{measure} {value:,.6g} is below {bounds.min:,.6g}"
    if bounds.max is not None and value > bounds.max:
        yield f"{measure} {value:,.6g} is above {bounds.max:,.6g}"
    usual = median(past) if past else None
    if usual is None:
        return
    if bounds.min_share is not None and value < usual * bounds.min_share:
        yield f"{measure} {value:,.6g} is below {bounds.min_share:g} times the usual {usual:,.6g}"
    if bounds.max_share is not None and value > usual * bounds.max_share:
        yield f"{measure} {value:,.6g} is above {bounds.max_share:g} times the usual {usual:,.6g}"
