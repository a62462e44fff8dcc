"""Deterministic identity resolution: which customer references are one customer.

References are nodes. Links that a source states (one record naming another reference) always join. E-mail,
phone and device join the references they were seen with, unless too many customers share them, or
they would join two customers that a trusted source keeps apart. Nothing depends on the order of the rows.

All work is on integer codes: connected components of a sparse graph (Pearce 2005, in scipy).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Resolution:
    """Who is whom.

    `component` numbers the customer of each reference, in the order of the references given. `owned` holds
    one row per identifier of exactly one customer (identifier_type, identifier, component), `shared` one
    per identifier of several (identifier_type, identifier, customer_refs, reason).
    """

    component: Codes
    owned: pd.DataFrame
    shared: pd.DataFrame


def resolve(
    references: pd.Series,
    stated: tuple[Codes, Codes],
    links: pd.DataFrame,
    limits: Mapping[str, int],
    exclusive_namespaces: Sequence[str] = (),
) -> Resolution:
    """Join references into customers.

    Args:
        references: every customer reference, distinct.
        stated: two arrays of positions in `references`, pairs that a source states to be one customer.
        links: one row per identifier and reference seen together: identifier_type, identifier, position.
        limits: for each identifier type, strongest first, how many customers may share an identifier.
        exclusive_namespaces: prefixes of references that only a stated link may join.
    """
    certain = components(len(references), *stated)
    label, reasons = certain, {}
    trusted = _trusted(references, exclusive_namespaces)
    for kind, limit in limits.items():
        of_kind = links[links["identifier_type"] == kind]
        identifier, names = of_kind["identifier"].factorize()
        position = of_kind["position"].to_numpy(np.int64)
        crowded = _distinct(identifier, certain[position], len(names)) > limit
        kept = ~crowded[identifier]
        apart = _conflicting(identifier[kept], position[kept], label, trusted, len(names))
        usable = kept & ~apart[identifier]
        label = _join(label, identifier[usable], position[usable])
        reasons[kind] = np.where(crowded, "limit", "exclusive")
    return _settled(label, links, reasons)


def components(size: int, left: Codes, right: Codes) -> Codes:
    """Return the connected component of each of `size` nodes, numbered by first appearance."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(left), dtype=np.int32)
    graph = coo_array((ones, (left, right)), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)  # type: ignore[no-any-return]


def _join(label: Codes, identifier: Codes, position: Codes) -> Codes:
    """Return labels after joining the references that share an identifier."""
    count = int(label.max(initial=-1)) + 1
    joined = components(count + int(identifier.max(initial=-1)) + 1, label[position], count + identifier)
    return joined[label]


def _conflicting(identifier: Codes, position: Codes, label: Codes, trusted: Sequence[Flags], names: int) -> Flags:
    """Flag the identifiers that take part in joining two customers that a trusted namespace keeps apart.

    All identifiers of such a join are flagged, because nothing says which of them is wrong.
    """
    joined = _join(label, identifier, position)
    joins_several = _distinct(identifier, label[position], names) > 1
    bad = np.zeros(int(joined.max(initial=-1)) + 1, dtype=bool)
    for namespace in trusted:
        bad |= _distinct(joined[namespace], label[namespace], len(bad)) > 1
    flags = np.zeros(names, dtype=bool)
    flags[identifier] = bad[joined[position]]
    return flags & joins_several


def _trusted(references: pd.Series, namespaces: Sequence[str]) -> list[Flags]:
    return [references.str.startswith(f"{name}:").to_numpy(dtype=bool) for name in namespaces]


def _distinct(group: Codes, value: Codes, groups: int) -> Codes:
    """Return how many distinct values each of `groups` groups has."""
    width = int(value.max(initial=0)) + 1
    pairs = np.unique(group * width + value)
    return np.bincount(pairs // width, minlength=groups)


def _settled(label: Codes, links: pd.DataFrame, reasons: Mapping[str, npt.NDArray[np.str_]]) -> Resolution:
    """Give each identifier to the one customer it belongs to; the others are shared."""
    import pandas as pd

    owned, shared = [], []
    for kind, reason in reasons.items():
        of_kind = links[links["identifier_type"] == kind]
        identifier, names = of_kind["identifier"].factorize()
        position = of_kind["position"].to_numpy(np.int64)
        single = _distinct(identifier, label[position], len(names)) == 1
        component = np.empty(len(names), dtype=np.int64)
        component[identifier] = label[position]
        references = _distinct(identifier, position, len(names))
        table = pd.DataFrame({"identifier_type": kind, "identifier": names})
        owned.append(table.assign(component=component)[single])
        shared.append(table.assign(customer_refs=references, reason=reason)[~single])
    return Resolution(label, pd.concat(owned, ignore_index=True), pd.concat(shared, ignore_index=True))
