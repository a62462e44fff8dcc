"""Survival: chances that only fall, learnt from what had closed, and horizons out of reach refused by name."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.errors import ConfigError, NotEnoughData
from ml.features.splits import Snapshots
from ml.models import snapshots
from ml.models.dataset import Snapshot, TrainingSet
from ml.models.evaluate import stored
from ml.models.spec import ModelSpec, load_specs
from ml.models.survival import Followed, fit_hazards, measures, outlooks
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

DAYS = (7, 28, 56, 91)
SPEC = ModelSpec.model_validate(
    {
        "name": "no_purchase",
        "description": "Stays away.",
        "task": "survival",
        "horizon_days": 28,
        "survival_days": DAYS,
        "snapshots": {"step_days": 28, "train": 4},
        "features": {"include": ["recency_days", "orders_84d"]},
        "candidates": {"lightgbm": {"n_estimators": 30, "min_child_samples": 20}},
    }
)
START = parse_as_of("2024-01-01")
CUSTOMERS = 600


def _snapshot(at: AsOf, seed: int) -> Snapshot:
    """Customers whose days to the next order are exponential, with a mean of their own that a feature tells."""
    rng = np.random.default_rng(seed)
    pace = rng.uniform(3, 80, CUSTOMERS)
    waits = np.floor(rng.exponential(pace))
    frame = pd.DataFrame({"recency_days": pace, "orders_84d": rng.integers(0, 5, CUSTOMERS).astype(float)})
    waits[waits >= 120] = np.inf
    return Snapshot(at, np.arange(CUSTOMERS), frame, frame, (waits >= 28).astype(float), waits, 120)


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    train = tuple(_snapshot(START.plus(28 * k), k) for k in range(5))
    return TrainingSet(train, _snapshot(START.plus(140), 10), _snapshot(START.plus(168), 11))


def test_the_chance_of_no_order_never_rises_with_the_horizon_and_is_calibrated_at_each(data: TrainingSet):
    scorers, told = fit_hazards(SPEC, data)
    assert set(scorers) == {"logistic", "lightgbm"}
    assert told["survival.days"] == "7, 28, 56, 91"
    assert "survival.refused" not in told
    for scorer in scorers.values():
        curves = scorer.pipeline.survival(data.test.features)
        assert (np.diff(curves, axis=1) <= 0).all()
        np.testing.assert_allclose(scorer.predict(data.test.features), curves[:, 1])
        found = measures(outlooks(scorer, data.test))
        for days in DAYS:
            assert found[f"auc_{days}d"] > 0.68
            assert found[f"ece_{days}d"] < 0.07
            assert found[f"expected_{days}d"] == pytest.approx(found[f"base_{days}d"], abs=0.05)
        assert found["base_7d"] > found["base_91d"] > 0


def test_each_horizon_is_judged_under_the_name_of_its_score(data: TrainingSet):
    seen = outlooks(fit_hazards(SPEC, data)[0]["logistic"], data.test)
    assert list(stored(SPEC, seen, seen[28])) == ["no_purchase_7d", *SPEC.score_names[1:]]
    other = ModelSpec(name="x", description="x", task="offer_response", horizon_days=28)
    assert list(stored(other, {}, seen[28])) == ["x"]


def test_what_happened_after_the_calibration_began_teaches_nothing(data: TrainingSet):
    """Orders in windows that were still open are changed; the hazards learnt stay what they were."""
    judge = data.calibration.as_of

    def later(snapshot: Snapshot) -> Snapshot:
        closed = max(end for end in (0, *DAYS) if snapshot.as_of.plus(end) <= judge)
        return replace(snapshot, waits=np.where(snapshot.waits >= closed, np.inf, snapshot.waits))

    changed = replace(data, train=tuple(later(snapshot) for snapshot in data.train))
    assert any((a.waits != b.waits).any() for a, b in zip(data.train, changed.train, strict=True))
    ours, theirs = (fit_hazards(SPEC, one)[0]["logistic"].predict(data.test.features) for one in (data, changed))
    np.testing.assert_array_equal(ours, theirs)


def test_an_interval_counts_only_those_who_entered_it_without_an_order(data: TrainingSet):
    model = fit_hazards(SPEC, data)[0]["logistic"].pipeline
    frame = data.test.features.head(4)
    rows, events = model._periods([Followed(frame, np.array([6.0, 7.0, 55.0, np.inf]), 60)])
    assert events.tolist() == [1, 0, 0, 0, 1, 0, 0, 1, 0], "four in the first week, three after it, two after 28 days"
    assert rows[:, -4:].sum(axis=0).tolist() == [4, 3, 2, 0], "91 days had not passed"


def test_a_horizon_that_closes_in_no_training_window_is_refused_by_name(
    data: TrainingSet, caplog: pytest.LogCaptureFixture
):
    short = replace(data, train=data.train[-2:])
    with caplog.at_level(logging.WARNING):
        scorers, told = fit_hazards(SPEC, short)
    assert told["survival.days"] == "7, 28, 56"
    assert "91 days is refused: no training window of so many days closes" in told["survival.refused"]
    assert "no_purchase: 91 days is refused" in caplog.text
    assert scorers["logistic"].pipeline.survival(data.test.features).shape == (CUSTOMERS, 3)
    with pytest.raises(NotEnoughData, match="no_purchase: 28 days is refused"):
        fit_hazards(SPEC, replace(data, test=replace(data.test, observed_days=14)))


@pytest.mark.parametrize(
    ("history_days", "tested", "first"),
    [
        (400, 112, 252),  # room for 91 days after the test and in training, in whole steps
        (240, 56, 196),  # 91 days would leave no training window of that length: 56
        (90, 28, 84),  # nothing longer than the horizon itself
    ],
)
def test_the_test_lies_as_far_back_as_the_longest_horizon_that_can_be_learnt(
    monkeypatch: pytest.MonkeyPatch, history_days: int, tested: int, first: int
):
    at = parse_as_of("2024-12-30")
    monkeypatch.setattr(snapshots, "from_epoch", lambda _: at.minus(history_days))
    monkeypatch.setattr(Warehouse, "create", lambda *_: None)
    monkeypatch.setattr(Warehouse, "scalar", lambda *_: 0)
    spec = SPEC.model_copy(update={"snapshots": SPEC.snapshots.model_copy(update={"history_days": 0})})
    found: Snapshots = snapshots.choose(spec, at, Warehouse("duckdb://"))
    assert found.test == at.minus(tested)
    assert found.calibrate == found.test.minus(28)
    assert found.train[0] == at.minus(first)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("search: {trials: 5}", "search: survival takes the candidates' values as they are written; leave it out"),
        ("weights: balanced", "weights: survival learns hazards as they are"),
        ("calibration: isotonic", "calibration: survival always puts one logistic curve over its hazards"),
    ],
)
def test_what_would_change_nothing_is_refused(tmp_path: Path, key: str, why: str):
    text = "name: s\ndescription: s\ntask: survival\nhorizon_days: 28\nsurvival_days: [7, 28]\n"
    (tmp_path / "m.yaml").write_text(text)
    assert list(load_specs(tmp_path)) == ["s"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "m.yaml").write_text(f"{text}{key}\n")
    with pytest.raises(ConfigError, match=why):
        load_specs(tmp_path / "other")


@pytest.mark.parametrize("days", ["[28, 7]", "[7, 56]", "[]", "[7, 7, 28]"])
def test_horizons_must_ascend_and_hold_the_one_that_is_judged(tmp_path: Path, days: str):
    text = f"name: s\ndescription: s\ntask: survival\nhorizon_days: 28\nsurvival_days: {days}\n"
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ConfigError, match="survival_days: survival needs some, ascending, horizon_days among them"):
        load_specs(tmp_path)
