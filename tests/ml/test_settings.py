"""Settings: embedded defaults, named errors, a reference page that is current."""

from pathlib import Path

import pytest

from ml.errors import ConfigError
from ml.settings import PROJECT_DIR, reference, settings


def test_everything_local_lives_under_home(home: Path):
    found = settings()
    assert found.warehouse_url == f"duckdb:///{home / 'warehouse.duckdb'}"
    assert found.mlflow_tracking_uri.startswith(f"sqlite:///{home}")
    assert found.reports.is_relative_to(home)


def test_an_environment_variable_wins(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://me@there/db")
    settings.cache_clear()
    assert settings().warehouse_url == "postgresql://me@there/db"


def test_a_wrong_value_is_named_with_its_variable(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AUDIENCEFLOW_THREADS", "many")
    settings.cache_clear()
    with pytest.raises(ConfigError, match=r"AUDIENCEFLOW_THREADS: .*'many'"):
        settings()


def test_the_reference_page_is_current():
    page = PROJECT_DIR / "docs" / "settings.md"
    assert page.read_text() == reference(), "run `.venv/bin/audienceflow docs`"
