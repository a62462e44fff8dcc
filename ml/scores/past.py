"""What each model would have expected at a past point in time, had it learnt from what was known then alone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from ml.errors import FatalError
from ml.models import dataset, registry, snapshots
from ml.models.fit import fit_candidates
from ml.models.search import as_written
from ml.models.spec import load_specs
from ml.models.train import code_hash
from ml.scores.batch import expectations, ranked
from ml.scores.offers import rank_offers
from ml.settings import settings

if TYPE_CHECKING:
    from ml.models.spec import ModelSpec
    from ml.times import AsOf
    from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

TABLE = "backtest_scores"
_COLUMNS = ("customer_key", "as_of", "model", "model_version", "score", "percentile", "offer_rank")


@dataclass(frozen=True)
class PastScores:
    """Rows of `customer_scores` as they would have been, and why there are none of other scores, by their name."""

    rows: pa.Table
    missing: Mapping[str, str]


def past_scores(
    names: Collection[str], at: AsOf, until: AsOf, warehouse: Warehouse, *, offers: Collection[str] = ()
) -> PastScores:
    """Return what was expected at `at` by those models whose scores are named.

    Scores that were given then by a version that had learnt no later are taken as they are. Else the model is fitted
    again as of `at`: the values of its file without a search, the candidate that ranks best on the calibration
    snapshot of then. These scores are kept in `backtest_scores`, and made again when what they rest on has changed.

    Args:
        names: scores, as segments name them.
        at: the past point in time.
        until: up to when rows are loaded.
        warehouse: where everything is.
        offers: those of the scores whose place among a customer's offers is needed, too.
    """
    families = {spec.family for name, spec in load_specs().items() if name in offers}
    tables, missing = dict[str, str](), dict[str, str]()
    for spec in load_specs().values():
        if spec.family in families or {*spec.score_names} & {*names}:
            try:
                source = _source(spec, at, until, warehouse, anew=spec.family in families)
                tables |= dict.fromkeys(spec.score_names, source)
            except FatalError as error:
                log.warning("%s is not known at %s: %s", spec.name, at, error)
                missing |= dict.fromkeys(spec.score_names, str(error))
    if families:
        rank_offers(at, warehouse=warehouse, scores=TABLE)
    return PastScores(_read(tables, at, warehouse), missing)


def _source(spec: ModelSpec, at: AsOf, until: AsOf, house: Warehouse, *, anew: bool) -> str:
    """Return the table that has the scores, after making them where they were not given then."""
    if not anew and _given_then(spec, at, house):
        return "customer_scores"
    part = snapshots.Part(f"{TABLE} {spec.name}", _recipe(spec), lambda _: _refit(spec, at, until, house), TABLE)
    snapshots.build_stale([part], [at], at, house)
    return TABLE


def _given_then(spec: ModelSpec, at: AsOf, house: Warehouse) -> bool:
    """Whether the scores at `at` are those of a version that had learnt nothing later."""
    given = house.read_arrow("customer_scores", ["model_version"], {"as_of": at, "model": spec.score_name})
    versions = [registry.version(spec.name, number) for number in given["model_version"].unique().to_pylist()]
    learnt = [version.tags.get("as_of") for version in versions if version is not None]
    return bool(versions) and len(learnt) == len(versions) and all(to is not None and to <= str(at) for to in learnt)


def _recipe(spec: ModelSpec) -> str:
    """Return all that decides the scores besides the data: file, code, seed, and how features and labels are made."""
    file = spec.model_dump_json(exclude={"description", "siblings", "rank_by", "search", "evaluation"})
    made = [snapshots.definitions(stage) for stage in ("3_features", "4_labels")]
    return "".join([file, code_hash(), str(settings().seed), *made])


def _refit(spec: ModelSpec, at: AsOf, until: AsOf, house: Warehouse) -> None:
    """Fit a model as of `at`, and write what it expects of the customers of then."""
    chosen = snapshots.choose(spec, at, house)
    snapshots.ensure(spec, chosen, at, house, loaded_until=until)
    snapshots.ensure_features([at], until, house)
    snapshots.ensure_history(spec, at, house, loaded_until=until)
    fitted = fit_candidates(spec, dataset.load(spec, chosen, house), as_written(spec))
    features = dataset.read_features(house, spec, at, fitted.scorer.features, spec.population).sort_index()
    none = pa.chunked_array([pa.repeat("[]", len(features))])
    for name, scores in expectations(spec, fitted.scorer, features).items():
        rows = ranked(features.index.to_numpy(), scores, none, spec.kind, f"refit {fitted.chosen}")
        house.write(TABLE, rows.drop(["top_reasons"]), {"as_of": at, "model": name})
    log.info("%s fitted again as of %s: %s", spec.name, at, fitted.chosen)


def _read(tables: Mapping[str, str], at: AsOf, house: Warehouse) -> pa.Table:
    """Return the scores of each name from the table that has them."""
    found = [
        house.read_arrow(table, _COLUMNS, {"as_of": at, "model": [name for name in tables if tables[name] == table]})
        for table in dict.fromkeys((*tables.values(), TABLE))
    ]
    return pa.concat_tables(found, promote_options="permissive")
