"""Realised performance: what is measured, when, once, and whom it counts against."""

from __future__ import annotations

import base64
from pathlib import Path

import pandas as pd
import pytest

from ml.models import registry
from ml.monitoring import page
from ml.monitoring.config import PerformanceConfig
from ml.monitoring.performance import _unmeasured, measure_performance
from ml.settings import settings
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import AS_OF, CHURN, use_models
from tests.ml.monitoring.past import write_scores

SCORED = parse_as_of(AS_OF)
LATER = str(SCORED.plus(28))


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the picture to its own test: drawing takes longer than measuring."""
    monkeypatch.setattr(page, "_picture", lambda *_: b"png")


def _rows(warehouse: Warehouse, metric: str = "auc") -> list[dict[str, object]]:
    return warehouse.read("realised_performance", where={"metric": metric}, order_by=["scored_as_of"]).to_dict(
        "records"
    )


def _limits(home: Path, text: str) -> None:
    (home / "config" / "monitoring.yaml").write_text(f"performance: {{{text}}}\n")


def test_scores_are_held_against_what_happened_once_their_window_has_closed(trained: Warehouse):
    write_scores(trained, SCORED)
    assert measure_performance(str(SCORED.plus(27)), warehouse=trained)["measured"] == 0
    found = measure_performance(LATER, warehouse=trained)
    assert (found["measured"], found["status"]) == (1, "ok")
    assert found["models"]["churn_28d"]["scored_as_of"] == str(SCORED)
    (row,) = _rows(trained)
    assert (row["model_version"], row["customers"], row["as_of"]) == ("1", 500, SCORED.plus(28).at)
    assert row["low"] < row["value"] < row["high"]
    assert row["promised"] == pytest.approx(row["value"], abs=0.1)
    deciles = trained.read("realised_deciles", order_by=["decile"])
    assert deciles["decile"].tolist() == list(range(1, 11))
    assert deciles["customers"].tolist() == pytest.approx([50] * 10)
    assert deciles["expected"].is_monotonic_decreasing
    assert deciles["expected"].between(deciles["actual_low"], deciles["actual_high"]).sum() >= 8


def test_a_point_in_time_is_measured_once_and_again_when_it_was_scored_anew(trained: Warehouse):
    write_scores(trained, SCORED)
    first = measure_performance(LATER, warehouse=trained)
    assert measure_performance(LATER, warehouse=trained) == first | {"measured": 0}
    write_scores(trained, SCORED, version="7")
    assert measure_performance(LATER, warehouse=trained)["measured"] == 1
    assert [row["model_version"] for row in _rows(trained)] == ["7"]


def test_what_came_true_stands_in_the_run_of_the_version_and_on_a_page(trained: Warehouse):
    write_scores(trained, SCORED)
    measure_performance(LATER, warehouse=trained)
    run_id = registry.champion("churn_28d").run_id
    file = settings().reports / "performance" / "churn_28d.html"
    assert registry.read_artifact(run_id, "performance/churn_28d.html") == file.read_bytes()
    with registry._reach("reading metrics") as client:
        (found,) = client.get_metric_history(run_id, "realised_auc")
    assert (found.timestamp, found.value) == (SCORED.epoch * 1_000, pytest.approx(_rows(trained)[0]["value"]))


def test_scores_that_did_not_come_true_have_declined(trained: Warehouse):
    write_scores(trained, SCORED, worth=False)
    found = measure_performance(LATER, warehouse=trained)
    assert found["status"] == "declined"
    told = found["models"]["churn_28d"]
    assert told["status"] == "declined"
    assert told["detail"].startswith("scored 2024-06-01: auc 0.4")


def test_only_the_latest_scores_of_the_champion_count(trained: Warehouse):
    write_scores(trained, SCORED, worth=False)
    write_scores(trained, SCORED.plus(1))
    write_scores(trained, SCORED.plus(2), version="9", worth=False)
    found = measure_performance(str(SCORED.plus(30)), warehouse=trained)
    assert found["measured"] == 3
    assert found["models"]["churn_28d"]["status"] == "ok"
    assert [row["status"] for row in _rows(trained)] == ["declined", "ok", "not judged"]
    assert _rows(trained)[2]["finding"] == "this registry has no version 9"


def test_a_run_at_an_earlier_point_in_time_does_not_see_later_outcomes(trained: Warehouse):
    write_scores(trained, SCORED)
    write_scores(trained, SCORED.plus(2), worth=False)
    measure_performance(str(SCORED.plus(30)), warehouse=trained)
    assert measure_performance(LATER, warehouse=trained)["status"] == "ok"


def test_scores_of_a_version_that_learnt_from_later_data_are_left_out(trained: Warehouse):
    write_scores(trained, SCORED.minus(7))
    assert measure_performance(LATER, warehouse=trained)["measured"] == 0


@pytest.mark.parametrize(
    ("limits", "days", "measured"),
    [("settle_days: 3", 30, 0), ("settle_days: 3, windows: 2", 40, 2), ("lookback_days: 5", 60, 0)],
)
def test_the_limits_say_which_points_in_time_are_measured(
    trained: Warehouse, home: Path, limits: str, days: int, measured: int
):
    for day in (0, 5, 8) if days == 40 else (0,):
        write_scores(trained, SCORED.plus(day))
    _limits(home, limits)
    assert measure_performance(str(SCORED.plus(days)), warehouse=trained)["measured"] == measured


def test_both_engines_know_what_is_not_measured_yet(warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch):
    use_models(home, monkeypatch, CHURN)
    for day in (0, 1, 2):
        write_scores(warehouse, SCORED.plus(day))
    done = {"model_version": "1", "as_of": SCORED.at, "customers": 1, "positives": 1, "metric": "auc", "status": "ok"}
    row = pd.DataFrame([done | dict.fromkeys(("value", "low", "high", "promised"), 0.5) | {"finding": ""}])
    warehouse.write("realised_performance", row, {"scored_as_of": SCORED, "model": "churn_28d"})
    found = _unmeasured(SCORED.plus(29), warehouse, PerformanceConfig())
    assert found.to_dict("records") == [{"model": "churn_28d", "as_of": SCORED.plus(1).at, "model_version": "1"}]


def test_nothing_scored_is_nothing_to_measure(shop: Warehouse):
    assert measure_performance(LATER, warehouse=shop) == {"measured": 0, "status": "not judged", "models": {}}


def test_the_page_shows_a_picture_and_every_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    when = pd.to_datetime(["2024-01-01", "2024-01-08"] * 2)
    rows = pd.DataFrame({"scored_as_of": when, "model": "m", "metric": ["auc", "auc", "ece", "ece"]})
    rows = rows.assign(model_version="1", as_of=when, customers=500, positives=50, value=[0.8, 0.6, 0.02, None])
    rows = rows.assign(low=[0.7, 0.5, None, None], high=[0.9, 0.7, None, None], promised=[0.81, 0.81, None, None])
    rows = rows.assign(status=["ok", "declined", "ok", "not judged"], finding=["", "auc 0.6 <b>", "", ""])
    deciles = pd.DataFrame({"decile": range(1, 11), "expected": 0.5, "actual": 0.4})
    deciles = deciles.assign(actual_low=0.3, actual_high=0.5)
    text = page.write_page("m", rows, deciles, tmp_path / "new" / "m.html").read_text(encoding="utf-8")
    assert base64.b64decode(text.split("base64,")[1].split('"')[0]).startswith(b"\x89PNG")
    assert "auc 0.6 &lt;b&gt;" in text
    assert text.index("2024-01-08") < text.index("2024-01-01")


def test_of_a_survival_model_the_horizon_that_it_is_judged_by_is_measured(
    trained: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
):
    text = "name: stays\ndescription: s\ntask: survival\nhorizon_days: 28\nsurvival_days: [7, 28]\n"
    use_models(home, monkeypatch, text)
    for days in (7, 28):
        write_scores(trained, SCORED, model=f"stays_{days}d")
    assert _unmeasured(SCORED.plus(28), trained, PerformanceConfig())["model"].tolist() == ["stays"]
