"""Where scores are cut: what the segments ask for, what is promised of it, and what came of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.models.metrics import Predicted
from ml.models.spec import ModelSpec, model_spec
from ml.models.thresholds import (
    Choice,
    choice_table,
    contact_choices,
    meets,
    round_choices,
    segment_choices,
    threshold_table,
    wilson,
)
from ml.segments.standing import ScoreCondition
from tests.ml.models.shop import CHURN, use_models

SURVIVAL = "name: stays\ndescription: s\ntask: survival\nhorizon_days: 28\nsurvival_days: [7, 28]\n"
SCORES = np.round(np.random.default_rng(4).random(1_000) ** 2, 3)
HAPPENED = (np.random.default_rng(5).random(1_000) < SCORES).astype(float)


def _spec(task: str = "offer_response", **more: object) -> ModelSpec:
    return ModelSpec(name="x", description="x", task=task, horizon_days=28, **more)


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({"probability": {"at_least": 0.5}}, SCORES >= 0.5),
        ({"probability": {"above": 0.2, "at_most": 0.6}}, (SCORES > 0.2) & (SCORES <= 0.6)),
        ({"break_even": {"cost_cents": 50, "value_cents": 200}}, SCORES >= 0.25),
        ({"percentile": {"at_least": 0.9}}, np.quantile(SCORES, 0.9, method="inverted_cdf") <= SCORES),
        ({"expected_value": {"below": 0.3}}, SCORES < 0.3),
    ],
)
def test_a_condition_chooses_as_a_segment_does(asked: dict[str, object], chosen: np.ndarray):
    assert meets(ScoreCondition(score="x", **asked), SCORES).tolist() == chosen.tolist()


def test_a_portion_breaks_ties_by_customer_and_holds_its_number():
    scores = np.array([0.5, 0.9, 0.5, 0.1])
    half = ScoreCondition(score="x", top={"share": 0.5})
    assert meets(half, scores).tolist() == [True, True, False, False]
    assert meets(ScoreCondition(score="x", bottom={"count": 1}), scores).tolist() == [False, False, False, True]
    assert meets(ScoreCondition(score="x", top={"share": 0.15}), SCORES).sum() == 150, "not 151 for want of a digit"


def test_several_keys_hold_together():
    both = meets(ScoreCondition(score="x", probability={"at_least": 0.5}, top={"count": 10}), SCORES)
    assert both.sum() == 10
    assert SCORES[both].min() >= np.sort(SCORES)[-10]


def test_the_contact_share_is_shown_with_its_half_and_its_double():
    found = contact_choices(_spec(evaluation={"contact_share": 0.15}), SCORES)
    assert [(choice.words, int(choice.chosen.sum())) for choice in found] == [
        ("highest 7.5%", 75),
        ("highest 15%", 150),
        ("highest 30%", 300),
    ]


def test_what_is_promised_comes_from_the_scores_and_what_came_from_the_outcome():
    table = choice_table(_spec(), contact_choices(_spec(), SCORES), SCORES, HAPPENED)
    row = table.iloc[1]
    highest = np.argsort(-SCORES, kind="stable")[:100]
    assert row["hits"] == HAPPENED[highest].sum()
    assert row["expected_hits"] == pytest.approx(SCORES[highest].sum())
    assert row["expected_hits_low"] < row["hits"] < row["expected_hits_high"], "these scores are honest"
    assert row["recall"] == pytest.approx(HAPPENED[highest].sum() / HAPPENED.sum())
    assert row["precision_low"] < row["precision"] < row["precision_high"]
    four = table[["hits", "false_alarms", "missed", "left_out"]]
    assert four.sum(axis=1).tolist() == [1_000] * 3
    assert table[[f"expected_{name}" for name in four]].sum(axis=1).tolist() == pytest.approx([1_000] * 3)


def test_a_model_that_promises_too_much_is_seen():
    boastful = np.sqrt(SCORES)
    row = choice_table(_spec(), contact_choices(_spec(), boastful), boastful, HAPPENED).iloc[2]
    assert row["hits"] < row["expected_hits_low"]


def test_amounts_are_added_up():
    cents, paid = SCORES * 10_000, SCORES * 11_000
    table = choice_table(_spec("clv"), contact_choices(_spec("clv"), cents), cents, paid)
    assert (table["actual"] / table["expected"]).tolist() == pytest.approx([1.1] * 3)
    assert table["captured"].is_monotonic_increasing
    assert table["lift"].is_monotonic_decreasing
    assert round_choices(_spec("clv"), cents) == []


def test_nobody_chosen_is_no_error():
    nobody = choice_table(_spec(), [contact_choices(_spec(), SCORES)[0]], SCORES, HAPPENED)
    assert nobody["customers"].tolist() == [50]
    empty = choice_table(_spec(), [Choice("none", (), np.zeros(1_000, dtype=bool))], SCORES, HAPPENED).iloc[0]
    assert (empty["customers"], empty["hits"], empty["missed"]) == (0, 0, HAPPENED.sum())
    assert np.isnan(empty["precision"])


def test_round_thresholds_leave_out_what_chooses_nobody_or_everybody():
    assert [choice.words for choice in round_choices(_spec(), SCORES / 4)] == [
        f"probability at least {at}" for at in ("0.02", "0.05", "0.1", "0.2")
    ]


def test_wilsons_interval_is_the_published_one():
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def _segment(folder: Path, name: str, condition: str) -> None:
    """Write a segment of customers who meet a condition on a score, or who order often."""
    parts = (
        f"name: {name}\ndescription: x\ngoal: x\nowner: x\naction: x\n",
        f"who:\n  any:\n    - {condition}\n    - {{feature: orders_84d, above: 3}}\n",
        "consent: {purpose: marketing, channel: email}\n",
    )
    (folder / "segments" / f"{name}.yaml").write_text("".join(parts))


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config of a shop with two models and no segments."""
    found = use_models(home, monkeypatch, CHURN, SURVIVAL)
    for path in (found / "segments").glob("*.yaml"):
        path.unlink()
    return found


def test_conditions_are_read_from_the_segments(folder: Path):
    for name in ("a", "b"):
        _segment(folder, name, "{score: churn_28d, probability: {at_least: 0.4}}")
    (folder / "segments" / "wrong.yaml").write_text("name: wrong\n")
    [found] = segment_choices("churn_28d", SCORES)
    assert found.words == "churn 28d probability at least 0.4"
    assert found.segments == ("a", "b")
    assert found.chosen.sum() == (SCORES >= 0.4).sum()


def test_conditions_on_a_horizon_are_judged_by_the_outcome_within_it(folder: Path):
    _segment(folder, "pausing", "{score: stays_7d, probability: {at_least: 0.8}}")
    _segment(folder, "leaving", "{score: stays_28d, top: {count: 100}}")
    week, month = Predicted(1 - HAPPENED, 1 - SCORES), Predicted(HAPPENED, SCORES)
    rows = threshold_table(model_spec("stays"), {"stays_7d": week, "stays_28d": month}).set_index("segments")
    assert rows.index.tolist()[:2] == ["pausing", "leaving"]
    assert rows.loc["pausing", "hits"] == (1 - HAPPENED)[SCORES <= 0.2].sum()
    assert rows.loc["leaving", "hits"] == HAPPENED[np.argsort(-SCORES, kind="stable")[:100]].sum()
    assert set(rows.index[2:]) == {""}, "round probabilities, of the horizon that is judged"
