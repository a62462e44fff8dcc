"""Metrics agree with their textbook versions, and a bootstrap weight is a repeated customer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from ml.models.metrics import (
    PROBABILITY,
    VALUE,
    Predicted,
    bootstrap,
    bootstrap_weights,
    captured_at,
    interval,
    intervals,
    jackknife_error,
    measure,
    paired_interval,
    precision_at,
)

COUNT = 400


def _probabilities(seed: int = 1, digits: int = 2) -> Predicted:
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(COUNT) ** 2, digits)  # few digits: many ties
    return Predicted((rng.random(COUNT) < score).astype(float), score)


def _amounts(seed: int = 1) -> Predicted:
    rng = np.random.default_rng(seed)
    expected = rng.gamma(1.0, 5_000, COUNT)
    return Predicted(np.round(expected * rng.gamma(1.0, 1.0, COUNT)) * (rng.random(COUNT) < 0.7), expected)


def test_probability_metrics_agree_with_scikit_learn_ties_included():
    p = _probabilities()
    found = measure(p, PROBABILITY)
    assert found["auc"] == pytest.approx(roc_auc_score(p.actual, p.score), abs=1e-12)
    assert found["average_precision"] == pytest.approx(average_precision_score(p.actual, p.score), abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(p.actual, p.score), abs=1e-12)


def test_spearman_agrees_with_scipy():
    p = _amounts()
    assert measure(p, VALUE)["spearman"] == pytest.approx(spearmanr(p.actual, p.score)[0], abs=1e-12)


@pytest.mark.parametrize("name", [*PROBABILITY, *VALUE])
def test_a_weight_of_two_is_a_customer_counted_twice(name: str):
    p = _probabilities(digits=9) if name in PROBABILITY else _amounts()
    weights = next(bootstrap_weights(COUNT, 1, seed=3))
    rows = np.repeat(np.arange(COUNT), weights[0].astype(int))
    metric = (PROBABILITY | VALUE)[name]
    repeated = Predicted(p.actual[rows], p.score[rows])
    assert metric(p, weights)[0] == pytest.approx(metric(repeated, np.ones((1, len(rows))))[0], abs=1e-9)


def test_a_perfect_ranking_has_gini_one_and_a_constant_none():
    actual = np.arange(100.0)
    assert measure(Predicted(actual, actual * 3), VALUE)["gini"] == pytest.approx(1)
    assert measure(Predicted(actual, np.ones(100)), VALUE)["gini"] == pytest.approx(0, abs=1e-12)


def test_a_calibrated_score_has_a_small_calibration_error_and_a_shifted_one_its_shift():
    rng = np.random.default_rng(5)
    chance = rng.uniform(0.1, 0.6, 50_000)
    happened = (rng.random(50_000) < chance).astype(float)
    assert measure(Predicted(happened, chance), PROBABILITY)["ece"] < 0.01
    assert measure(Predicted(happened, chance + 0.2), PROBABILITY)["ece"] == pytest.approx(0.2, abs=0.01)


def test_lift_at_a_tenth_counts_the_highest_tenth():
    score = np.arange(100) / 100
    assert measure(Predicted((score >= 0.95).astype(float), score), PROBABILITY)["lift_10"] == pytest.approx(10)


def test_what_is_saved_of_the_base_rates_error_and_how_often_precision_beats_it():
    p = _probabilities()
    found, base = measure(p, PROBABILITY), p.actual.mean()
    assert found["brier_skill"] == pytest.approx(1 - brier_score_loss(p.actual, p.score) / (base * (1 - base)))
    assert found["ap_lift"] == pytest.approx(average_precision_score(p.actual, p.score) / base)
    says_nothing = measure(Predicted(p.actual, np.full(COUNT, base)), PROBABILITY)
    assert says_nothing["brier_skill"] == pytest.approx(0, abs=1e-12)
    assert says_nothing["ap_lift"] == pytest.approx(1)


def test_precision_and_recall_are_those_of_the_share_that_is_contacted():
    p = _probabilities(digits=9)
    highest = p.actual[np.argsort(-p.score)][:60]
    found = measure(p, {"precision": precision_at(0.15), "recall": captured_at(0.15)})
    assert found["precision"] == pytest.approx(highest.mean())
    assert found["recall"] == pytest.approx(highest.sum() / p.actual.sum())


def test_amounts_that_are_ten_percent_too_high_say_so_and_an_empty_decile_counts_as_wrong():
    actual = np.linspace(100, 1_000, 200)
    found = measure(Predicted(actual, actual * 1.1), VALUE)
    assert found["total_error"] == pytest.approx(0.1)
    assert found["decile_mape"] == pytest.approx(0.1)
    silent = np.where(np.arange(200) < 20, 0.0, actual)
    assert measure(Predicted(silent, actual), VALUE)["decile_mape"] == pytest.approx(0.1), "one decile in ten"


@given(st.integers(0, 10_000))
def test_a_rising_transformation_changes_no_ranking_metric(seed: int):
    p = _probabilities(seed)
    stretched = Predicted(p.actual, np.exp(3 * p.score))
    for name in ("auc", "average_precision", "lift_10"):
        assert measure(stretched, PROBABILITY)[name] == pytest.approx(measure(p, PROBABILITY)[name], abs=1e-9)


def test_intervals_hold_the_estimate_and_repeat_by_seed():
    p = _probabilities()
    draws = bootstrap(p, PROBABILITY["auc"], 200, seed=9)
    low, high = interval(draws)
    assert low < measure(p, PROBABILITY)["auc"] < high
    assert np.array_equal(draws, bootstrap(p, PROBABILITY["auc"], 200, seed=9))
    assert not np.array_equal(draws, bootstrap(p, PROBABILITY["auc"], 200, seed=10))


def test_intervals_hold_their_values_though_resampling_makes_calibration_errors_larger():
    rng = np.random.default_rng(4)
    chance = rng.random(5_000)
    p = Predicted((rng.random(5_000) < chance).astype(float), chance)
    values, found = measure(p, PROBABILITY), intervals(p, PROBABILITY, 100, seed=9)
    assert bootstrap(p, PROBABILITY["ece"], 100, seed=9).mean() > 1.1 * values["ece"], "what the shift is for"
    assert all(0 <= low < values[name] < high for name, (low, high) in found.items())
    assert found["auc"] == pytest.approx(interval(bootstrap(p, PROBABILITY["auc"], 100, seed=9)), abs=3e-3)


def test_the_jackknife_finds_the_error_that_the_bootstrap_finds():
    p, value = _probabilities(), _amounts()
    for sample, metric in ((p, PROBABILITY["auc"]), (value, VALUE["gini"])):
        assert jackknife_error(sample, metric) == pytest.approx(bootstrap(sample, metric, 400, 1).std(), rel=0.35)


def test_a_score_against_itself_gains_nothing_and_noise_loses():
    p = _probabilities()
    noise = Predicted(p.actual, np.random.default_rng(0).random(COUNT))
    assert paired_interval((p, p), PROBABILITY["auc"], 50, seed=1) == (0, 0, 0)
    mean, low, high = paired_interval((p, noise), PROBABILITY["auc"], 200, seed=1)
    assert 0 < low < mean < high


def test_without_positives_metrics_are_zero_not_nan():
    found = measure(Predicted(np.zeros(50), np.linspace(0, 1, 50)), PROBABILITY)
    assert np.isfinite(list(found.values())).all()
