"""The search: later points in time judge earlier ones, it can be repeated, and the file's values come first."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ml.models import folds as folds_of
from ml.models.dataset import TrainingSet
from ml.models.fit import fit_candidates
from ml.models.folds import inner_folds
from ml.models.search import Found, _taken, search, weigh
from ml.models.setting import Setting, Tried
from ml.models.spec import LightGBM, Logistic, XGBoost
from ml.settings import settings
from tests.ml.models import points

pytestmark = pytest.mark.usefixtures("home")

SMALL = {"lightgbm": {"n_estimators": 15, "num_leaves": 4}}


def test_a_fold_learns_from_closed_windows_of_other_customers():
    folds = inner_folds(points.data(), horizon_days=28, count=3)
    assert len(folds) == 3
    for fold in folds:
        judges = set(fold.judge.keys.tolist())
        for learnt in fold.learn:
            assert learnt.as_of.plus(28) <= fold.judge.as_of
            assert not judges & set(learnt.keys.tolist())
    judges = [fold.judge.as_of for fold in folds]
    assert judges == sorted(judges, reverse=True), "the latest says most, and comes first"
    everyone = np.concatenate([fold.judge.keys for fold in folds])
    assert len(everyone) == len(set(everyone.tolist())) == 400, "each customer judges once"


def test_judging_windows_do_not_overlap():
    folds = inner_folds(points.data(days=(140, 126, 112, 98, 84, 56, 28)), horizon_days=28, count=3)
    times = sorted({fold.judge.as_of for fold in folds})
    assert all(one.plus(28) <= other for one, other in pairwise(times))


def test_where_training_windows_overlap_the_calibration_judges_unless_it_is_one_of_them():
    close = points.data(days=(98, 91, 84, 56, 28))
    assert {fold.judge.as_of for fold in inner_folds(close, 28, 2)} == {close.calibration.as_of}
    shared = replace(close, calibration=close.train[-1])
    assert inner_folds(shared, 28, 2) == ()
    assert search(points.spec(candidates=SMALL), shared).told["search"].startswith("none")


def test_of_very_many_rows_the_same_customers_are_left_out_everywhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(folds_of, "_MOST_ROWS", 600)
    folds = inner_folds(points.data(), horizon_days=28, count=2)
    judges = np.concatenate([fold.judge.keys for fold in folds])
    learners = {key for fold in folds for snapshot in fold.learn for key in snapshot.keys.tolist()}
    assert 80 < len(judges) < 200, "a third of 400"
    assert learners == set(judges.tolist())


def test_a_fold_without_both_outcomes_says_nothing():
    silent = points.data(base=-99.0)
    assert inner_folds(silent, 28, 3) == ()


def _hunt(data: TrainingSet, **more: object) -> Found:
    return search(points.spec(**more), data)


def test_the_same_trials_find_the_same_on_one_thread_and_on_three(monkeypatch: pytest.MonkeyPatch):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("AUDIENCEFLOW_THREADS", threads)
        settings.cache_clear()
        found.append(_hunt(points.data(), candidates=SMALL, search={"trials": 10, "folds": 2}))
    one, three = found
    assert one.params == three.params
    assert one.measured == three.measured
    assert one.told == three.told
    assert one.told["search"].startswith("10 of 10 trials")
    assert one.told["search.cut_by_time"] == "False"


def test_values_that_cannot_learn_are_replaced_and_what_is_hopeless_is_pruned():
    dull = {"lightgbm": {"n_estimators": 10, "min_child_samples": 9_000}}
    found = _hunt(points.data(), candidates=dull, search={"trials": 12, "folds": 2})
    assert found.params["lightgbm"].min_child_samples < 9_000
    assert found.measured["search.lightgbm.gain"] > 0.2
    assert not found.told["search"].endswith(" 0 pruned")


def test_time_that_is_up_ends_the_search_and_is_told():
    found = _hunt(points.data(), candidates=SMALL, search={"trials": 12, "folds": 2, "seconds": 1e-9})
    assert found.told["search"].startswith("4 of 12 trials"), "a round that began is finished"
    assert found.told["search.cut_by_time"] == "True"


def _tried(values: list[float], **params: object) -> Tried:
    return Tried(Setting("lightgbm", LightGBM(**params)), values)


def test_the_files_values_stay_unless_others_are_better_by_more_than_the_folds_differ():
    written = _tried([0.80, 0.82, 0.84])
    doubtful, clear = _tried([0.90, 0.78, 0.80], num_leaves=4), _tried([0.81, 0.83, 0.86], num_leaves=5)
    stranger = Tried(Setting("xgboost", XGBoost()), [0.99, 0.99, 0.99])
    assert _taken(written, [doubtful, stranger]) is written
    assert _taken(written, [doubtful, clear, stranger]) is clear
    assert _taken(written, []) is written


def test_a_deployment_may_allow_fewer_trials_and_that_is_another_training(monkeypatch: pytest.MonkeyPatch):
    spec = points.spec()
    before = spec.fingerprint()
    assert spec.search.granted().trials == 20
    monkeypatch.setenv("AUDIENCEFLOW_SEARCH_TRIALS", "3")
    settings.cache_clear()
    assert spec.search.granted().trials == 3
    assert spec.fingerprint() != before
    monkeypatch.setenv("AUDIENCEFLOW_SEARCH_TRIALS", "50")
    settings.cache_clear()
    assert (spec.search.granted().trials, spec.fingerprint()) == (20, before)


def test_weights_are_tried_where_positives_are_few_and_what_they_cost_is_measured():
    few, many = points.data(customers=900, base=-4.0), points.data()
    spec = points.spec(candidates=SMALL, search={"trials": 0, "folds": 2})
    found = weigh(spec, few, search(spec, few), "logistic")
    assert found["weights.balanced.ece_before"] > 0.1 > 3 * found["weights.none.ece_before"]
    assert found["weights.balanced.ece_after"] < 0.05
    assert found["weights.balanced.brier_after"] < found["weights.balanced.brier_before"]
    assert weigh(spec, many, search(spec, many), "logistic") == {}


def test_weights_that_the_file_asks_for_are_used_and_calibrated_away():
    few = points.data(customers=900, base=-4.0)
    fitted = fit_candidates(points.spec(candidates=SMALL, weights="balanced", search={"trials": 0}), few)
    seen, rate = few.calibration.features, float(few.calibration.label.mean())
    assert fitted.told["weights.chosen"] == "balanced"
    assert fitted.scorer.raw(seen).mean() > 3 * rate
    assert fitted.scorer.predict(seen).mean() == pytest.approx(rate, rel=0.25)


def test_what_earlier_windows_came_to_calibrates_too():
    usual = points.data(customers=900)
    lively = replace(usual, calibration=points.snapshot(900, 56, base=1.0))
    fitted = fit_candidates(points.spec(candidates=SMALL, calibration="sigmoid", search={"trials": 0}), lively)
    predicted, seen = fitted.scorer.predict(usual.test.features).mean(), lively.calibration.label.mean()
    assert fitted.told["calibration.windows"] == "4"
    assert usual.test.label.mean() < predicted < seen - 0.05, "one month's level is not carried over whole"


def test_a_search_needs_no_warehouse_and_leaves_the_linear_baseline_a_candidate():
    found = _hunt(points.data(), candidates=SMALL, search={"trials": 0, "folds": 2})
    assert found.params == {"logistic": Logistic(), "lightgbm": LightGBM(n_estimators=15, num_leaves=4)}
    assert found.told["search"] == "0 of 0 trials, 0 pruned"
