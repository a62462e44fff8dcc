"""Expected spend: what BTYD expects, which level holds, how wide the intervals are, and which combination is taken."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.metrics import d2_tweedie_score

from ml.errors import NotEnoughData
from ml.models import decide, value
from ml.models.expected import expected_spend
from ml.models.intervals import Intervals, within
from ml.models.level import (
    LEVELS,
    AsLearnt,
    ExpectedSpread,
    ExpectedTotal,
    Level,
    Seen,
    choose_level,
    explains,
    name_of,
)
from ml.models.metrics import TWEEDIE_POWER, VALUE, Predicted, measure
from ml.models.spec import ModelSpec
from ml.models.two_part import TwoPart
from ml.warehouse import Warehouse
from tests.ml.models.cdnow import SPLIT, cdnow_orders, write_cdnow

SPEC = ModelSpec(name="v", description="v", task="clv", horizon_days=84)
NOBODY = np.zeros(2)
CENTS = np.array([100.0, 300.0])


def _customers(seed: int, count: int = 6_000, typical: int = 5_000) -> tuple[np.ndarray, np.ndarray]:
    """Expected cents, and what was spent: mostly nothing where little was expected."""
    rng = np.random.default_rng(seed)
    expected = rng.gamma(0.6, typical, count) + 50
    bought = rng.random(count) < 1 - np.exp(-expected / 4_000)
    return expected, np.where(bought, rng.gamma(1.5, expected / (1 - np.exp(-expected / 4_000)) / 1.5), 0.0)


def test_a_carried_level_is_one_factor_of_the_calibration_snapshot():
    assert Level().fit(Seen(CENTS, np.array([0.0, 800.0]), NOBODY)).predict(CENTS).tolist() == [200, 600]
    assert Level().fit(Seen(NOBODY, CENTS, NOBODY)).predict(CENTS).tolist() == [100, 300], "nothing to scale by"
    assert AsLearnt().fit(Seen(CENTS, NOBODY, NOBODY)).predict(CENTS).tolist() == [100, 300]


def test_btyds_total_is_that_of_the_customers_being_scored_whenever_they_are():
    level = ExpectedTotal().fit(Seen(CENTS, CENTS, CENTS))
    for expected in (np.array([1_000.0, 0.0]), np.array([10.0, 30.0])):
        assert level.predict(CENTS, expected).sum() == pytest.approx(expected.sum())
    assert level.predict(CENTS, np.array([1_000.0, 0.0])).tolist() == [250, 750], "the ranking is the score's"
    assert level.predict(np.empty(0), np.empty(0)).size == 0


def test_btyds_spread_pulls_scores_apart_as_far_as_btyd_does_and_keeps_their_order():
    rng = np.random.default_rng(1)
    raw = rng.gamma(1.0, 1_000, 3_000)
    expected = 2 * raw**1.4 * rng.uniform(0.5, 1.5, len(raw))
    level = ExpectedSpread().fit(Seen(raw, expected, expected))
    cents = level.predict(raw, expected)
    assert cents.sum() == pytest.approx(expected.sum())
    assert np.all(np.argsort(cents) == np.argsort(raw))
    assert np.polyfit(np.log(raw), np.log(cents), 1)[0] == pytest.approx(1.4, abs=0.05)
    few = level.predict(raw[:20], np.ones(20))
    assert np.polyfit(np.log(raw[:20]), np.log(few), 1)[0] == pytest.approx(1.4, abs=0.05), "too few to show their own"


def test_following_btyd_where_it_expects_nothing_is_refused():
    with pytest.raises(NotEnoughData, match="it expects nothing of these customers"):
        ExpectedTotal().fit(Seen(CENTS, CENTS, CENTS)).predict(CENTS, NOBODY)


def test_explained_is_a_proper_score_of_rank_spread_and_total():
    expected, actual = _customers(2)
    best = explains(Predicted(actual, expected))
    assert 0 < best < 1
    assert explains(Predicted(actual, np.full(len(actual), actual.mean()))) == pytest.approx(0, abs=1e-9)
    assert best == pytest.approx(d2_tweedie_score(actual, expected, power=TWEEDIE_POWER), abs=1e-12)
    worse = (0.7 * expected, 1.4 * expected, expected**1.3 * expected.sum() / (expected**1.3).sum(), expected[::-1])
    assert all(explains(Predicted(actual, wrong)) < best for wrong in worse)


@dataclass
class Aged:
    """A ranker that was right when it learnt, and customers who since spend `now` times as much."""

    now: float

    def seen(self, seed: int, times: float, btyd: float) -> Seen:
        expected, actual = _customers(seed)
        return Seen(expected, actual * times, expected * btyd)

    def choose(self, *, btyd: float, shared: bool = False) -> object:
        before = None if shared else self.seen(3, 1.0, 1.0)
        return choose_level("auto", before, self.seen(4, self.now, btyd))


def test_where_customers_age_the_level_is_btyds_and_where_btyd_is_wrong_it_is_carried():
    assert name_of(Aged(now=0.5).choose(btyd=0.5)) in {"btyd", "btyd_spread"}
    carried = Aged(now=1.0).choose(btyd=3.0)
    assert name_of(carried) in {"level", "none"}
    assert set(carried.tried_) == set(LEVELS)
    assert carried.tried_[name_of(carried)] == max(carried.tried_.values())


def test_without_a_later_window_nothing_vouches_for_a_carried_level():
    assert set(Aged(now=1.0).choose(btyd=3.0, shared=True).tried_) == {"btyd", "btyd_spread"}
    with pytest.raises(NotEnoughData, match="too short to show whether the level of spend carries over"):
        Aged(now=1.0).choose(btyd=0.0, shared=True)
    asked = choose_level("level", None, Aged(now=2.0).seen(5, 2.0, 0.0))
    assert isinstance(asked, Level), "who asks for it gets it"
    assert asked.factor_ == pytest.approx(2, rel=0.1)


def test_intervals_hold_for_eighty_per_cent_of_customers_not_seen_wherever_the_level_goes():
    intervals = Intervals().fit(*_customers(6))
    expected, actual = _customers(7, 20_000)
    low, high = intervals.predict(expected)
    assert 0.78 < within(actual, low, high).mean() < 0.83
    assert np.all(low <= high)
    order = np.argsort(expected)
    assert np.all(np.diff(high[order]) >= -1e-6), "more is expected, more is possible"
    aged, spent = _customers(8, 20_000)
    few = aged < 3_000
    assert 0.75 < within(spent[few], *intervals.predict(aged[few])).mean() < 0.9, "they follow what is expected"


def test_intervals_hold_for_eighty_per_cent_where_most_buy_nothing():
    intervals = Intervals().fit(*_customers(13, 20_000, typical=2_000))
    expected, actual = _customers(14, 20_000, typical=2_000)
    assert (actual == 0).mean() > 0.7
    assert 0.78 < within(actual, *intervals.predict(expected)).mean() < 0.83


def test_no_tenth_of_the_customers_pays_for_the_others():
    intervals = Intervals().fit(*_customers(13, 20_000, typical=12_000))
    expected, actual = _customers(14, 20_000, typical=12_000)
    held = within(actual, *intervals.predict(expected))[np.argsort(expected)]
    assert held.reshape(10, -1).mean(axis=1).min() > 0.71


def test_an_interval_begins_at_nothing_where_many_buy_nothing_and_grows_with_the_largest():
    expected, actual = _customers(9)
    intervals = Intervals().fit(expected, actual)
    low, high = intervals.predict(np.array([60.0, expected.max() * 2]))
    assert low[0] == 0
    assert high[1] > intervals.high_[-1]
    always = Intervals().fit(expected, expected * np.random.default_rng(1).uniform(0.8, 1.2, len(expected)))
    assert np.all(always.low_ > 0)


def test_a_few_customers_make_one_interval_for_all():
    intervals = Intervals().fit(CENTS, CENTS)
    assert [ends.tolist() for ends in intervals.predict(np.array([200.0]))] == [[100.0], [300.0]]


def test_coverage_is_measured_for_all_and_for_the_top_tenth():
    scorer = SimpleNamespace(interval=lambda score: (score * 0, np.where(score > 90, score, score / 2)))
    found = value.coverage(scorer, np.arange(1.0, 101), np.arange(1.0, 101))
    assert found == {"coverage_80": 0.1, "coverage_80_top": 1.0}
    assert value.coverage(SimpleNamespace(interval=lambda _: None), CENTS, CENTS) == {}


def test_two_parts_tell_who_buys_from_how_much():
    rng = np.random.default_rng(10)
    features = rng.integers(0, 2, (4_000, 2)).astype(float)
    buys, much = features.T
    actual = np.where(rng.random(4_000) < 0.1 + 0.7 * buys, rng.gamma(4, 25 + 75 * much), 0.0)
    quiet = {"n_estimators": 60, "verbose": -1, "random_state": 1, "n_jobs": 1}
    model = TwoPart(LGBMClassifier(**quiet), LGBMRegressor(objective="gamma", **quiet)).fit(features, actual)
    found = model.predict(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    assert found == pytest.approx([10, 80, 40, 320], rel=0.12)


@dataclass
class Ranker:
    """Stands in for a scorer whose cents are the frame's column `name`."""

    name: str

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return frame[self.name].to_numpy()


