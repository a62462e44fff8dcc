"""Drift: what counts as drift, what is written, and when training is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.errors import ConfigError
from ml.models import registry
from ml.models.records import Version
from ml.monitoring import drift, watch
from ml.monitoring.config import DriftConfig, load_config
from ml.monitoring.watch import watch_drift
from ml.settings import settings
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import AS_OF, features, forget, use_models

AT = parse_as_of(AS_OF)
VERSION = Version("churn_28d", "3", "run", is_champion=True)


def _sample(rows: int = 400, shift: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(shift, 1, rows) for name in "abcd"}
    return pd.DataFrame(columns | {"channel": rng.choice(["x", "y"], rows), "score": rng.random(rows)})


def _distance_of_means(
    reference: pd.DataFrame, current: pd.DataFrame, method: str, threshold: float, page: Path
) -> dict[str, float]:
    """Stand in for Evidently, whose import alone takes seconds; it has a test of its own."""
    del method, threshold
    page.write_text("<html>")
    numbers = reference.select_dtypes("number")
    return {name: abs(current[name].mean() - reference[name].mean()) for name in numbers}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "distances", _distance_of_means)


@pytest.mark.parametrize(
    ("moved", "score_moved", "status"),
    [([], 0.0, "ok"), (["a"], 0.0, "warning"), (["a", "b"], 0.0, "drifted"), ([], 1.0, "drifted")],
)
def test_shares_of_drifted_features_and_the_score_decide(
    home: Path, quick: None, moved: list[str], score_moved: float, status: str
):
    now = _sample(seed=1)
    now[moved] += 2
    now["score"] += score_moved
    found = watch.compare(_sample(), now, DriftConfig(), VERSION, settings().reports / "drift" / "x" / "m.html")
    assert (found.status, found.drifted, found.columns_compared) == (status, len(moved), 5)
    assert sorted(json.loads(found.drifted_columns)) == moved
    assert found.report == "drift/x/m.html"


def test_a_feature_that_goes_missing_has_drifted(home: Path, quick: None):
    now = _sample(seed=1)
    now.loc[:100, "a"] = np.nan
    now["b"] = np.nan
    found = watch.compare(_sample(), now, DriftConfig(), VERSION, settings().reports / "m.html")
    assert json.loads(found.drifted_columns) == {"b (missing)": 1.0, "a (missing)": pytest.approx(101 / 400)}


def test_steady_customers_are_ok_and_written_down(trained: Warehouse, quick: None):
    trained.write("customer_features", features(AT), {"as_of": AT})
    found = watch_drift(AS_OF, warehouse=trained)
    assert found["drifted"] is False
    assert found["share"] < 0.3
    row = trained.read("drift_runs").iloc[0]
    assert (row["model"], row["model_version"], row["rows_compared"]) == ("churn_28d", "1", 500)
    assert (settings().reports / row["report"]).exists()
    assert registry.read_artifact(registry.champion("churn_28d").run_id, "drift/churn_28d.html") == b"<html>"
    assert watch_drift(AS_OF, warehouse=trained) == found
    assert trained.count("drift_runs") == 1


def test_other_customers_call_for_training(trained: Warehouse, quick: None):
    frame = features(AT)
    trained.write("customer_features", frame.assign(orders_84d=1, recency_days=27), {"as_of": AT})
    found = watch_drift(AS_OF, warehouse=trained)
    assert found["drifted"] is True
    assert found["status"] == "drifted"
    assert "orders_84d" in found["models"]["churn_28d"]["drifted_columns"]


def test_no_champion_is_no_drift(shop: Warehouse, quick: None):
    assert watch_drift(AS_OF, warehouse=shop) == {
        "share": 0.0,
        "drifted": False,
        "status": "no champion",
        "report": None,
        "models": {},
    }


def test_a_handful_of_customers_says_nothing(trained: Warehouse, quick: None):
    trained.write("customer_features", features(AT).head(30), {"as_of": AT})
    assert watch_drift(AS_OF, warehouse=trained)["status"] == "too few customers"
    assert trained.count("drift_runs") == 0


def test_only_the_latest_reports_are_kept(home: Path):
    for day in range(1, 9):
        folder = watch.report_folder(parse_as_of(f"2024-01-{day:02d}"))
        folder.mkdir(parents=True)
        (folder / "m.html").write_text("x")
    watch._forget_old_reports(3)
    left = sorted(f.name for f in (settings().reports / "drift").iterdir())
    assert left == ["2024-01-06T0500", "2024-01-07T0500", "2024-01-08T0500"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drift: {treshold: 1}", "treshold: unknown key; did you mean threshold"),
        ("drift: {method: pis}", "method: .*'psi'"),
        ("drift: {warn_share: 0.5, drift_share: 0.2}", "warn_share .* must not exceed drift_share"),
        ("drift: {ignore: [tenure_day]}", "'tenure_day' is not a feature; did you mean tenure_days"),
    ],
)
def test_a_wrong_limit_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str):
    folder = use_models(home, monkeypatch)
    (folder / "monitoring.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config()
    forget()


def test_the_projects_limits_are_valid():
    assert load_config().drift.warn_share <= load_config().drift.drift_share


@pytest.mark.slow
@pytest.mark.parametrize("method", ["psi", "wasserstein", "jensenshannon"])
def test_evidently_finds_the_moved_columns_and_draws_them(tmp_path: Path, method: str):
    now = _sample(1_000, seed=1)
    now["a"] += 1.5
    now["channel"] = np.where(np.arange(1_000) < 950, "x", "y")
    now.loc[:50, "b"] = np.nan
    page = tmp_path / "page.html"
    found = drift.distances(_sample(1_000), now, method, 0.2, page)
    assert set(found) == set(now)
    assert found["a"] > 0.2
    assert found["channel"] > 0.2
    assert max(found[name] for name in ("b", "c", "d", "score")) < 0.15
    assert "<html" in page.read_text(encoding="utf-8")[:2_000].lower()
