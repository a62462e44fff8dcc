"""Batch scoring: what a model's champion expects of every customer in its population, and why."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.errors import FatalError
from ml.models import registry
from ml.models.dataset import read_features
from ml.models.snapshots import ensure_history
from ml.models.spec import model_spec
from ml.times import parse_as_of
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.models.metrics import Array
    from ml.models.records import Version
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec

log = logging.getLogger(__name__)

_ROWS = 100_000  # scored at once: bounds memory, not speed
# Threads may add up a forest's trees in any order; beyond this digit nothing is meant.
_DECIMALS = 9


def score_model(name: str, as_of: str, *, warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Replace the partition (as_of, model) of `customer_scores` with the champion's scores.

    A survival model fills one partition a horizon, `<name>_<days>d`. The place among a customer's offers stays empty
    until `rank_offers` has seen all of them.

    Returns name, version, as_of, rows (customers), the mean score and seconds.

    Raises:
        ConfigError: no such model.
        FatalError: the model has no champion yet.
        NotEnoughData: no features were built at `as_of`.
        RegistryUnavailable: MLflow does not answer.
    """
    started = time.perf_counter()
    spec, at, house = model_spec(name), parse_as_of(as_of), warehouse or Warehouse()
    champion = _champion(name, str(at))
    scorer = registry.load_scorer(champion)
    with house.held():
        ensure_history(spec, at, house)
        features = read_features(house, spec, at, scorer.features, spec.population).sort_index()
    found, reasons = expectations(spec, scorer, features), explanations(scorer, features)
    with house.held():
        for scored, values in found.items():
            rows = ranked(features.index.to_numpy(), values, reasons, spec.kind, champion.version)
            rows = _with_interval(rows, scorer.interval(values))
            house.write("customer_scores", rows, {"as_of": at, "model": scored})
    scores = found[spec.score_name]
    seconds = round(time.perf_counter() - started, 3)
    log.info("%s version %s at %s: %s customers in %.1f s", name, champion.version, at, f"{len(scores):,}", seconds)
    return {
        "name": name,
        "version": champion.version,
        "as_of": str(at),
        "rows": len(scores),
        "mean": float(scores.mean()) if len(scores) else None,
        "seconds": seconds,
    }


def _champion(name: str, as_of: str) -> Version:
    found = registry.champion(name)
    if found is None:
        raise FatalError(f"{name} has no champion: train it first (`make run DAG=train_models`)")
    if found.tags.get("as_of", "") > as_of:
        log.warning("%s: champion %s learnt until %s, after %s", name, found.version, found.tags["as_of"], as_of)
    return found


def expectations(spec: ModelSpec, scorer: Scorer, features: pd.DataFrame) -> dict[str, Array]:
    """Return calibrated scores, shape (rows,), under the names they are stored by."""
    if spec.survival_days:
        days = scorer.pipeline.days
        curves = np.concatenate([np.empty((0, len(days))), *map(scorer.pipeline.survival, _parts(features))])
        named = zip(days, np.round(curves, _DECIMALS).T, strict=True)
        return {spec.score_within(end): curve for end, curve in named}
    raw = np.concatenate([np.empty(0), *map(scorer.raw, _parts(features))])
    # Settled at once: amounts may follow a total that is expected of all customers together.
    scores = scorer.settle(raw, features) if len(raw) else raw
    return {spec.name: np.round(scores, _DECIMALS)}


def explanations(scorer: Scorer, features: pd.DataFrame) -> pa.ChunkedArray:
    """Return JSON lists of reasons, shape (rows,)."""
    return pa.chunked_array([scorer.explain(part) for part in _parts(features)], type=pa.string())


def _parts(features: pd.DataFrame) -> list[pd.DataFrame]:
    return [features.iloc[first : first + _ROWS] for first in range(0, len(features), _ROWS)]


def _with_interval(rows: pa.Table, ends: tuple[Array, Array] | None) -> pa.Table:
    low, high = ends or (pa.nulls(len(rows), pa.float64()),) * 2
    return rows.append_column("low", pa.array(low)).append_column("high", pa.array(high))


def ranked(keys: NDArray[np.int64], scores: Array, reasons: pa.ChunkedArray, kind: str, version: str) -> pa.Table:
    """Return rows of `customer_scores` without intervals: each score with its percentile and place among all."""
    count = len(scores)
    rank = np.empty(count, dtype=np.int64)
    rank[np.lexsort((keys, -scores))] = np.arange(1, count + 1)
    percentile = np.searchsorted(np.sort(scores), scores, side="right") / max(count, 1)
    return pa.table(
        {
            "customer_key": keys,
            "kind": pa.repeat(kind, count),
            "model_version": pa.repeat(version, count),
            "score": scores,
            "percentile": percentile,
            "rank": rank,
            "offer_rank": pa.nulls(count, pa.int64()),
            "offer_lift": pa.nulls(count, pa.float64()),
            "top_reasons": reasons,
        }
    )
