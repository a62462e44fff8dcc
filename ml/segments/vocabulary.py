"""What definitions may refer to, collected from the catalogue, the models and the destinations before any query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml.config import load_yaml
from ml.segments.events import EventKind, load_events
from ml.settings import settings
from ml.sql import table

ScoreKind = Literal["probability", "cents"]


@dataclass(frozen=True)
class FeatureKind:
    """A feature: whether it is a number, and the values it may take when its catalogue says so."""

    is_number: bool
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """Known names. `destinations` is None where nothing says which there are."""

    features: Mapping[str, FeatureKind]
    scores: Mapping[str, ScoreKind]
    events: Mapping[str, EventKind]
    destinations: frozenset[str] | None = None


def load_vocabulary() -> Vocabulary:
    """Collect the names from `sql/3_features`, `config/models`, `config/events.yaml` and `config/destinations.yaml`."""
    from ml.models.spec import load_specs

    config = settings().config_dir
    scores: dict[str, ScoreKind] = {name: spec.kind for name, spec in load_specs().items()}
    return Vocabulary(_features(), scores, load_events(), _destinations(config / "destinations.yaml"))


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
