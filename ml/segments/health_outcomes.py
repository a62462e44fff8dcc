"""Whether members then did something else than the other customers: two tests a segment, corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ml.times import AsOf
from ml.warehouse import Warehouse

_REALISED = Path("6_segments/queries/realised.sql")


class Totals(NamedTuple):
    """What a group of customers ordered: how many, those who ordered, the sum of their spend and of its square."""

    customers: int
    buyers: int
    spent: float
    spent_squared: float

    @property
    def rate(self) -> float:
        """Share who ordered."""
        return self.buyers / self.customers if self.customers else math.nan

    @property
    def mean(self) -> float:
        """Spend a customer."""
        return self.spent / self.customers if self.customers else math.nan

    @property
    def spread(self) -> float:
        """Sample standard deviation of the spend."""
        if self.customers < 2:
            return math.nan
        return math.sqrt(max(self.spent_squared - self.spent * self.mean, 0) / (self.customers - 1))

    def without(self, part: Totals) -> Totals:
        """Return those of the group who are not in `part`."""
        return Totals(
            self.customers - part.customers,
            self.buyers - part.buyers,
            self.spent - part.spent,
            self.spent_squared - part.spent_squared,
        )


@dataclass(frozen=True)
class Outcome:
    """What members ordered and what the others did; chances that a difference like that is luck, corrected.

    `by_rate`: chi-square test of how many ordered. `by_spend`: Welch's t-test of the spend a customer. NaN where there
    is nothing to test.
    """

    members: Totals
    others: Totals
    by_rate: float
    by_spend: float

    def is_distinct(self, chance: float) -> bool:
        """Whether either difference is unlikely to be luck."""
        return self.by_rate < chance or self.by_spend < chance


def outcomes(house: Warehouse, cohort: AsOf, window_days: int) -> dict[str, Outcome]:
    """Return the outcome of each segment built at `cohort`, over the `window_days` after it."""
    rows = house.select_arrow(_REALISED, as_of=cohort, window_days=window_days).to_pylist()
    keys = ("customers", "buyers", "spent", "spent_squared")
    totals = {row["segment"]: Totals(*(row[key] for key in keys)) for row in rows}
    everybody = totals.pop("")
    found = {name: _tested(one, everybody.without(one)) for name, one in sorted(totals.items())}
    return corrected(found)


def corrected(found: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return the outcomes with p-values that hold the share of false discoveries (Benjamini and Hochberg, 1995)."""
    from scipy.stats import false_discovery_control

    raw = np.array([[one.by_rate, one.by_spend] for one in found.values()])
    is_tested = ~np.isnan(raw)
    if is_tested.any():
        raw[is_tested] = false_discovery_control(raw[is_tested])
    pairs = zip(found.items(), raw, strict=True)
    return {name: replace(one, by_rate=float(p[0]), by_spend=float(p[1])) for (name, one), p in pairs}


def _tested(members: Totals, others: Totals) -> Outcome:
    from scipy.stats import chi2_contingency, ttest_ind_from_stats

    counts = np.array([[one.buyers, one.customers - one.buyers] for one in (members, others)])
    by_rate = by_spend = math.nan
    if counts.sum(axis=0).all() and counts.sum(axis=1).all():
        by_rate = float(chi2_contingency(counts).pvalue)
    if members.spread + others.spread > 0:
        stats = [value for one in (members, others) for value in (one.mean, one.spread, one.customers)]
        by_spend = float(ttest_ind_from_stats(*stats, equal_var=False).pvalue)
    return Outcome(members, others, by_rate, by_spend)
