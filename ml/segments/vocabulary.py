"""What definitions may refer to, collected from the catalogue, the models and the destinations before any query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ml.config import load_yaml
from ml.features.config import Lifecycle, load_config
from ml.segments.clusters import Clustering, load_clusterings
from ml.segments.events import EventKind, load_events
from ml.segments.house import HouseRules, load_house_rules
from ml.segments.reading import Lines
from ml.settings import settings
from ml.sql import table

ScoreKind = Literal["probability", "cents"]
# Columns of `customer_profiles` that name one person: no segment is about them.
IDENTIFIERS = frozenset({"customer_key", "email", "phone", "first_name", "last_name"})


@dataclass(frozen=True)
class FeatureKind:
    """A feature: whether it is a number, and the values it may take when its catalogue says so."""

    is_number: bool
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """Known names, and what else a definition is read with.

    `destinations` is None where nothing says which there are; `offers` are the models that are ranked against each
    other for each customer; `house_lines` are where the keys of `house` are written.
    """

    features: Mapping[str, FeatureKind]
    scores: Mapping[str, ScoreKind]
    events: Mapping[str, EventKind]
    destinations: frozenset[str] | None = None
    offers: frozenset[str] = frozenset()
    attributes: Mapping[str, FeatureKind] = field(default_factory=dict)
    lifecycle: Lifecycle = field(default_factory=lambda: Lifecycle(new=28, active=28, at_risk=56, dormant=112))
    house: HouseRules = field(default_factory=HouseRules)
    house_lines: Lines = field(default_factory=dict)
    clusterings: Mapping[str, Clustering] = field(default_factory=dict)


def load_vocabulary() -> Vocabulary:
    """Collect the names from `sql/` and from what `config/` says of models, events, destinations and the house."""
    from ml.models.spec import load_specs

    config, specs, features = settings().config_dir, load_specs(), _features()
    house, lines = load_house_rules(config)
    return Vocabulary(
        features=features,
        scores={name: spec.kind for spec in specs.values() for name in spec.score_names},
        events=load_events(),
        destinations=_destinations(config / "destinations.yaml"),
        offers=frozenset(name for name, spec in specs.items() if spec.family),
        attributes=_attributes(),
        lifecycle=load_config().lifecycle,
        house=house,
        house_lines=lines,
        clusterings=load_clusterings(config, features),
    )


def _attributes() -> dict[str, FeatureKind]:
    return {
        column.name: FeatureKind(is_number=column.type in {"BIGINT", "INTEGER", "DOUBLE"})
        for column in table("customer_profiles").columns
        if column.name not in IDENTIFIERS
    }


def _features() -> dict[str, FeatureKind]:
    return {
        column.name: FeatureKind(
            is_number=column.type in {"BIGINT", "INTEGER", "DOUBLE"},
            allowed=tuple(str(value) for value in column.checks.allowed or ()),
        )
        for column in table("customer_features").columns
        if column.feature is not None
    }


def _destinations(path: Path) -> frozenset[str] | None:
    # Only the names: what a destination is belongs to the syncs, which are downstream of segments.
    content = load_yaml(path) if path.exists() else None
    named = content.get("destinations") if isinstance(content, dict) else None
    return frozenset(named) if isinstance(named, dict) else None
