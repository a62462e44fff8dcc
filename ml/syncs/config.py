"""`config/destinations.yaml` as frozen objects: which platforms, which properties, which limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ml.config import did_you_mean, read_yaml
from ml.errors import ConfigError
from ml.segments.language import Guard
from ml.settings import settings
from ml.syncs.platform import PropertySpec

RESERVED = frozenset({"email", "customer_key", "fingerprint", "identifier_hash", "remote_id", "was_member"})


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScoreValue(_Frozen):
    """A model's score of the customer at `as_of`, as decimal text; empty for a customer without a score."""

    score: str = Field(description="Model, as `customer_scores.model` names it.")
    column: Literal["score", "percentile"] = Field("score", description="Which number of the score.")
    scale: float = Field(1.0, description="Factor before rounding; 0.01 turns cents into the currency's unit.")
    decimals: int = Field(3, ge=0, le=6, description="Decimals kept; coarser means fewer updates.")
    on_missing: Literal["error", "omit"] = Field(
        "error", description="No scores at all at `as_of`: halt, or leave the property as it is on the platform."
    )


class SegmentsValue(_Frozen):
    """The names of the customer's segments at `as_of`, joined by `;`. Holdouts do not name theirs."""

    segments: Literal["all"]


class Property(_Frozen):
    """A contact property and where its value comes from."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    label: str
    description: str = ""
    kind: Literal["number", "text"]
    value: ScoreValue | SegmentsValue

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name in RESERVED:
            raise ValueError(f"{name} is the sync's own column; choose another name")
        return name

    @property
    def spec(self) -> PropertySpec:
        """The property as the platform must know it."""
        return PropertySpec(self.name, self.label, self.description, self.kind)


class RateLimit(_Frozen):
    """Requests that one account allows within a sliding window."""

    requests: int = Field(ge=1)
    seconds: float = Field(gt=0)


class Destination(_Frozen):
    """One account of one platform."""

    platform: Literal["hubspot"]
    connection: str = Field(description="Airflow connection that holds the address and the token.")
    audience_name: str = Field(description="Name of the list on the platform; `{segment}` is filled in.")
    audience_names: dict[str, str] = Field({}, description="Names for single segments, where the rule does not do.")
    rate: RateLimit
    batch_rows: int = Field(100, ge=1)
    batch_bytes: int = Field(1_000_000, ge=1_000)
    timeout_seconds: float = Field(30.0, gt=0)
    guard: Guard = Field(Guard(), description="Limits of segments that set none of their own.")
    clear_on_exit: bool = Field(
        default=True, description="Empty the properties of a contact that has left its last audience here."
    )
    properties: tuple[Property, ...] = ()

    @model_validator(mode="after")
    def _names_make_sense(self) -> Destination:
        if "{segment}" not in self.audience_name:
            raise ValueError("audience_name must contain {segment}, or all segments would share one list")
        names = [found.name for found in self.properties]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"properties named twice: {', '.join(twice)}")
        return self

    def name_of(self, segment: str) -> str:
        """Return what the segment's list is called on the platform."""
        return self.audience_names.get(segment) or self.audience_name.replace("{segment}", segment)


class Destinations(_Frozen):
    """The whole file."""

    destinations: dict[str, Destination]


def load_destinations(path: Path | None = None) -> dict[str, Destination]:
    """Return every destination by name. Raises `ConfigError` naming file, key and what is allowed."""
    return read_yaml(path or settings().config_dir / "destinations.yaml", Destinations).destinations


def destination(name: str, path: Path | None = None) -> Destination:
    """Return one destination. Raises `ConfigError` with the nearest names."""
    found = load_destinations(path)
    if name not in found:
        raise ConfigError(f"config/destinations.yaml: no destination {name!r}{did_you_mean(name, found)}")
    return found[name]
