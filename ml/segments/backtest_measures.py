"""How well a segment found whom its outcome met: rates over one date or many, with intervals. Pure."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.segments.backtest_outcomes import Realised

DRAWS = 1_000
_TAILS = (2.5, 97.5)
_FEW = 5  # of fewer hits resampling says nothing


class Interval(NamedTuple):
    """The ends of a 95% interval; NaN where too little happened to say."""

    low: float
    high: float


UNKNOWN = Interval(float("nan"), float("nan"))


@dataclass(frozen=True)
class Rates:
    """Counts over customers and dates; a rate without a denominator is NaN.

    asked: of whom the outcome is asked. positives: whom it met. members: asked who were members. hits: members whom it
    met.
    """

    asked: int
    positives: int
    members: int
    hits: int

    @property
    def base_rate(self) -> float:
        """How often it meets anybody who is asked."""
        return _ratio(self.positives, self.asked)

    @property
    def precision(self) -> float:
        """How often it meets members."""
        return _ratio(self.hits, self.members)

    @property
    def recall(self) -> float:
        """Which part of those whom it meets were members."""
        return _ratio(self.hits, self.positives)

    @property
    def lift(self) -> float:
        """How many times as often it meets members as anybody who is asked."""
        return _ratio(self.precision, self.base_rate)


@dataclass(frozen=True)
class Measured:
    """Rates with the intervals of precision, recall and lift."""

    rates: Rates
    precision: Interval
    recall: Interval
    lift: Interval


@dataclass(frozen=True)
class Gain:
    """How much greater a segment's lift is than another's, of the same customers on the same dates."""

    other: Measured
    value: float
    interval: Interval


class Date(NamedTuple):
    """One date: the customers who are asked, which of them are members, and which another segment's."""

    seen: Realised
    members: NDArray[np.bool_]
    others: NDArray[np.bool_] | None = None


def measure(dates: Sequence[Date], seed: int) -> Measured:
    """Return the rates of a segment over its dates.

    Intervals resample customers, each with all of its dates, for a customer is not several independent ones (cluster
    bootstrap; Field and Welsh 2007).
    """
    counted = _count([(date.seen, [date.members]) for date in dates])
    asked, positives, members, hits = counted.resampled(seed)
    rates = counted.rates[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = hits / members
        drawn = (precision, hits / positives, precision / (positives / asked))
    return Measured(rates, *(_interval(values, rates) for values in drawn))


def compare(dates: Sequence[Date], seed: int) -> Gain:
    """Return how a segment does beside another, by paired resampling of customers (see `measure`)."""
    pairs = [(date.seen, [date.members, date.others]) for date in dates if date.others is not None]
    counted = _count(pairs)
    asked, positives, members, hits, others, other_hits = counted.resampled(seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = (hits / members - other_hits / others) / (positives / asked)
    first, second = counted.rates
    fewer = min(first, second, key=lambda rates: rates.hits)
    other = measure([Date(seen, theirs) for seen, (_, theirs) in pairs], seed)
    return Gain(other, first.lift - second.lift, _interval(gains, fewer))


@dataclass(frozen=True, eq=False)
class _Counted:
    """Distinct histories of customers and how many have each.

    A history counts the dates on which a customer was asked, and met, and then for each segment those on which it was a
    member, and a hit.
    """

    histories: NDArray[np.int64]
    customers: NDArray[np.int64]

    @property
    def rates(self) -> list[Rates]:
        """The rates of each segment."""
        sums = [int(number) for number in self.customers @ self.histories]
        return [Rates(sums[0], sums[1], *sums[at : at + 2]) for at in range(2, len(sums), 2)]

    def resampled(self, seed: int) -> NDArray[np.int64]:
        """Return the sums of resampled customers: shape (counts of a history, draws).

        Whoever shares a history is interchangeable, so that a draw is a draw of how many have each.
        """
        total = int(self.customers.sum())
        if not total:
            return np.zeros((self.histories.shape[1], DRAWS), dtype=np.int64)
        drawn = np.random.default_rng(seed).multinomial(total, self.customers / total, DRAWS)
        return (drawn @ self.histories).T


def _count(dates: Sequence[tuple[Realised, Sequence[NDArray[np.bool_]]]]) -> _Counted:
    rows = [
        np.column_stack([np.ones(len(seen.keys), np.bool_), seen.did, *(c for m in members for c in (m, m & seen.did))])
        for seen, members in dates
    ]
    stacked = np.concatenate(rows)
    _, which = np.unique(np.concatenate([seen.keys for seen, _ in dates]), return_inverse=True)
    sums = np.column_stack([np.bincount(which, weights=column) for column in stacked.T]).astype(np.int64)
    return _Counted(*np.unique(sums, axis=0, return_counts=True))


def _interval(drawn: NDArray[np.float64], rates: Rates) -> Interval:
    if rates.hits < _FEW:
        return UNKNOWN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of draws without a member
        return Interval(*(float(end) for end in np.nanpercentile(drawn, _TAILS)))


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else float("nan")
