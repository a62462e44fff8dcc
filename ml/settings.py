"""Every setting, its default and what it does. `docs/settings.md` is generated from this file."""

from __future__ import annotations

import difflib
import os
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.errors import ConfigError

PROJECT_DIR = Path(__file__).resolve().parent.parent
_PREFIX = "AUDIENCEFLOW_"
_NEAR = 0.75


class Settings(BaseSettings):
    """What a deployment may change, read from environment variables (`AUDIENCEFLOW_<NAME>`)."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    home: Path = Field(
        PROJECT_DIR / ".audienceflow",
        description="Folder of everything local: warehouse, MLflow, Airflow, reports, demo data.",
    )
    warehouse: str = Field(
        "",
        validation_alias="WAREHOUSE_URL",
        description="SQLAlchemy URL of the warehouse: `duckdb:///file` or `postgresql://...`. "
        "Default: `warehouse.duckdb` under the home folder.",
    )
    mlflow_uri: str = Field(
        "",
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow's tracking and registry address. Default: a SQLite file under the home folder.",
    )
    config_dir: Path = Field(PROJECT_DIR / "config", description="Folder of the YAML files that a team edits.")
    sql_dir: Path = Field(PROJECT_DIR / "sql", description="Folder of the SQL files and their YAML.")
    timezone: str = Field(
        "America/New_York", description="The business's time zone; a bare `as_of` date is midnight there."
    )
    as_of: str = Field(
        "",
        description="The clock of runs that nobody gave an `as_of` (`2018-01-01`); empty: the run's own day.",
    )
    seed: int = Field(20171, description="Seed of everything random: demo data, models, bootstraps.")
    threads: int = Field(2, ge=1, description="Threads that one task may use (DuckDB, models).")
    search_trials: int | None = Field(
        None,
        ge=0,
        description="Most settings that a model's search may try, whatever its file says; empty: the file's.",
    )
    memory_limit: str = Field(
        "2GB",
        pattern=r"(?i)^\d+(\.\d+)?\s*(B|[KMGT]i?B|%)$",
        description="Memory that DuckDB may use before it spills to disk.",
    )
    lock_timeout: float = Field(120.0, ge=0, description="Seconds to wait for a warehouse that another process holds.")
    approve_promotions: bool = Field(
        False,
        description="Whether `train_models` asks a person before a challenger takes over, unless a run says otherwise. "
        "Never asked by `make demo` and `make run`.",
    )
    approve_segments: bool = Field(
        False,
        description="Whether `build_segments` asks a person before it lets in a change beyond a segment's guard, "
        "unless a run says otherwise; else the change waits for `audienceflow segments approve`. Never asked by "
        "`make demo` and `make run`.",
    )
    backtests: Literal["required", "automatic", "off"] = Field(
        "required",
        description="What `build_segments` does with a new or changed definition that was never backtested: keeps it "
        "from the platforms (`required`), backtests it first (`automatic`; `make demo` does), or activates it (`off`).",
    )
    salt: str = Field(
        "audienceflow",
        description="Salt of the holdout hash. Changing it draws every holdout anew; keep it secret in production.",
    )
    airflow_port: int = Field(
        8080, description="First of Airflow's three ports under `make up`; the next free if taken."
    )
    mlflow_port: int = Field(5000, description="Port of the MLflow server under `make up`; the next free if taken.")
    sandbox_port: int = Field(8070, description="Port of the sandbox CRM under `make up`; the next free if taken.")
    mlflow_link: str = Field(
        "",
        description="Address of MLflow's pages for Airflow's navigation. Default: the tracking address, if it has one.",
    )
    crm_link: str = Field("", description="Address of the CRM for Airflow's navigation; empty: no link.")
    alert_webhook: str = Field("", description="URL that receives alerts as JSON by POST; empty: none is posted.")
    alert_email: str = Field(
        "", description="Addresses that receive alerts by e-mail, separated by commas; empty: none is mailed."
    )
    alert_smtp: str = Field(
        "smtp://localhost:25",
        description="Mail server for alerts: `smtp://user:password@host:587` (STARTTLS) or `smtps://...`; without a "
        "user, a relay that asks for none.",
    )
    alert_sender: str = Field("audienceflow@localhost", description="Sender of the alerts that go by e-mail.")

    @field_validator("home", "config_dir", "sql_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("no such time zone; write one such as Europe/Berlin") from error
        return name

    @property
    def project_dir(self) -> Path:
        """The folder that holds `config/`, `dags/` and `sql/`."""
        return PROJECT_DIR

    @property
    def warehouse_url(self) -> str:
        """The warehouse's SQLAlchemy URL, with its default filled in."""
        return self.warehouse or f"duckdb:///{self.home / 'warehouse.duckdb'}"

    @property
    def mlflow_tracking_uri(self) -> str:
        """MLflow's address, with its default filled in."""
        return self.mlflow_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of MLflow's artifacts (used when no MLflow server decides it)."""
        return self.home / "mlflow" / "artifacts"

    @property
    def reports(self) -> Path:
        """Folder of HTML reports."""
        return self.home / "reports"


@lru_cache
def settings() -> Settings:
    """Return the settings of this process, read once. Raises `ConfigError` naming the variable."""
    problems = _misspelt()
    try:
        found = Settings()
    except ValidationError as error:
        wrong = [f"{variable_name(str(e['loc'][0]))}: {e['msg']} (found {e['input']!r})" for e in error.errors()]
        raise ConfigError(_told([*problems, *wrong])) from error
    if problems:
        raise ConfigError(_told(problems))
    return found


def _told(problems: list[str]) -> str:
    return f"Environment: {'; '.join(problems)}. See docs/settings.md."


def _misspelt() -> list[str]:
    """Return what is wrong with variables that are nearly a setting's; others may be anybody's."""
    known = [variable_name(name).removeprefix(_PREFIX) for name in Settings.model_fields]
    given = [name.removeprefix(_PREFIX) for name in os.environ if name.startswith(_PREFIX)]
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=_NEAR) for name in given if name not in known}
    return [f"{_PREFIX}{name} is no setting; did you mean {_PREFIX}{of[0]}?" for name, of in near.items() if of]


def variable_name(field: str) -> str:
    """Return the environment variable that sets `field`."""
    info = Settings.model_fields.get(field)
    alias = info.validation_alias if info else field
    return str(alias) if alias else f"{_PREFIX}{field.upper()}"


def reference() -> str:
    """Return `docs/settings.md`: one table row per setting."""
    rows = [
        f"| `{variable_name(name)}` | {_shown_default(info.default)} | {info.description} |"
        for name, info in Settings.model_fields.items()
    ]
    head = ["# Settings", "", "Generated by `audienceflow docs` from `ml/settings.py`; do not edit.", ""]
    return "\n".join([*head, "| variable | default | what it does |", "|---|---|---|", *rows, ""])


def _shown_default(value: object) -> str:
    if isinstance(value, Path) and value.is_relative_to(PROJECT_DIR):
        return f"`{value.relative_to(PROJECT_DIR)}`"
    return f"`{value}`" if value != "" else "(empty)"
