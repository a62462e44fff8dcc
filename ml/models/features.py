"""Which features a model sees: columns of the catalogue, and for a propensity model its target's own history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ml.features.catalogue import FeatureSpec, catalogue
from ml.sql import Says

if TYPE_CHECKING:
    from ml.models.spec import ModelSpec


def _own(name: str, description: str, impute: Literal["zero", "missing"], says: Says) -> FeatureSpec:
    return FeatureSpec(name, description, "BIGINT", "number", impute, "target", says)


# Columns of sql/3_features/queries/target_history.sql; customers without a row have bought nothing of it.
TARGET_FEATURES = {
    found.name: found
    for found in (
        _own(
            "target_recency_days",
            "Days since this was last bought",
            "missing",
            Says(
                text="{target} last bought {value:days} ago",
                exactly={0: "{target} bought within the last day"},
                missing="{target} never bought",
            ),
        ),
        _own(
            "target_orders_28d",
            "Orders with this in the last 28 days",
            "zero",
            Says(
                text="{value:order|orders} with {target} in the last 28 days",
                usual="{target_orders_84d:number} in the last 84",
            ),
        ),
        _own(
            "target_orders_84d",
            "Orders with this in the last 84 days",
            "zero",
            Says(
                text="{value:order|orders} with {target} in the last 84 days",
                usual="{target_orders_total:number} so far",
            ),
        ),
        _own(
            "target_orders_total",
            "Orders with this so far",
            "zero",
            Says(text="{value:order|orders} with {target} so far"),
        ),
        _own(
            "target_spend_cents_84d",
            "Spent on this in the last 84 days",
            "zero",
            Says(
                text="{value:money} spent on {target} in the last 84 days",
                exactly={0: "nothing spent on {target} in the last 84 days"},
            ),
        ),
    )
}


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
    return {**found, **(TARGET_FEATURES if spec.target else {})}
