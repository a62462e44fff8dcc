"""Which features a model sees: columns of the catalogue, and for a propensity model its target's own history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.features.catalogue import FeatureSpec, catalogue

if TYPE_CHECKING:
    from ml.models.spec import ModelSpec

# Columns of sql/3_features/queries/target_history.sql; customers without a row have bought nothing of it.
TARGET_FEATURES = {
    found.name: found
    for found in (
        FeatureSpec("target_recency_days", "Days since this was last bought", "BIGINT", "number", "missing", "target"),
        FeatureSpec("target_orders_28d", "Orders with this in the last 28 days", "BIGINT", "number", "zero", "target"),
        FeatureSpec("target_orders_84d", "Orders with this in the last 84 days", "BIGINT", "number", "zero", "target"),
        FeatureSpec("target_orders_total", "Orders with this so far", "BIGINT", "number", "zero", "target"),
        FeatureSpec(
            "target_spend_cents_84d", "Spent on this in the last 84 days", "BIGINT", "number", "zero", "target"
        ),
    )
}


def model_features(spec: ModelSpec) -> dict[str, FeatureSpec]:
    """Return the features that a model sees, in the order of the catalogue."""
    chosen = spec.features
    everything = not chosen.groups and not chosen.include
    found = {
        name: feature
        for name, feature in catalogue().items()
        if (everything or feature.group in chosen.groups or name in chosen.include)
        and name not in chosen.exclude
        and feature.group not in chosen.exclude
    }
    return {**found, **(TARGET_FEATURES if spec.target else {})}
