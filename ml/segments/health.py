"""The health of the catalogue: segments too alike, too small, without a use or without an outcome of their own.

Everything is counted in SQL over the members that were stored at one `as_of`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml.errors import NotEnoughData
from ml.measurement.kpis import WINDOW_DAYS
from ml.segments.catalogue import load_catalogue
from ml.segments.health_outcomes import Outcome, outcomes
from ml.segments.inspect import latest_as_of
from ml.settings import settings
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

_QUERIES = Path("6_segments/queries")
_TABLES = ("segment_members", "segment_runs", "customer_features", "customer_orders")


@dataclass(frozen=True)
class Bounds:
    """What counts as too small, too alike, too many, and as chance."""

    smallest: int = 50
    alike: float = 0.8
    most: int = 5
    chance: float = 0.05


@dataclass(frozen=True)
class Pair:
    """Two segments and the customers they share."""

    one: str
    other: str
    shared: int
    jaccard: float


@dataclass(frozen=True)
class Health:
    """What was found at `as_of`.

    `sizes`: members of each segment. `pairs`: every two segments. `counted`: customers by the number of segments they
    are in. `outcomes`: what members ordered after `cohort`; None when no run is old enough. `unused`: no destination.
    """

    as_of: AsOf
    bounds: Bounds
    sizes: Mapping[str, int]
    pairs: Sequence[Pair]
    counted: Mapping[int, int]
    unused: Sequence[str]
    cohort: AsOf | None
    window_days: int
    outcomes: Mapping[str, Outcome]

    @property
    def customers(self) -> int:
        """Customers known at `as_of`."""
        return sum(self.counted.values())

    @property
    def in_none(self) -> float:
        """Share of the customers who are in no segment."""
        return self.counted.get(0, 0) / self.customers

    @property
    def in_many(self) -> float:
        """Share of the customers who are in more than `bounds.most` segments."""
        return sum(found for number, found in self.counted.items() if number > self.bounds.most) / self.customers

    @property
    def small(self) -> list[str]:
        """Segments with too few members."""
        return [name for name, size in self.sizes.items() if size < self.bounds.smallest]

    @property
    def alike(self) -> list[Pair]:
        """Pairs of segments that are nearly the same, the most alike first."""
        found = [pair for pair in self.pairs if pair.jaccard >= self.bounds.alike]
        return sorted(found, key=lambda pair: -pair.jaccard)

    @property
    def indistinct(self) -> list[str]:
        """Segments whose members then did what others did, as far as can be told."""
        return [name for name, found in self.outcomes.items() if not found.is_distinct(self.bounds.chance)]


def health(
    as_of: str | None = None,
    warehouse: Warehouse | None = None,
    bounds: Bounds | None = None,
    window_days: int = WINDOW_DAYS,
) -> Health:
    """Look at the segments that were built at `as_of` (default: the latest).

    Outcomes are those after the latest run whose window has closed by the latest data. Raises `NotEnoughData` when no
    segment was built at `as_of`.
    """
    house = warehouse or Warehouse()
    house.create(*_TABLES)
    runs = _runs(house)
    at = parse_as_of(as_of) if as_of else max((when for when in runs), key=lambda one: one.at, default=None)
    if at is None or at not in runs:
        raise NotEnoughData(f"No segment was built{f' at {at}' if at else ''}: run build_segments first")
    with house.held():
        sizes = dict.fromkeys(sorted(runs[at]), 0)
        pairs = _pairs(house, at, sizes)
        rows = house.select_arrow(_QUERIES / "segments_per_customer.sql", as_of=at).to_pylist()
        end = latest_as_of(house)
        cohort = max((one for one in runs if one.plus(window_days).at <= end.at), key=lambda one: one.at, default=None)
        found = outcomes(house, cohort, window_days) if cohort else {}
    segments = load_catalogue().segments
    unused = [name for name in sizes if name in segments and not segments[name].destinations]
    counted = {row["segments"]: row["customers"] for row in rows}
    return Health(at, bounds or Bounds(), sizes, pairs, counted, unused, cohort, window_days, found)


def as_dict(found: Health) -> dict[str, Any]:
    """Return the findings as plain values."""
    return {
        "as_of": str(found.as_of),
        "customers": found.customers,
        "in_none": found.in_none,
        "in_many": found.in_many,
        "by_number_of_segments": dict(found.counted),
        "sizes": dict(found.sizes),
        "pairs": [asdict(pair) for pair in found.pairs],
        "unused": list(found.unused),
        "cohort": str(found.cohort) if found.cohort else None,
        "outcomes": {
            name: {
                "members": one.members._asdict(),
                "others": one.others._asdict(),
                "chance_by_rate": None if math.isnan(one.by_rate) else one.by_rate,
                "chance_by_spend": None if math.isnan(one.by_spend) else one.by_spend,
            }
            for name, one in found.outcomes.items()
        },
    }


def write_page(found: Health) -> Path:
    """Write the page below the reports; return where."""
    from ml.segments.health_page import render

    path = settings().reports / f"segment_health_{found.as_of.at:%Y-%m-%d}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(found), encoding="utf-8")
    return path


def _runs(house: Warehouse) -> dict[AsOf, list[str]]:
    found = dict[AsOf, list[str]]()
    for row in house.read_arrow("segment_runs", ["segment", "as_of"]).to_pylist():
        found.setdefault(AsOf(row["as_of"]), []).append(row["segment"])
    return found


def _pairs(house: Warehouse, at: AsOf, sizes: dict[str, int]) -> list[Pair]:
    """Return every two segments, and fill in the sizes."""
    rows = house.select_arrow(_QUERIES / "overlaps.sql", as_of=at).to_pylist()
    shared = {(row["segment"], row["other"]): int(row["shared"]) for row in rows}
    sizes.update({name: shared.get((name, name), 0) for name in sizes})
    names = list(sizes)
    return [
        Pair(one, other, found, found / max(sizes[one] + sizes[other] - found, 1))
        for number, one in enumerate(names)
        for other in names[number + 1 :]
        for found in [shared.get((one, other), 0)]
    ]
