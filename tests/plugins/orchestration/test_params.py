"""One function decides a run's point in time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from ml.errors import ConfigError
from ml.settings import settings
from orchestration.params import as_of_task, pick, resolve_as_of

NIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)  # three in the morning in New York


@dataclass
class Event:
    timestamp: datetime
    extra: dict[str, str] = field(default_factory=dict)


def _event(day: int, **extra: str) -> Event:
    return Event(datetime(2026, 1, day, tzinfo=UTC), extra)


@pytest.fixture(autouse=True)
def _settings(home):
    """Settings of their own."""


def test_what_was_asked_for_wins():
    assert resolve_as_of({"as_of": "2017-11-01"}, [_event(1, as_of="2018-01-01")], NIGHT) == "2017-11-01T04:00:00+00:00"


def test_the_data_that_started_the_run_comes_next_and_the_latest_event_counts():
    events = [_event(2, as_of="2017-06-01T04:00:00+00:00"), _event(1, as_of="2018-01-01T05:00:00+00:00"), _event(3)]
    assert resolve_as_of({}, events, NIGHT) == "2017-06-01T04:00:00+00:00"


def test_then_the_clock_of_the_settings(monkeypatch):
    monkeypatch.setenv("AUDIENCEFLOW_AS_OF", "2018-01-01")
    settings.cache_clear()
    assert resolve_as_of({"as_of": None}, [], NIGHT) == "2018-01-01T05:00:00+00:00"


def test_at_last_midnight_of_the_run_s_day_where_the_business_is(monkeypatch):
    assert resolve_as_of({}, [], NIGHT) == "2026-03-02T05:00:00+00:00"
    assert resolve_as_of({}, [], datetime(2026, 3, 2, 3, 0, tzinfo=UTC)) == "2026-03-01T05:00:00+00:00"


def test_a_text_that_is_no_date_is_refused():
    with pytest.raises(ConfigError, match="2018-01-01"):
        resolve_as_of({"as_of": "new year"})


def test_an_empty_choice_means_all_and_the_known_order_stays():
    assert pick([], ["b", "a"], "model") == ["b", "a"]
    assert pick(["a", "b"], ["b", "a", "c"], "model") == ["b", "a"]


def test_a_stranger_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"no segment 'browser'; did you mean browsers"):
        pick(["browser"], ["browsers", "lapsed"], "segment")


def test_a_parameter_that_the_dag_does_not_have_fails_the_run_s_first_task():
    """Started in Airflow with `{"dryrun": true}`, a sync would really send."""
    from airflow.sdk import DAG

    dag = DAG("sync_segments", schedule=None, params={"as_of": None, "dry_run": False})
    asked = {"params": {"as_of": "2018-01-01"}, "dag": dag}
    with pytest.raises(ConfigError, match=r"sync_segments has no parameter 'dryrun'; did you mean dry_run\?"):
        as_of_task.function(**asked, dag_run=SimpleNamespace(conf={"dryrun": True}))
    run = SimpleNamespace(conf={"dry_run": True}, logical_date=None, run_after=NIGHT)
    assert as_of_task.function(**asked, dag_run=run) == "2018-01-01T05:00:00+00:00"
