"""The canary: what is too good to be true, beside what, and which features carry it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ml.models import canary
from ml.models.dataset import Snapshot
from ml.models.spec import ModelSpec
from ml.times import parse_as_of

SPEC = ModelSpec(name="churn", description="", task="churn", horizon_days=28, gates={"ceiling": 0.9})


def seen(strength: float, seed: int = 1, first: int = 0) -> pd.DataFrame:
    """A test of 2,000 customers, ranked the better the greater `strength` is: 1 gives an AUC of about .76, 2 of .92."""
    rng = np.random.default_rng(seed)
    actual = (np.random.default_rng(first).random(2_000) < 0.2).astype(float)
    score = actual * strength + rng.normal(size=2_000)
    return pd.DataFrame({"customer_key": np.arange(first, first + 2_000), "actual": actual, "chosen": score})


def test_an_honest_test_is_not_suspected():
    rows = seen(1.0)
    assert canary.suspicions(SPEC, rows, None, None) == []
    assert canary.suspicions(SPEC, rows, rows["chosen"].to_numpy(), rows) == []


def test_a_ranking_above_the_ceiling_is():
    (found,) = canary.suspicions(SPEC, seen(2.0), None, None)
    assert found.startswith("auc 0.9")
    assert "above the ceiling of 0.9" in found


def test_a_jump_over_the_champion_on_the_same_customers_is():
    rows = seen(1.3)
    (found,) = canary.suspicions(SPEC, rows, seen(1.0)["chosen"].to_numpy(), None)
    assert "over the champion on the same customers; 0.03 is believed" in found


def test_a_leak_that_lifts_the_champion_too_shows_beside_its_own_test():
    rows = seen(1.3)
    (found,) = canary.suspicions(SPEC, rows, rows["chosen"].to_numpy(), seen(1.0))
    assert "on the same customers when it was tested" in found


def test_beside_another_window_only_a_jump_that_is_certain_counts():
    rows, then = seen(1.3), [seen(strength, seed=2, first=5_000) for strength in (1.1, 0.9)]
    assert canary.suspicions(SPEC, rows, None, then[0]) == []
    (found,) = canary.suspicions(SPEC, rows, None, then[1])
    assert "reached at its own test, at the least" in found


@pytest.mark.parametrize("task", ["churn", "clv"])
def test_the_features_that_carry_a_ranking_are_named_the_heaviest_first(task: str):
    rng = np.random.default_rng(3)
    label = (rng.random(500) < 0.3) * 100.0 if task == "clv" else (rng.random(500) < 0.3).astype(float)
    frame = pd.DataFrame({"much": label + rng.normal(0, 20, 500) if task == "clv" else label + rng.normal(0, 0.3, 500)})
    frame = frame.assign(little=label / label.max() + rng.normal(0, 2, 500), nothing=1.0)
    test = Snapshot(parse_as_of("2024-06-01"), np.arange(500), frame, frame, label)
    scorer = SimpleNamespace(
        features=["nothing", "little", "much"], raw=lambda f: (f["much"] / label.max() + f["little"] / 8).to_numpy()
    )
    found = canary.carriers(SPEC.model_copy(update={"task": task}), scorer, test)
    assert list(found) == ["much", "little"]
    assert found["much"] > 0.2 > found["little"] > 0
