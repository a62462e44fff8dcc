"""When a challenger takes over: the rules, over made-up tests, without MLflow."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.errors import FatalError
from ml.models import decide, registry
from ml.models.dataset import Snapshot
from ml.models.evaluate import gain_over, over_best_rule
from ml.models.records import Version
from ml.models.spec import ModelSpec
from ml.times import parse_as_of

SPEC = ModelSpec(name="churn", description="", task="churn", horizon_days=28)
ROWS = 3_000
LABEL = (np.random.default_rng(1).random(ROWS) < 0.2).astype(float)


def scores(strength: float, seed: int) -> np.ndarray:
    return LABEL * strength + np.random.default_rng(seed).normal(size=ROWS)


WEAK, RULE = scores(0.8, 1), scores(0.2, 3)
STRONG = WEAK + 0.1 * LABEL


def _version(number: str, as_of: str, **tags: str) -> Version:
    return Version("churn", number, f"run {number}", False, {"as_of": f"{as_of}T00:00:00+00:00", **tags})


def _test_of(scores: np.ndarray) -> pd.DataFrame:
    known = {"customer_key": np.arange(ROWS), "actual": LABEL, "chosen": scores}
    return pd.DataFrame({**known, "recency": RULE, "rfm": RULE, "logistic": scores})


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Judge a challenger's scores beside a champion's, both of the same test customers."""

    def called(
        ours: np.ndarray,
        theirs: np.ndarray | None,
        age: int = 7,
        broken: Exception | None = None,
        **gates: float,
    ) -> decide.Verdict:
        challenger = _version("2", "2024-06-01")
        champion = _version("1", str(parse_as_of("2024-06-01").minus(age))[:10]) if theirs is not None else None
        tests = {"run 2": _test_of(ours), "run 1": _test_of(theirs) if theirs is not None else None}
        frame = pd.DataFrame({"score": np.zeros(ROWS)})
        monkeypatch.setattr(registry, "champion", lambda _: champion)
        monkeypatch.setattr(registry, "read_artifact", lambda run, _: _bytes(tests[run]))
        monkeypatch.setattr(registry, "load_scorer", lambda found: _scorer(ours, theirs, found is champion, broken))
        monkeypatch.setattr(decide, "read_features", lambda *_: frame)
        test = Snapshot(parse_as_of("2024-05-04"), np.arange(ROWS), frame, frame, LABEL)
        spec = SPEC.model_copy(update={"gates": SPEC.gates.model_copy(update={"rule_gain": 0.0} | gates)})
        return decide.judge(spec, challenger, test, None)

    return called


def _scorer(ours: np.ndarray, theirs: np.ndarray | None, reigns: bool, broken: Exception | None) -> Any:
    if reigns and broken:
        raise broken
    return SimpleNamespace(
        features=["score"],
        predict=lambda _: theirs if reigns else ours,
        raw=lambda rows: ours[: len(rows)],
    )


def _bytes(rows: pd.DataFrame) -> bytes:
    out = BytesIO()
    rows.to_parquet(out)
    return out.getvalue()


def test_the_first_that_passes_its_gates_becomes_champion(judge: Any):
    assert judge(WEAK, None).decision == "promoted"
    missed = judge(RULE / 2 + scores(0, 9), None)
    assert (missed.decision, missed.reason.split(":")[0]) == ("kept", "kept back")
    assert "against recency, at least +0.0000 needed" in missed.reason


def test_what_is_gained_over_the_best_rule_is_told_and_doubted_where_it_may_be_nothing(judge: Any):
    clear, doubtful = judge(WEAK, None), judge(scores(0.2, 9), None)
    assert [found.decision for found in (clear, doubtful)] == ["promoted", "promoted"]
    assert clear.reason == "first version that passed its gates"
    assert float(clear.figures["rule_gain_low"]) > 0
    assert doubtful.reason.startswith("first version that passed its gates; not shown to beat recency: auc ")
    figures = {name: float(doubtful.figures[name]) for name in ("rule_gain_low", "rule_gain", "rule_gain_high")}
    assert sorted(figures.values()) == list(figures.values())
    assert figures["rule_gain_low"] <= 0


def test_the_rule_that_is_compared_with_is_the_best_one():
    seen = pd.DataFrame({"actual": LABEL, "chosen": WEAK, "recency": RULE, "rfm": scores(0.5, 8)})
    gain = over_best_rule(SPEC, seen)
    assert gain.over == "rfm"
    assert gain.low < gain_over(SPEC, seen, "recency", RULE, "auc").low


def test_a_version_that_is_kept_back_says_its_gain_over_the_rules_too(judge: Any):
    found = judge(WEAK, WEAK)
    assert (found.decision, found.figures["rule"]) == ("kept", "recency")
    assert "not shown to beat" not in found.reason


def test_only_what_is_better_for_certain_replaces_a_champion_in_its_time(judge: Any):
    better, equal, worse = (judge(ours, theirs) for ours, theirs in ((STRONG, WEAK), (WEAK, WEAK), (WEAK, STRONG)))
    assert [found.decision for found in (better, equal, worse)] == ["promoted", "kept", "kept"]
    assert better.reason.startswith("better: auc +0.0")
    assert float(better.figures["gain_low"]) > 0 > float(worse.figures["gain_high"])
    assert (better.figures["compared_with"], better.figures["champion_age"]) == ("1", "7")
    assert equal.reason.startswith("kept back, not better for certain (the champion is 7 days older, 56 are allowed)")


def test_a_stale_champion_is_replaced_by_what_is_not_worse(judge: Any):
    equal, worse, older = judge(WEAK, WEAK, 57), judge(WEAK, STRONG, 57), judge(WEAK, WEAK, 57, max_age_days=91)
    assert [found.decision for found in (equal, worse, older)] == ["promoted", "kept", "kept"]
    assert "not worse by more than 0.01, and the champion is 57 days older" in equal.reason
    assert "may be worse by more than 0.01" in worse.reason


def test_what_learnt_from_older_data_never_takes_over(judge: Any):
    found = judge(STRONG, WEAK, -1)
    assert (found.decision, "learnt from later data" in found.reason) == ("kept", True)


def test_what_is_too_good_is_stopped_whatever_else_speaks_for_it(judge: Any):
    found = judge(scores(1.2, 4), WEAK)
    assert found.decision == "stopped"
    assert "audienceflow models promote churn 2" in found.reason
    assert "carried_by" in found.figures


def test_a_champion_that_can_no_longer_be_used_is_replaced_without_a_comparison(judge: Any):
    found = judge(WEAK, STRONG, broken=FatalError("cannot be read by this code"))
    assert (found.decision, found.reason) == (
        "promoted",
        "champion 1 can no longer be scored: cannot be read by this code",
    )
    assert found.figures["compared_with"] == "1"
    assert "gain" not in found.figures
