"""`config/profiles.yaml`: what makes two records one customer, and which source to believe."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ml.config import did_you_mean, read_yaml
from ml.errors import ConfigError
from ml.settings import settings

Attribute = Literal[
    "email",
    "phone",
    "first_name",
    "last_name",
    "country",
    "region",
    "birth_year",
    "age_band",
    "income_band",
    "household_size",
    "home_ownership",
    "marital_status",
]
ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)
Sources = tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ...]
Limit = Annotated[int, Field(ge=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmailPolicy(_Frozen):
    """When two spellings are one mailbox, and how many customers may share it."""

    max_customers: Limit = 4
    ignore_plus_tags: bool = True
    ignore_gmail_dots: bool = True
    placeholders: tuple[str, ...] = ()

    @field_validator("placeholders")
    @classmethod
    def _lower(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(value.strip().lower() for value in values)


class PhonePolicy(_Frozen):
    """How a national number is read, and how many customers may share one."""

    max_customers: Limit = 4
    default_country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    placeholders: tuple[str, ...] = ()


class DevicePolicy(_Frozen):
    """How many customers may log in on a device that joins them."""

    max_customers: Limit = 1


class Identifiers(_Frozen):
    """One policy for each type of identifier that joins customers, strongest first."""

    email: EmailPolicy = EmailPolicy()
    phone: PhonePolicy = PhonePolicy()
    anonymous_id: DevicePolicy = DevicePolicy()

    @property
    def limits(self) -> dict[str, int]:
        """How many customers may share an identifier, by type, strongest type first."""
        return {
            "email": self.email.max_customers,
            "phone": self.phone.max_customers,
            "anonymous_id": self.anonymous_id.max_customers,
        }


class GoldenRecord(_Frozen):
    """Which source is believed first."""

    default: Sources = ()
    attributes: dict[Attribute, Sources] = {}

    @property
    def rankings(self) -> list[Sources]:
        """The different orders of sources that are in use, each once."""
        return list(dict.fromkeys(self.sources(attribute) for attribute in ATTRIBUTES))

    def sources(self, attribute: Attribute) -> Sources:
        """Return the order of sources for one attribute."""
        return self.attributes.get(attribute, self.default)

    def attribute_rankings(self) -> list[tuple[Attribute, int]]:
        """Return for each attribute the position of its order in `rankings`."""
        return [(name, self.rankings.index(self.sources(name))) for name in ATTRIBUTES]


class ProfilesConfig(_Frozen):
    """The whole file."""

    identifiers: Identifiers = Identifiers()
    exclusive_namespaces: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")], ...] = ()
    golden_record: GoldenRecord = GoldenRecord()


def load_profiles_config(path: Path | None = None, sources: Iterable[str] | None = None) -> ProfilesConfig:
    """Return `config/profiles.yaml`; with `sources`, only these may be ranked.

    Raises `ConfigError` naming file, key and what is allowed.
    """
    place = path or settings().config_dir / "profiles.yaml"
    config = read_yaml(place, ProfilesConfig)
    if sources is not None:
        _check_sources(place, config.golden_record, set(sources))
    return config


def _check_sources(place: Path, golden: GoldenRecord, known: set[str]) -> None:
    lists = {"default": golden.default, **{f"attributes.{k}": v for k, v in golden.attributes.items()}}
    for key, names in lists.items():
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"{place}: golden_record.{key}: there is no source {name!r} for stg_customers"
                    f"{did_you_mean(name, known)}"
                )
