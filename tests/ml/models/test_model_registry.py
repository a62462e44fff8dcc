"""The registry: what it does when MLflow is away, half made, or asked for what is not there."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from ml.errors import RegistryUnavailable
from ml.models import registry
from ml.models.calibrate import Isotonic
from ml.models.contents import TRUSTED
from ml.models.encoder import FeatureEncoder
from ml.models.estimators import build
from ml.models.intervals import Intervals
from ml.models.level import Seen, choose_level
from ml.models.probe import probe, shown
from ml.models.reasons import Reasons
from ml.models.scorer import Scorer, margin, raw_score
from ml.models.spec import Candidates
from ml.settings import settings

LINEAR = {"probability": "logistic", "cents": "tweedie_glm"}


def fits(name: str, linear: str) -> bool:
    amounts_only = name == "two_part" and linear == "logistic"
    return name == linear or not (name in LINEAR.values() or amounts_only)


def _point_at(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    settings.cache_clear()


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "postgresql://someone:secret@127.0.0.1:9/mlflow"], ids=["server", "database"]
)
def test_an_mlflow_that_is_down_is_said_so_soon(home: Path, monkeypatch: pytest.MonkeyPatch, uri: str):
    _point_at(uri, monkeypatch)
    started = time.monotonic()
    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1:9.*set MLFLOW_TRACKING_URI") as caught:
        registry.champion("churn_28d")
    assert time.monotonic() - started < 25
    assert "secret" not in str(caught.value).split("failed while")[0]


def test_a_file_that_is_no_database_is_said_so(home: Path, monkeypatch: pytest.MonkeyPatch):
    path = home / "broken.db"
    path.write_text("not a database, but long enough to have a header of a hundred bytes " * 4)
    _point_at(f"sqlite:///{path}", monkeypatch)
    with pytest.raises(RegistryUnavailable, match="file is not a database"):
        registry.champion("churn_28d")


def test_a_password_is_never_shown():
    assert shown("postgresql://a:secret@db/mlflow") == "postgresql://a:***@db/mlflow"
    assert shown("plain") == "plain"
    probe("http://nobody.invalid")  # asked by MLflow itself


def test_without_a_store_there_is_no_champion_and_a_store_is_made(store: Path):
    assert registry.champion("churn_28d") is None


def test_a_store_left_half_made_by_a_kill_is_not_used(home: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch):
    path = home / "mlflow" / "mlflow.db"
    path.parent.mkdir()
    for left in ("mlflow.db.part", "mlflow.db.part-journal"):
        (path.parent / left).write_text("half a migration")

    def make_whole(uri: str) -> object:
        Path(uri.removeprefix("sqlite:///")).write_bytes(empty_store.read_bytes())
        return type("Client", (), {"search_experiments": lambda *_, **__: []})()

    monkeypatch.setattr("mlflow.MlflowClient", make_whole)
    registry._create_store(f"sqlite:///{path}")
    assert path.read_bytes() == empty_store.read_bytes()
    assert sorted(f.name for f in path.parent.iterdir()) == ["mlflow.db", "mlflow.lock"]


CANDIDATES = [(kind, name) for kind, linear in LINEAR.items() for name in Candidates.model_fields if fits(name, linear)]


@pytest.mark.parametrize(("kind", "name"), CANDIDATES)
def test_whatever_wins_can_be_saved_and_loaded_and_scores_the_same(kind: str, name: str):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"orders_84d": rng.integers(0, 9, 300) * 1.0, "main_channel": rng.choice(["a", "b"], 300)})
    frame.loc[::7, "orders_84d"] = np.nan
    label = (rng.random(300) < 0.3).astype(float) if kind == "probability" else rng.gamma(1, 5_000, 300)
    encoder = FeatureEncoder({"orders_84d": "missing"}, ["main_channel"])
    params = Candidates.model_fields[name].annotation.__args__[0]()
    unit = label.mean() if kind == "cents" else 1.0
    pipeline = build(params, encoder, amounts=kind == "cents", seed=1, threads=1, rows=300).fit(frame, label / unit)
    raw = raw_score(pipeline, frame, kind, unit)
    frame = frame.assign(btyd_cents=raw)
    cents = kind == "cents"
    calibrator = choose_level("btyd_spread", None, Seen(raw, label, raw)) if cents else Isotonic().fit(raw, label)
    says, groups = {name: {"text": f"{name} {{value}}"} for name in frame}, dict.fromkeys(frame, "group")
    known = {"constants": {}, "currency": "USD", "seed": 1, "threads": 1}
    reasons = Reasons(pipeline["encode"], says, groups, **known).fit(frame, margin(raw, kind))
    intervals = Intervals().fit(raw, label) if cents else None
    scorer = Scorer(kind, pipeline, unit, calibrator, reasons, intervals=intervals)
    loaded = skops.io.loads(skops.io.dumps(scorer), trusted=TRUSTED)
    np.testing.assert_allclose(loaded.predict(frame), scorer.predict(frame), rtol=0, atol=1e-12)
    assert loaded.explain(frame) == scorer.explain(frame)
    if cents:
        np.testing.assert_equal(loaded.interval(raw), scorer.interval(raw))
