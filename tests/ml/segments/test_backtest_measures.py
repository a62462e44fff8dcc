"""Rates of a backtest by hand, and what their intervals know of customers who come back on every date."""

import math

import numpy as np
import pytest

from ml.segments.backtest_measures import Date, compare, measure
from ml.segments.backtest_outcomes import Realised


def date(did: list[int], members: list[int], others: list[int] | None = None) -> Date:
    """One date of customers 1, 2, 3 and so on."""
    count = len(did)
    none = np.zeros(count, dtype=np.int64)
    seen = Realised(np.arange(1, count + 1), np.array(did, dtype=bool), none, none, none)
    return Date(seen, np.array(members, dtype=bool), None if others is None else np.array(others, dtype=bool))


def crowd(seed: int, customers: int, precision: float, base: float) -> Date:
    """A tenth are members, of whom more are met than of the others."""
    dice = np.random.default_rng(seed)
    members = np.arange(customers) < customers // 10
    return date((dice.random(customers) < np.where(members, precision, base)).tolist(), members.tolist())


def test_rates_are_counts_over_all_dates():
    rates = measure([date([1, 1, 0, 0], [1, 0, 0, 0]), date([1, 0, 0, 0], [1, 1, 0, 0])], seed=1).rates
    assert (rates.asked, rates.positives, rates.members, rates.hits) == (8, 3, 3, 2)
    assert (rates.precision, rates.recall, rates.base_rate) == (2 / 3, 2 / 3, 3 / 8)
    assert rates.lift == pytest.approx((2 / 3) / (3 / 8))


def test_where_nothing_can_be_counted_nothing_is_claimed():
    nobody = measure([date([0, 1], [0, 0])], seed=1)
    assert math.isnan(nobody.rates.precision)
    assert nobody.rates.recall == 0
    assert math.isnan(nobody.lift.low)
    four = measure([date([1] * 4 + [0] * 96, [1] * 8 + [0] * 92)], seed=1)
    assert four.rates.lift == 12.5
    assert math.isnan(four.lift.low), "four hits say nothing of how sure they are"
    assert math.isnan(measure([date([], [])], seed=1).rates.lift)


def test_an_interval_is_as_wide_as_chance_makes_it():
    found = measure([crowd(3, 5_000, 0.3, 0.1)], seed=1)
    spread = 1.96 * math.sqrt(found.rates.precision * (1 - found.rates.precision) / found.rates.members)
    assert found.precision.low == pytest.approx(found.rates.precision - spread, abs=0.006)
    assert found.precision.high == pytest.approx(found.rates.precision + spread, abs=0.006)
    assert found.lift.low < found.rates.lift < found.lift.high
    assert measure([crowd(3, 5_000, 0.3, 0.1)], seed=1) == found


def test_the_same_customers_on_more_dates_make_nobody_surer():
    day = crowd(5, 2_000, 0.3, 0.1)
    once, often = measure([day], seed=1), measure([day] * 6, seed=1)
    assert often.rates.lift == pytest.approx(once.rates.lift)
    assert often.lift.high - often.lift.low == pytest.approx(once.lift.high - once.lift.low, rel=0.05)


def test_two_segments_are_compared_on_the_same_customers():
    day = crowd(7, 4_000, 0.4, 0.1)
    same = compare([day._replace(others=day.members)], seed=1)
    assert (same.value, same.interval) == (0.0, (0.0, 0.0)), "a segment is not better than itself, for certain"
    by_chance = np.random.default_rng(2).random(4_000) < 0.1
    found = compare([day._replace(others=by_chance)], seed=1)
    assert found.value == pytest.approx(measure([day], seed=1).rates.lift - found.other.rates.lift)
    assert found.interval.low > 0
    assert compare([Date(day.seen, by_chance, day.members)], seed=1).interval.high < 0