def test_of_equal_rankers_the_one_that_explains_more_is_taken_and_a_clearly_better_ranker_before_it():
    expected, actual = _customers(11)
    noisy = expected * np.random.default_rng(2).lognormal(0, 1, len(expected))
    frame = pd.DataFrame({"right": expected, "high": 9 * expected + 1e-3 * noisy, "noisy": noisy})
    data = SimpleNamespace(calibration=SimpleNamespace(label=actual, features=frame))
    assert value.choose(SPEC, {name: Ranker(name) for name in ("high", "right", "noisy")}, data) == "right"
    assert value.choose(SPEC, {name: Ranker(name) for name in ("noisy", "high")}, data) == "high"


def test_a_model_whose_level_explains_less_than_btyds_is_kept_back_however_well_it_ranks():
    expected, actual = _customers(12)
    rough = expected * np.random.default_rng(3).lognormal(0, 0.4, len(expected))
    seen = pd.DataFrame({"actual": actual, "chosen": expected, "btyd": rough})
    seen = seen.assign(recency=rough, rfm=rough, last_window=rough, tweedie_glm=rough)
    assert decide._missed(SPEC, seen) is None
    verdict = decide._missed(SPEC, seen.assign(chosen=3 * expected))
    assert verdict is not None
    assert verdict.reason.startswith("kept back: explained -")
    assert "against btyd" in verdict.reason


