"""Clusters: groups of customers who resemble each other, by centres that are pinned in `config/clusters.yaml`.

A customer belongs to the nearest centre. The centres stand in a file, so that a cluster means the same at every as_of
and is reviewed like any definition; `fit` proposes them with k-means (Lloyd, 1982; k-means++ starts, Arthur and
Vassilvitskii, 2007).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from ml.config import did_you_mean
from ml.errors import ConfigError, NotEnoughData
from ml.segments.forms import Form, Number, Text, refuse
from ml.segments.reading import at, read_definition
from ml.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml.segments.vocabulary import FeatureKind
    from ml.times import AsOf
    from ml.warehouse import Warehouse

FILE = "clusters.yaml"
_WORDLESS = "As pinned."
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Scale(Form):
    """What a difference in a feature counts."""

    spread: Number = Field(description="The difference that counts 1, such as the standard deviation.")
    missing: Number = Field(description="What stands in for a missing value.")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.spread <= 0:
            raise refuse("write a number above 0", "spread")
        return self

    @property
    def weight(self) -> float:
        """What a squared difference is multiplied by."""
        return 1.0 / (float(self.spread) * float(self.spread))


class Clustering(Form):
    """Named centres over features; a customer is in the cluster whose centre is nearest, the first of equals."""

    description: Text = Field(description="What the clusters tell apart.")
    features: dict[Name, Scale] = Field(min_length=1, description="The features, each with its scale.")
    centres: dict[Name, dict[Name, Number]] = Field(
        min_length=2, description="A value of each feature for each cluster."
    )

    @property
    def wordless(self) -> Clustering:
        """What decides who is in which cluster."""
        return self.model_copy(update={"description": _WORDLESS})

    @property
    def pinned(self) -> dict[str, Any]:
        """The same as lists of pairs, because of equally near centres the first one counts."""
        said = self.model_dump(mode="json", exclude={"description"})
        return {key: list(pairs.items()) for key, pairs in said.items()}

    @classmethod
    def from_pinned(cls, said: Mapping[str, Any]) -> Clustering:
        """Return what `pinned` said. Raises pydantic's `ValidationError`."""
        return cls.model_validate({"description": _WORDLESS, **{key: dict(pairs) for key, pairs in said.items()}})

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for cluster, centre in self.centres.items():
            if set(centre) != set(self.features):
                odd = sorted(set(centre) ^ set(self.features))
                raise refuse(f"{cluster} and features do not name the same: {', '.join(odd)}", "centres", cluster)
        return self


class Clusterings(Form):
    """The whole of `config/clusters.yaml`."""

    clusters: dict[Name, Clustering] = Field({}, description="Clusterings by name.")


def load_clusterings(config_dir: Path, features: Mapping[str, FeatureKind]) -> dict[str, Clustering]:
    """Return the clusterings of a folder; none where it has no file. Raises `ConfigError` naming line and key."""
    path = config_dir / FILE
    read, lines = read_definition(path, Clusterings) if path.exists() else (Clusterings(), {})
    for name, clustering in read.clusters.items():
        for feature in clustering.features:
            _check_number(at(path, lines, ("clusters", name, "features", feature)), feature, features)
    return read.clusters


def _check_number(place: str, name: str, features: Mapping[str, FeatureKind]) -> None:
    numbers = [name for name, kind in features.items() if kind.is_number]
    if name not in numbers:
        raise ConfigError(f"{place}: there is no numeric feature {name!r}{did_you_mean(name, numbers)}")


def propose(
    name: str, features: Sequence[str], count: int, as_of: str | None = None, warehouse: Warehouse | None = None
) -> tuple[dict[str, Any], dict[str, int]]:
    """Return what `config/clusters.yaml` may say of new clusters, and how many customers each has.

    Raises `ConfigError` for a feature that is no number, `NotEnoughData` for too few customers.
    """
    from ml.segments.inspect import latest_as_of
    from ml.segments.vocabulary import load_vocabulary
    from ml.times import parse_as_of
    from ml.warehouse import Warehouse

    house, known = warehouse or Warehouse(), load_vocabulary().features
    for feature in features:
        _check_number(f"segments fit-clusters {name}", feature, known)
    at = parse_as_of(as_of) if as_of else latest_as_of(house)
    found, sizes = fit(house, features, count, at, f"{count} clusters, fitted at {at}.")
    return {name: found.model_dump(mode="json")}, sizes


def fit(
    warehouse: Warehouse, features: Sequence[str], count: int, as_of: AsOf, description: str = "Fitted."
) -> tuple[Clustering, dict[str, int]]:
    """Propose `count` clusters over numeric features of the customers known at `as_of`, the largest first.

    A missing value counts as the feature's mean. Returns the clustering and how many customers each cluster has. Raises
    `NotEnoughData` with fewer than ten customers a cluster.
    """
    import numpy as np
    from sklearn.cluster import KMeans

    rows = warehouse.read_arrow("customer_features", list(features), {"as_of": as_of})
    values = np.column_stack([np.asarray(rows[name].cast("float64")) for name in features])
    if len(values) < 10 * count:
        raise NotEnoughData(f"{len(values)} customers at {as_of} are too few for {count} clusters: ten each are needed")
    means, spreads = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    spreads = np.where(spreads > 0, spreads, 1.0)
    scaled = (np.where(np.isnan(values), means, values) - means) / spreads
    found = KMeans(count, n_init=10, random_state=settings().seed).fit(scaled)
    sizes = np.bincount(found.labels_, minlength=count)
    order = np.argsort(-sizes, kind="stable")
    made = {
        f"cluster_{place}": dict(zip(features, map(_short, found.cluster_centers_[at] * spreads + means), strict=True))
        for place, at in enumerate(order, start=1)
    }
    scales = {
        name: Scale(spread=_short(spread), missing=_short(mean))
        for name, spread, mean in zip(features, spreads, means, strict=True)
    }
    clustering = Clustering(description=description, features=scales, centres=made)
    return clustering, dict(zip(made, sizes[order].tolist(), strict=True))


def _short(value: float) -> float:
    """Return a number that a person can read: four significant digits."""
    return float(f"{round(value, 6):.4g}")
