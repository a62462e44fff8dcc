"""What counts as drift and as decline, read from `config/monitoring.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.config import did_you_mean, read_yaml
from ml.errors import ConfigError
from ml.features.catalogue import catalogue, target_features
from ml.settings import settings

Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Status = Literal["ok", "warning", "drifted"]
FILE = "monitoring.yaml"


class DriftConfig(BaseModel):
    """Limits of the comparison of today's customers with a champion's reference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["psi", "wasserstein", "jensenshannon"] = "psi"
    threshold: Annotated[float, Field(gt=0)] = 0.2
    missing_change: Share = 0.1
    warn_share: Share = 0.15
    drift_share: Share = 0.3
    columns: Count = 12
    max_rows: Count = 5_000
    min_rows: Count = 100
    keep_reports: Count = 5
    ignore: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warn_share > self.drift_share:
            raise ValueError(f"warn_share ({self.warn_share}) must not exceed drift_share ({self.drift_share})")
        return self


class PerformanceConfig(BaseModel):
    """When the scores of the past, held against what happened, count as worse than their test promised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settle_days: Annotated[int, Field(ge=0)] = 0
    lookback_days: Count = 90
    windows: Count = 8
    min_customers: Count = 200
    min_positives: Count = 30
    rank_drop: Share = 0.03
    calibration_rise: Share = 0.03
    total_off: Share = 0.15
    max_rows: Count = 20_000


class RetrainingConfig(BaseModel):
    """How often the same may be asked for; how old a champion may grow is a gate of its model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wait_days: Annotated[int, Field(ge=0)] = 7


class MonitoringConfig(BaseModel):
    """The whole of `config/monitoring.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drift: DriftConfig = DriftConfig()
    performance: PerformanceConfig = PerformanceConfig()
    retraining: RetrainingConfig = RetrainingConfig()


def load_config() -> MonitoringConfig:
    """Return the limits. Raises `ConfigError` naming file, key and what is allowed."""
    path = settings().config_dir / FILE
    found = read_yaml(path, MonitoringConfig)
    known = {*catalogue(), *target_features()}
    for name in found.drift.ignore:
        if name not in known:
            raise ConfigError(f"{path}: drift.ignore: {name!r} is not a feature{did_you_mean(name, known)}")
    return found
