"""Which features a model sees: columns of the catalogue, and for a propensity model its target's own history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.features.catalogue import FeatureSpec, catalogue, target_features

if TYPE_CHECKING:
    from ml.models.spec import ModelSpec


def model_features(spec: ModelSpec) -> dict[str, FeatureSpec]:
    """Return the features that a model sees, in the catalogue's order; sensitive ones only where it allows them."""
    chosen = spec.features
    everything = not chosen.groups and not chosen.include
    found = {
        name: feature
        for name, feature in catalogue().items()
        if (everything or feature.group in chosen.groups or name in chosen.include)
        and name not in chosen.exclude
        and feature.group not in chosen.exclude
        and (not feature.sensitive or name in chosen.sensitive)
    }
    return {**found, **(target_features() if spec.target else {})}
