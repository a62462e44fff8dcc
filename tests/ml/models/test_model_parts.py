"""The parts of a scorer: encoding, calibration, reasons, rules."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ml.features.targets import Target
from ml.models.baselines import rule_features, rules
from ml.models.calibrate import Identity, Isotonic, Sigmoid
from ml.models.encoder import FeatureEncoder, signed_log
from ml.models.evaluate import decile_table
from ml.models.metrics import PROBABILITY, Predicted, measure
from ml.models.reasons import Reasons
from ml.models.spec import ModelSpec


def _frame(rows: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "recency_days": rng.integers(0, 60, rows).astype(float),
            "orders_28d": rng.integers(0, 9, rows).astype(float),
            "orders_84d": rng.integers(0, 9, rows).astype(float),
            "spend_cents_84d": rng.integers(0, 50_000, rows).astype(float),
            "main_channel": rng.choice(["store", "web"], rows).astype(object),
        }
    )


NUMBERS = {"recency_days": "missing", "orders_28d": "zero", "orders_84d": "zero", "spend_cents_84d": "median"}
GROUPS = {
    "recency_days": "recency",
    "orders_28d": "frequency",
    "orders_84d": "frequency",
    "spend_cents_84d": "monetary",
    "main_channel": "channel",
}


def _encoder(frame: pd.DataFrame) -> FeatureEncoder:
    return FeatureEncoder(NUMBERS, ["main_channel"]).fit(frame)


def test_missing_numbers_are_filled_as_the_catalogue_says():
    frame = _frame()
    encoder = _encoder(frame)
    blank = pd.DataFrame({name: [np.nan] for name in NUMBERS} | {"main_channel": ["store"]})
    row = dict(zip(encoder.origins, encoder.transform(blank)[0], strict=True))
    assert np.isnan(row["recency_days"])
    assert row["orders_28d"] == 0
    assert row["spend_cents_84d"] == frame["spend_cents_84d"].median()


def test_a_rare_or_unseen_level_sets_no_column():
    frame = _frame()
    frame.loc[0, "main_channel"] = "fax"  # one in 600 is below the least share
    encoder = _encoder(frame)
    assert encoder.origins.count("main_channel") == 2
    unseen = encoder.transform(frame.head(1).assign(main_channel="pigeon"))
    assert unseen[0, -2:].tolist() == [0, 0]


def test_a_column_that_is_always_missing_is_encoded_all_the_same():
    frame = _frame().assign(spend_cents_84d=np.nan)
    assert _encoder(frame).transform(frame)[:, 3].tolist() == [0.0] * len(frame)


def test_signed_log_keeps_sign_and_order():
    values = signed_log(np.array([-100.0, -1.0, 0.0, 1.0, 100.0]))
    assert np.all(np.diff(values) > 0)
    assert values[2] == 0


def test_the_sigmoid_turns_an_overconfident_score_into_the_truth():
    rng = np.random.default_rng(3)
    odds = rng.normal(-1.5, 1, 20_000)
    happened = (rng.random(20_000) < 1 / (1 + np.exp(-odds))).astype(float)
    overconfident = 1 / (1 + np.exp(-3 * odds - 1))
    calibrated = Sigmoid().fit(overconfident, happened).predict(overconfident)
    assert measure(Predicted(happened, overconfident), PROBABILITY)["ece"] > 0.05
    assert measure(Predicted(happened, calibrated), PROBABILITY)["ece"] < 0.01
    assert np.all(np.diff(calibrated[np.argsort(overconfident)]) >= 0)


def test_a_sigmoid_never_turns_the_ranking_round():
    score = np.linspace(0.01, 0.99, 500)
    calibrator = Sigmoid().fit(score, (score < 0.3).astype(float))
    assert calibrator.predict(score) == pytest.approx(np.full(500, 0.3), abs=0.01)


def test_isotonic_and_identity():
    score = np.linspace(0.01, 0.99, 1_000)
    happened = (np.random.default_rng(1).random(1_000) < score**2).astype(float)
    assert np.all(np.diff(Isotonic().fit(score, happened).predict(score)) >= 0)
    cents = np.array([100.0, 300.0])
    assert Identity().fit(score, happened).predict(cents).tolist() == [100, 300]


def _reasons(frame: pd.DataFrame, margin: np.ndarray) -> Reasons:
    says = {name: {"text": f"{name} of {{value}}", "usual": "typically {typical}"} for name in GROUPS}
    says["main_channel"] = {"text": "for {target}: {value}"}
    known = {"constants": {"target": "TEA"}, "currency": "", "seed": 1, "threads": 1}
    return Reasons(_encoder(frame), says, GROUPS, **known).fit(frame, margin)


def test_reasons_name_what_moved_the_score_and_which_way():
    frame = _frame()
    reasons = _reasons(frame, frame["recency_days"].to_numpy() / 10)
    told = [json.loads(text) for text in reasons.explain(frame).to_pylist()]
    longest, shortest = frame["recency_days"].argmax(), frame["recency_days"].argmin()
    assert told[longest][0] == "recency_days of 59; typically 29 (raises the score)"
    assert told[shortest][0] == "recency_days of 0; typically 29 (lowers the score)"
    assert reasons.fidelity(frame, frame["recency_days"].to_numpy() / 10) > 0.95
    assert next(iter(reasons.importance(frame))) == "recency_days"


def test_there_are_three_reasons_and_never_two_of_one_group():
    frame = _frame()
    both = (frame["orders_28d"] + frame["orders_84d"] + frame["spend_cents_84d"] / 10_000).to_numpy()
    for text in _reasons(frame, both).explain(frame).to_pylist():
        told = json.loads(text)
        assert len(told) == 3
        assert sum("orders" in reason for reason in told) <= 1


def test_contributions_add_up_to_the_imitated_score():
    frame = _frame()
    reasons = _reasons(frame, frame["recency_days"].to_numpy() / 10)
    found = reasons.contributions(frame)
    imitated = reasons.imitation_.predict(reasons.encoder.transform(frame))
    assert found.shape == (len(frame), len(reasons.features))
    assert np.ptp(imitated - found.sum(axis=1)) < 1e-3, "all but the common base"


def test_a_reason_is_valid_json_whatever_a_category_is_called():
    frame = _frame().assign(main_channel='a "b" \\ c')
    frame.loc[::2, "main_channel"] = "store"
    told = [
        json.loads(text)
        for text in _reasons(frame, (frame["main_channel"] == "store") * 9.0).explain(frame).to_pylist()
    ]
    assert told[0][0] == "for TEA: store (raises the score)"
    assert told[1][0] == 'for TEA: a "b" \\ c (lowers the score)'


def test_nobody_to_explain_is_no_error():
    frame = _frame()
    assert len(_reasons(frame, frame["recency_days"].to_numpy()).explain(frame.head(0))) == 0


def _spec(task: str, **more: object) -> ModelSpec:
    return ModelSpec(name="x", description="x", task=task, horizon_days=60, **more)


def test_rules_rank_by_recency_and_rfm_in_the_direction_of_the_outcome():
    frame = pd.DataFrame({f"{n}_score": [1.0, 5.0] for n in ("recency", "frequency", "monetary")})
    frame = frame.assign(recency_days=[50.0, 2.0], target_recency_days=[np.nan, 3.0], spend_cents_84d=[0.0, 900.0])
    frame = frame.assign(btyd_cents=[100.0, 700.0])
    churn = rules(_spec("churn", active_window_days=28))
    assert all(rule(frame)[0] > rule(frame)[1] for rule in churn.values())
    bought = rules(_spec("propensity", target=Target(category="TEA")))
    assert all(rule(frame)[0] < rule(frame)[1] for rule in bought.values())
    value = _spec("clv")
    assert rules(value)["last_window"](frame).tolist() == [0, 900]
    assert rules(value)["btyd"](frame).tolist() == [100, 700]
    assert "spend_cents_84d" in rule_features(value), "of 28 and 84 days, 84 is nearer to a horizon of 60"


def test_the_decile_table_holds_every_customer_and_outcome():
    p = Predicted(np.arange(100.0), np.arange(100.0))
    table = decile_table(p)
    assert table["customers"].tolist() == pytest.approx([10] * 10)
    assert table["actual"].iloc[0] == pytest.approx(94.5)
    assert table["captured"].iloc[-1] == pytest.approx(1)
