"""The bar of the segment language: what is shipped finds those who fall away better than RFM, on the demo's data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import yaml

from ml.features.build import build_features
from ml.models import registry
from ml.profiles.build import build_profiles
from ml.segments.backtest import _past, backtest
from ml.segments.backtest_store import EXPERIMENT
from ml.segments.inspect import preview
from ml.settings import PROJECT_DIR, settings
from ml.sources.load import ingest_source, source_names
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import empty_store, forget

__all__ = ["empty_store"]

pytestmark = [pytest.mark.slow, pytest.mark.quality]

UNTIL = "2018-01-01"
SHIPPED, RFM = "high_value_at_risk", "rfm_at_risk"
# The same goal by recency, frequency and monetary value alone: the top fifth by spend, of the two fifths who have been
# away for longest ("can't lose them" in the tables that consultants hand out).
BY_RFM = {"all": [{"feature": "monetary_score", "equals": 5}, {"feature": "recency_score", "at_most": 2}]}
EVERYBODY = "everybody"


@pytest.fixture(scope="module")
def warehouse(full_demo: Path, tmp_path_factory: pytest.TempPathFactory, empty_store: Any) -> Iterator[Warehouse]:
    """The demo's data as its sources bring them; the shipped segment, by RFM, and both asked of everybody."""
    home = tmp_path_factory.mktemp("backtest")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AUDIENCEFLOW_HOME", str(home))
        patched.setenv("AUDIENCEFLOW_CONFIG_DIR", str(_configuration(home / "config")))
        patched.delenv("WAREHOUSE_URL", raising=False)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        forget()
        store = settings().mlflow_artifacts.parent / "mlflow.db"
        store.parent.mkdir(parents=True)
        store.write_bytes(empty_store.read_bytes())
        (home / "demo").symlink_to(full_demo / "demo")
        made = Warehouse()
        with made.held():
            for name in source_names():
                ingest_source(name, made)
            build_profiles(made)
            build_features(UNTIL, made)
            yield made
    forget()


def _configuration(folder: Any) -> Any:
    shutil.copytree(PROJECT_DIR / "config", folder, ignore=shutil.ignore_patterns("segments"))
    (folder / "segments").mkdir()
    shipped = yaml.safe_load((PROJECT_DIR / "config" / "segments" / f"{SHIPPED}.yaml").read_text())
    asked = {key: value for key, value in shipped["outcome"].items() if key != "among"}
    for name, changed in {SHIPPED: {}, RFM: {"who": BY_RFM, "limits": {}}}.items():
        for ending, outcome in {"": shipped["outcome"], f"_of_{EVERYBODY}": asked}.items():
            said = shipped | changed | {"name": name + ending, "outcome": outcome}
            (folder / "segments" / f"{name}{ending}.yaml").write_text(yaml.safe_dump(said))
    return folder


@pytest.fixture(scope="module")
def found(warehouse: Warehouse) -> dict[str, Any]:
    """The shipped segment over six dates, a week apart, beside RFM."""
    return _prove(warehouse, SHIPPED, RFM)


def _prove(warehouse: Warehouse, name: str, against: str) -> dict[str, Any]:
    dates = {"first": "2017-10-30", "last": "2017-12-04", "every": "7d"}
    return backtest([name], **dates, against=against, warehouse=warehouse)[0]


def test_those_at_risk_fall_away_more_often_than_others_of_equal_value(found: dict[str, Any]):
    assert (found["dates"], found["measured"]) == (6, 6)
    assert found["hits"] >= 30
    assert found["lift"] > 1.8
    assert found["lift_low"] > 1.3


def test_they_do_so_more_often_than_those_whom_rfm_finds(found: dict[str, Any], warehouse: Warehouse):
    assert found["gain"] > 0.5
    assert found["gain_low"] > 0
    everybody = _prove(warehouse, f"{SHIPPED}_of_{EVERYBODY}", f"{RFM}_of_{EVERYBODY}")
    assert everybody["asked"] > 12_000
    assert everybody["gain_low"] > 0, "of all who buy, too, whom neither of them has chosen"


def test_every_date_was_scored_by_models_that_knew_no_later_date(found: dict[str, Any]):
    for day in found["days"]:
        used = yaml.safe_load(day["model_versions"])
        assert set(used) == {"churn_28d", "clv_84d"}
        assert all(version.split()[-1] <= f"{day['as_of']:%Y-%m-%d}" for version in used.values())


@pytest.fixture
def shipped(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """The same data under the configuration that ships."""
    monkeypatch.setenv("AUDIENCEFLOW_CONFIG_DIR", str(PROJECT_DIR / "config"))
    monkeypatch.setenv("AUDIENCEFLOW_BACKTESTS", "automatic")
    forget()
    yield warehouse
    monkeypatch.undo()
    forget()


def test_every_shipped_segment_is_measured_on_two_dates(found: dict[str, Any], shipped: Warehouse):
    """On dates of the bar, whose models are kept."""
    past = _past(shipped, parse_as_of(UNTIL))
    assert past.catalogue.problems == {}
    names = [*past.catalogue.segments]
    assert len(names) == 24
    dates = [day["as_of"] for day in found["days"]]
    with shipped.held():
        studies = [*past._studies([past.case(name) for name in names], [AsOf(dates[0]), AsOf(dates[4])])]
    assert {study.case.name: len(study.told) for study in studies} == dict.fromkeys(names, 2)
    members = {study.case.name: study.measured.rates.members for study in studies if study.measured}
    assert [name for name, asked in members.items() if not asked] == []


def test_a_preview_takes_less_than_two_seconds(shipped: Warehouse):
    """The best of three, so that a busy machine does not decide; the first one ever reads the configuration besides."""

    def took() -> float:
        began = perf_counter()
        assert preview("high_intent_abandoners", UNTIL, warehouse=shipped)["size"] > 0
        return perf_counter() - began

    assert min(took() for _ in range(3)) < 2


def test_the_run_in_mlflow_holds_the_page_and_the_dates(found: dict[str, Any], warehouse: Warehouse):
    page = registry.read_artifact(found["run_id"], "backtest.html").decode()
    assert page == (settings().reports / found["report_path"]).read_text()
    with registry._reach("looking at a run") as client:
        run = client.get_run(found["run_id"])
        history = client.get_metric_history(found["run_id"], "lift_by_date")
        assert client.get_experiment(run.info.experiment_id).name == EXPERIMENT
    assert (run.info.status, run.data.tags["segment"]) == ("FINISHED", SHIPPED)
    assert run.data.metrics["lift_low"] == pytest.approx(found["lift_low"])
    assert [one.value for one in history] == [pytest.approx(day["lift"]) for day in found["days"]]
