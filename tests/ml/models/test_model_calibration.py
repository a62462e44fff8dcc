"""Which calibration is taken: the one that holds in label windows that it has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from ml.models.calibrate import Isotonic, Period, fit_calibration, held_out, log_loss, losses, name_of, pooled
from ml.models.metrics import PROBABILITY, Predicted, measure


def _period(seed: int, rows: int, shift: float = 0.0, bend: float = 1.0) -> Period:
    """Scores whose log odds are `bend` times the truth's; the window's own level is `shift` off."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 1.2, rows)
    happened = rng.random(rows) < 1 / (1 + np.exp(-odds - shift))
    return Period(1 / (1 + np.exp(-bend * odds)), happened.astype(float))


def _ece(calibrator: object, period: Period) -> float:
    return measure(Predicted(period.actual, calibrator.predict(period.score)), PROBABILITY)["ece"]


def test_a_curve_that_fits_one_month_and_not_the_next_is_not_taken():
    shifts = (0.6, -0.6, 0.5, -0.5)
    months = [_period(seed, 2_000, shift) for seed, shift in enumerate(shifts)]
    taken, last = fit_calibration("auto", months), fit_calibration("sigmoid", months[-1:])
    assert name_of(taken) == "none"
    assert name_of(fit_calibration("auto", months[-1:])) == "sigmoid", "that month alone asks for its own level"
    coming = [_period(seed, 2_000, shift) for seed, shift in ((8, 0.4), (9, -0.4), (10, 0.2))]
    assert np.mean([_ece(taken, p) for p in coming]) < np.mean([_ece(last, p) for p in coming]) - 0.01


def test_an_overconfident_score_is_bent_back():
    months = [_period(seed, 1_500, bend=2.5) for seed in range(3)]
    taken = fit_calibration("auto", months)
    assert name_of(taken) == "sigmoid"
    assert _ece(taken, _period(9, 5_000, bend=2.5)) < 0.02


def test_steps_that_no_sigmoid_follows_are_followed_where_there_are_rows_enough():
    rng = np.random.default_rng(1)
    score = rng.random(20_000)
    happened = (rng.random(20_000) < np.where(score > 0.7, 0.5, np.where(score > 0.3, 0.45, 0.02))).astype(float)
    assert name_of(fit_calibration("auto", [Period(score, happened)])) == "isotonic"


def test_how_well_isotonic_fits_what_it_was_fitted_on_does_not_count():
    month = _period(5, 300)
    own = Isotonic().fit(month.score, month.actual)
    found = losses([month])
    assert log_loss(Period(own.predict(month.score), month.actual)) < min(found.values())
    assert min(found, key=lambda name: found[name]) != "isotonic"


def test_each_period_is_judged_by_the_others():
    one, other = _period(1, 800, shift=1.0), _period(2, 800, shift=-1.0)
    judged = held_out("sigmoid", [one, other])
    assert judged.score[:800].mean() == pytest.approx(other.actual.mean(), abs=0.03)
    assert judged.score[800:].mean() == pytest.approx(one.actual.mean(), abs=0.03)


def test_periods_with_one_outcome_only_break_nothing():
    month, empty = _period(3, 400), Period(np.array([0.1, 0.2]), np.zeros(2))
    assert set(losses([month, empty])) == {"none", "sigmoid", "isotonic"}
    assert len(held_out("sigmoid", [month, empty]).score) == 402
    assert np.isfinite(list(losses([empty]).values())).all()
    assert len(pooled([month, empty]).score) == 402