def test_btyd_expects_what_cdnow_then_spent_and_sees_nothing_later(duck: Warehouse):
    write_cdnow(duck, sample=True)
    cents = expected_spend(duck, SPLIT, 182)
    assert len(cents) == 2_357
    assert cents.index.is_monotonic_increasing
    orders = duck.read("customer_orders")
    later = orders[(orders["ordered_epoch"] >= SPLIT.epoch) & (orders["ordered_epoch"] < SPLIT.plus(182).epoch)]
    spent = later.groupby("customer_key")["total_cents"].sum().reindex(cents.index).fillna(0).to_numpy(float)
    found = measure(Predicted(spent, cents.to_numpy()), VALUE)
    assert -0.25 < found["total_error"] < 0.05, "BG/NBD did not see the winter of 1997 coming"
    assert found["gini"] > 0.55
    duck.write("customer_orders", orders[orders["ordered_epoch"] < SPLIT.epoch])
    pd.testing.assert_series_equal(expected_spend(duck, SPLIT, 182), cents)


def test_who_never_comes_back_says_nothing_and_the_log_says_why(duck: Warehouse, caplog: pytest.LogCaptureFixture):
    write_cdnow(duck, sample=True)
    orders = duck.read("customer_orders").drop_duplicates("customer_key")
    duck.write("customer_orders", orders)
    with caplog.at_level(logging.WARNING):
        assert expected_spend(duck, SPLIT, 182).empty
    assert "No spend is expected at 1997-10-01" in caplog.text
    assert "has bought again" in caplog.text
    assert len(cdnow_orders(sample=True)) > len(orders)
