"""Past scores beside their promise: what counts as a decline, and what is too little to say."""

from __future__ import annotations

import numpy as np
import pytest

from ml.models.metrics import PROBABILITY, VALUE, Predicted, measure
from ml.monitoring.config import PerformanceConfig
from ml.monitoring.realised import Realised, error_by_chance, realise

LIMITS = PerformanceConfig(max_rows=2_000)
METRICS = {name: PROBABILITY[name] for name in ("auc", "brier", "ece")}
VALUES = {name: VALUE[name] for name in ("gini", "total_error", "mae_cents")}


def _customers(count: int = 2_000, seed: int = 0, moved: float = 0.0, sharpness: float = 1.0) -> Predicted:
    """Calibrated probabilities, unless `moved` (on the logit) or blurred by a `sharpness` below one."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.5, count)
    told = sharpness * logit + np.sqrt(1 - sharpness**2) * rng.normal(-1, 1.5, count)
    happened = rng.random(count) < 1 / (1 + np.exp(-(logit + moved)))
    return Predicted(happened.astype(float), 1 / (1 + np.exp(-told)))


def _promise(p: Predicted, margin: float = 0.02) -> dict[str, float]:
    found = measure(p, METRICS)
    return found | {"auc_low": found["auc"] - margin, "auc_high": found["auc"] + margin}


def _realise(p: Predicted, promise: dict[str, float], limits: PerformanceConfig = LIMITS) -> dict[str, Realised]:
    return {row.metric: row for row in realise(p, METRICS, promise, limits)}


def test_scores_that_come_true_as_promised_are_ok_and_the_rest_is_watched():
    found = _realise(_customers(seed=1), _promise(_customers()))
    assert {name: row.status for name, row in found.items()} == {"auc": "ok", "brier": "watched", "ece": "ok"}
    assert found["auc"].low < found["auc"].value < found["auc"].high
    assert found["brier"].value == pytest.approx(found["brier"].promised, abs=0.02)


def test_a_ranking_that_has_surely_dropped_by_more_than_the_limit_has_declined():
    found = _realise(_customers(seed=1, sharpness=0.8), _promise(_customers()))["auc"]
    assert found.status == "declined"
    assert found.promised - found.value > 0.03
    assert f"auc {found.value:.3f}" in found.finding
    assert "at its test" in found.finding


@pytest.mark.parametrize(
    ("margin", "limits"),
    [(0.3, LIMITS), (0.02, LIMITS.model_copy(update={"rank_drop": 0.4}))],
    ids=["vague", "allowed"],
)
def test_a_drop_that_may_be_chance_or_is_allowed_is_no_decline(margin: float, limits: PerformanceConfig):
    assert _realise(_customers(seed=1, sharpness=0.8), _promise(_customers(), margin), limits)["auc"].status == "ok"


def test_probabilities_that_are_off_have_declined_although_they_rank_as_well():
    found = _realise(_customers(seed=1, moved=0.6), _promise(_customers()))
    assert (found["auc"].status, found["ece"].status) == ("ok", "declined")
    assert found["ece"].value - found["ece"].promised > 0.03


def test_the_calibration_error_of_a_handful_is_chance():
    few = _customers(count=220, seed=4)
    found = _realise(few, _promise(_customers()) | {"ece": 0.0}, LIMITS.model_copy(update={"calibration_rise": 0.01}))
    assert found["ece"].value > 0.03
    assert found["ece"].status == "ok"


def test_error_by_chance_is_exceeded_once_in_forty_times_by_calibrated_scores():
    rng, told = np.random.default_rng(1), _customers(count=1_000).score
    limit = error_by_chance(Predicted(told, told), seed=0)
    errors = [measure(Predicted((rng.random(1_000) < told) * 1.0, told), METRICS)["ece"] for _ in range(400)]
    assert 0.005 < np.mean(np.asarray(errors) > limit) < 0.05


def _spend(factor: float, count: int = 1_500) -> Predicted:
    rng = np.random.default_rng(5)
    expected = rng.gamma(1.0, 3_000, count)
    return Predicted(
        np.where(rng.random(count) < 0.5, 0, 2 * factor * expected * rng.uniform(0.5, 1.5, count)), expected
    )


@pytest.mark.parametrize(("factor", "status"), [(1.0, "ok"), (1.5, "declined"), (0.6, "declined")])
def test_values_are_judged_by_their_total(factor: float, status: str):
    promise = {"gini": measure(_spend(1.0), VALUES)["gini"], "total_error": -0.03}
    found = {row.metric: row for row in realise(_spend(factor), VALUES, promise, LIMITS)}
    assert (found["gini"].status, found["total_error"].status, found["mae_cents"].status) == ("ok", status, "watched")


@pytest.mark.parametrize(
    ("predicted", "words"),
    [
        (_customers(count=150), "150 scored customers with a label, 200 needed"),
        (Predicted(np.zeros(500), np.linspace(0, 1, 500)), "0 of the rarer outcome, 30 needed"),
        (Predicted(np.ones(500), np.linspace(0, 1, 500)), "0 of the rarer outcome, 30 needed"),
        (Predicted(np.empty(0), np.empty(0)), "0 scored customers with a label, 200 needed"),
    ],
)
def test_too_few_customers_or_outcomes_say_nothing(predicted: Predicted, words: str):
    found = _realise(predicted, _promise(_customers()))
    assert (found["auc"].status, found["auc"].finding) == ("not judged", words)


def test_without_a_promise_nothing_is_judged():
    found = _realise(_customers(), {})
    assert (found["ece"].status, found["ece"].finding) == ("not judged", "the version's test has no ece")
    assert found["ece"].value is not None
