"""Settings: embedded defaults, named errors, a reference page that is current."""

from pathlib import Path

import pytest

from ml.errors import ConfigError
from ml.settings import PROJECT_DIR, reference, settings
from ml.warehouse import Warehouse


def test_everything_local_lives_under_home(home: Path):
    found = settings()
    assert found.warehouse_url == f"duckdb:///{home / 'warehouse.duckdb'}"
    assert found.mlflow_tracking_uri.startswith(f"sqlite:///{home}")
    assert found.reports.is_relative_to(home)


def test_an_environment_variable_wins(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://me@there/db")
    settings.cache_clear()
    assert settings().warehouse_url == "postgresql://me@there/db"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AUDIENCEFLOW_THREADS", "many", r"AUDIENCEFLOW_THREADS: .*'many'"),
        ("AUDIENCEFLOW_TIMEZONE", "Mars/Base", r"AUDIENCEFLOW_TIMEZONE: .*no such time zone.*'Mars/Base'"),
        ("AUDIENCEFLOW_TIMEZONE", "../etc/passwd", r"AUDIENCEFLOW_TIMEZONE: .*no such time zone"),
        ("AUDIENCEFLOW_MEMORY_LIMIT", "lots", r"AUDIENCEFLOW_MEMORY_LIMIT: .*'lots'"),
        ("AUDIENCEFLOW_TREADS", "4", r"AUDIENCEFLOW_TREADS is no setting; did you mean AUDIENCEFLOW_THREADS\?"),
    ],
)
def test_what_is_wrong_is_named_with_its_variable(variable, value, message, home, monkeypatch):
    monkeypatch.setenv(variable, value)
    settings.cache_clear()
    with pytest.raises(ConfigError, match=message):
        settings()


@pytest.mark.parametrize("value", ["512MB", "1.5 GiB", "80%"])
def test_duckdb_understands_what_the_settings_let_through(value, duck, monkeypatch):
    monkeypatch.setenv("AUDIENCEFLOW_MEMORY_LIMIT", value)
    settings.cache_clear()
    assert settings().memory_limit == value
    with Warehouse(f"duckdb:///{settings().home / 'other.duckdb'}").held():
        pass


def test_a_variable_of_somebody_else_is_left_alone(home, monkeypatch):
    monkeypatch.setenv("AUDIENCEFLOW_TAG", "latest")
    settings.cache_clear()
    settings()


def test_the_reference_page_is_current():
    page = PROJECT_DIR / "docs" / "settings.md"
    assert page.read_text() == reference(), "run `.venv/bin/audienceflow docs`"
