"""What words of a definition mean by configuration beside it: stages by their bounds, clusters by their centres."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ml.features.config import Lifecycle
from ml.segments.clusters import Clustering
from ml.segments.conditions import leaves
from ml.segments.forms import Form
from ml.segments.standing import ClusterCondition, LifecycleCondition


@dataclass(frozen=True)
class Meanings:
    """The bounds and centres that conditions are read with; what they do not name is not here."""

    lifecycle: Lifecycle | None = None
    clusterings: Mapping[str, Clustering] = field(default_factory=dict)

    def of(self, conditions: Iterable[Form]) -> Meanings:
        """Return those that conditions name, the clusterings without their words."""
        named = [leaf for condition in conditions for leaf in leaves(condition)]
        clusters = {leaf.cluster for leaf in named if isinstance(leaf, ClusterCondition)}
        return Meanings(
            self.lifecycle if any(isinstance(leaf, LifecycleCondition) for leaf in named) else None,
            {name: self.clusterings[name].wordless for name in sorted(clusters & {*self.clusterings})},
        )

    def dump(self) -> dict[str, Any]:
        """Return them as JSON has them; empty when nothing is named."""
        bounds = {"lifecycle": self.lifecycle.model_dump()} if self.lifecycle else {}
        centres = {name: one.pinned for name, one in self.clusterings.items()}
        return {**bounds, **({"clusters": centres} if centres else {})}

    def restored(self, said: Mapping[str, Any]) -> Meanings:
        """Return what `dump` said before; of what it did not say, these. Raises pydantic's `ValidationError`."""
        bounds = Lifecycle.model_validate(said["lifecycle"]) if "lifecycle" in said else self.lifecycle
        centres = {name: Clustering.from_pinned(one) for name, one in said.get("clusters", {}).items()}
        return Meanings(bounds, {**self.clusterings, **centres})
