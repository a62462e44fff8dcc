"""A model judged group by group: by country, device, lifecycle stage, value, and whatever is marked sensitive.

Attributes are read by customer_key for judging only; a model does not see them, and nothing of a single customer
leaves here. Groups below the least size are put together as `fewer than ...`.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.models.metrics import PROBABILITY, VALUE, Predicted, jackknife_error, measure
from ml.models.spec_evaluation import source_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.models.dataset import Snapshot
    from ml.models.metrics import Array
    from ml.models.spec import ModelSpec
    from ml.warehouse import Warehouse

UNKNOWN = "unknown"
_BANDS, _MOST = 5, 12
_LEAST_OF_EACH = 10  # positives and negatives without which a group's ranking says nothing
_Z = NormalDist().inv_cdf(0.975)


def slice_table(spec: ModelSpec, seen: Snapshot, score: Array, contacted: NDArray[np.bool_], house: Warehouse) -> Any:
    """Return one row for each group of the test customers.

    Args:
        spec: whose `evaluation` names attributes and the least size.
        seen: the test snapshot.
        score: its calibrated scores, (customers,).
        contacted: who is among the share that marketing will contact, (customers,).
        house: where the attributes are read.

    Returns:
        A frame: attribute, sensitive, group, customers; predicted and actual means; gap, gap_low, gap_high
        (predicted minus actual, for cents as a share of the actual) and whether it is `clear` (its interval
        excludes 0, corrected for the number of groups); rank, rank_low, rank_high (AUC or Gini, NaN where too few);
        contacted (share of the group) and found (share of its outcome that the contacted hold, NaN where too few).
    """
    known, judged = read_attributes(spec, seen, house), spec.evaluation.attributes
    rows = [
        {"attribute": name, "sensitive": judged[name], "group": group}
        | _row(spec, Predicted(seen.label[at], score[at]), contacted[at])
        for name in known.columns
        for group, at in _groups(known[name], spec.evaluation.slice_customers)
    ]
    return _flagged(pd.DataFrame(rows)) if rows else pd.DataFrame()


def read_attributes(spec: ModelSpec, seen: Snapshot, house: Warehouse) -> pd.DataFrame:
    """Return the attributes of the snapshot's customers in their order; those that tell no two apart are left out."""
    parts = []
    for name in ("customer_features", "customer_profiles"):
        wanted = [attribute for attribute in spec.evaluation.attributes if source_of(attribute) == name]
        house.create(name)
        where = {"as_of": seen.as_of.at} if name == "customer_features" else {}
        rows = house.read(name, ["customer_key", *wanted], where)
        known = rows.set_index(rows.pop("customer_key").astype("int64"))
        parts.append(known.reindex(seen.keys).reset_index(drop=True))
    found = pd.concat(parts, axis=1)[list(spec.evaluation.attributes)]
    told = {name: _labels(found[name]) for name in found.columns}
    return pd.DataFrame({name: labels for name, labels in told.items() if len(set(labels)) > 1})


def _labels(values: pd.Series) -> pd.Series:
    """Return values as names of groups; a number with many values in fifths."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > _MOST:
        numbers = values.astype("float64")
        ends = numbers.groupby(pd.qcut(numbers, _BANDS, labels=False, duplicates="drop")).transform
        spans = ends("min").map("{:g}".format) + " to " + ends("max").map("{:g}".format)
        return spans.where(values.notna(), UNKNOWN)
    whole = values.astype("Int64") if pd.api.types.is_float_dtype(values) else values
    return whole.astype(object).where(values.notna(), UNKNOWN).astype(str)


def _groups(labels: pd.Series, least: int) -> list[tuple[str, NDArray[np.intp]]]:
    """Return positions by group, those below `least` together; no group where that leaves fewer than two."""
    sizes = labels.value_counts()
    common = sizes.index[sizes >= least].tolist()[:_MOST]
    few = len(sizes) - len(common)
    rest = f"{few} smaller group{'' if few == 1 else 's'}"
    named = labels.where(labels.isin(common), rest)
    order = [*sorted(name for name in common if name != UNKNOWN), rest, UNKNOWN]
    found = [(name, np.flatnonzero(named == name)) for name in order]
    kept = [(name, at) for name, at in found if len(at) >= least]
    return kept if len(kept) > 1 else []


def _row(spec: ModelSpec, p: Predicted, contacted: NDArray[np.bool_]) -> dict[str, Any]:
    enough = int((p.actual > 0).sum()) >= _LEAST_OF_EACH
    return {
        "customers": len(p.score),
        "predicted": float(p.score.mean()),
        "actual": float(p.actual.mean()),
        **_gap(spec, p),
        **_rank(spec, p),
        "contacted": float(contacted.mean()),
        "found": float(p.actual[contacted].sum() / p.actual.sum()) if enough else float("nan"),
    }


def _gap(spec: ModelSpec, p: Predicted) -> dict[str, float]:
    """Return predicted minus actual with its 95% interval.

    For probabilities the error is what chance leaves if they hold: in a small group without a positive, the spread of
    what happened says nothing.
    """
    off, unit = p.score - p.actual, float(p.actual.mean()) if spec.kind == "cents" else 1.0
    spread = float(off.std()) if spec.kind == "cents" else float(np.sqrt((p.score * (1 - p.score)).mean()))
    gap, error = (float(off.mean()) / unit, spread / len(off) ** 0.5 / unit) if unit else (float("nan"), float("nan"))
    return {"gap": gap, "gap_low": gap - _Z * error, "gap_high": gap + _Z * error}


def _rank(spec: ModelSpec, p: Predicted) -> dict[str, float]:
    positives = int((p.actual > 0).sum())
    if min(positives, len(p.actual) - positives if spec.kind == "probability" else positives) < _LEAST_OF_EACH:
        return dict.fromkeys(("rank", "rank_low", "rank_high"), float("nan"))
    metric = (PROBABILITY | VALUE)[spec.primary]
    value, error = measure(p, {"rank": metric})["rank"], jackknife_error(p, metric)
    return {"rank": value, "rank_low": value - _Z * error, "rank_high": min(1.0, value + _Z * error)}


def _flagged(rows: pd.DataFrame) -> pd.DataFrame:
    """Mark gaps that chance would hardly leave in any of so many groups (Bonferroni at 5%)."""
    bound = NormalDist().inv_cdf(1 - 0.025 / len(rows))
    errors = (rows["gap_high"] - rows["gap_low"]) / (2 * _Z)
    return rows.assign(clear=rows["gap"].abs() > bound * errors)
