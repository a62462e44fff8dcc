"""What a team may tune in the feature stage, read from `config/features.yaml`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.config import read_yaml
from ml.settings import settings
from ml.times import DAY

Days = Annotated[int, Field(ge=1, le=3660)]
Weights = Annotated[Mapping[str, Annotated[float, Field(ge=-1000, le=1000)]], Field(min_length=1)]
_MICRO = 1_000_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecencyBins(_Frozen):
    """Days since the last order: recent is under `recent`, lapsed over `lapsed`, moderate between."""

    recent: Days
    lapsed: Days

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.recent > self.lapsed:
            raise ValueError(f"recent ({self.recent}) must not exceed lapsed ({self.lapsed})")
        return self


class Lifecycle(_Frozen):
    """Days since the last order up to which a stage lasts; `new` counts from the first order besides."""

    new: Days
    active: Days
    at_risk: Days
    dormant: Days

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.active < self.at_risk < self.dormant:
            raise ValueError("active < at_risk < dormant must hold: a stage would be empty")
        return self


class HalfLives(_Frozen):
    """Days after which an order, its value or a web event counts half."""

    orders: Days
    spend: Days
    events: Days


class EngagementWeights(_Frozen):
    """What one event adds to the engagement score, by event type."""

    web: Weights
    messages: Weights


class FeatureConfig(_Frozen):
    """The whole of `config/features.yaml`."""

    recency_bins: RecencyBins
    lifecycle: Lifecycle
    half_lives: HalfLives
    own_brands: Annotated[tuple[str, ...], Field(min_length=1)]
    engagement_weights: EngagementWeights

    def params(self) -> dict[str, Any]:
        """Return the Jinja variables of the feature queries; decays are per second, weights in millionths."""
        lives, weights = self.half_lives, self.engagement_weights
        return {
            **{f"{name}_days": days for name, days in self.recency_bins.model_dump().items()},
            **{f"{name}_days": days for name, days in self.lifecycle.model_dump().items()},
            **{f"{name}_decay": -math.log(2) / (days * DAY) for name, days in lives.model_dump().items()},
            "own_brands": list(self.own_brands),
            "web_weights": _micros(weights.web),
            "message_weights": _micros(weights.messages),
        }


def load_config() -> FeatureConfig:
    """Return the feature stage's configuration. Raises `ConfigError` naming file, key and what is allowed."""
    return read_yaml(settings().config_dir / "features.yaml", FeatureConfig)


def _micros(weights: Mapping[str, float]) -> list[tuple[str, int]]:
    return [(event_type, round(weight * _MICRO)) for event_type, weight in sorted(weights.items())]
