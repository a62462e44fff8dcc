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
    from ml.models.fit import Fitted
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


class PastModels:
    """Gives the scores of past points in time, asked for in their order.

    Scores that were given then by a version that had learnt no later are taken as they are. Else the model is fitted
    again as of then: the values of its file without a search, the candidate that ranks best on the calibration snapshot
    of then. It serves as a champion would that nothing beats, until it is older than `gates.max_age_days`. These scores
    are kept in `backtest_scores`, and made again when what they rest on has changed.

    Args:
        warehouse: where everything is.
        until: up to when rows are loaded.
    """

    def __init__(self, warehouse: Warehouse, until: AsOf) -> None:
        self.warehouse, self.until = warehouse, until
        self._learnt: dict[str, AsOf] = {}
        self._fitted: dict[tuple[str, AsOf], Fitted] = {}

    def scores(self, names: Collection[str], at: AsOf, *, offers: Collection[str] = ()) -> PastScores:
        """Return what was expected at `at` by those models whose scores are named.

        `offers` are those of the scores whose place among a customer's offers is needed, too.
        """
        families = {spec.family for name, spec in load_specs().items() if name in offers}
        tables, missing = dict[str, str](), dict[str, str]()
        for spec in load_specs().values():
            if spec.family in families or {*spec.score_names} & {*names}:
                try:
                    source = self._source(spec, at, anew=spec.family in families)
                    tables |= dict.fromkeys(spec.score_names, source)
                except FatalError as error:
                    log.warning("%s is not known at %s: %s", spec.name, at, error)
                    missing |= dict.fromkeys(spec.score_names, str(error))
        if families:
            rank_offers(at, warehouse=self.warehouse, scores=TABLE)
        return PastScores(_read(tables, at, self.warehouse), missing)

    def _source(self, spec: ModelSpec, at: AsOf, *, anew: bool) -> str:
        """Return the table that has the scores, after making them where they were not given then."""
        if not anew and _given_then(spec, at, self.warehouse):
            return "customer_scores"
        learnt = self._learnt.get(spec.name, at)
        learnt = at if at > learnt.plus(spec.gates.max_age_days) else learnt
        part = snapshots.Part(
            f"{TABLE} {spec.name}", _recipe(spec, learnt), lambda _: self._score(spec, learnt, at), TABLE
        )
        snapshots.build_stale([part], [at], at, self.warehouse)
        self._learnt[spec.name] = learnt
        return TABLE

    def _score(self, spec: ModelSpec, learnt: AsOf, at: AsOf) -> None:
        """Write what a model that learnt until `learnt` expects of the customers at `at`."""
        if (spec.name, learnt) not in self._fitted:
            self._fitted[spec.name, learnt] = self._fit(spec, learnt)
        fitted, house = self._fitted[spec.name, learnt], self.warehouse
        snapshots.ensure_features([at], self.until, house)
        snapshots.ensure_history(spec, at, house, loaded_until=self.until)
        features = dataset.read_features(house, spec, at, fitted.scorer.features, spec.population).sort_index()
        none = pa.chunked_array([pa.repeat("[]", len(features))])
        version = f"refit {fitted.chosen} {learnt.at:%Y-%m-%d}"
        for name, scores in expectations(spec, fitted.scorer, features).items():
            rows = ranked(features.index.to_numpy(), scores, none, spec.kind, version)
            house.write(TABLE, rows.drop(["top_reasons"]), {"as_of": at, "model": name})

    def _fit(self, spec: ModelSpec, at: AsOf) -> Fitted:
        """Fit a model as of `at`."""
        chosen = snapshots.choose(spec, at, self.warehouse)
        snapshots.ensure(spec, chosen, at, self.warehouse, loaded_until=self.until)
        fitted = fit_candidates(spec, dataset.load(spec, chosen, self.warehouse), as_written(spec))
        log.info("%s fitted again as of %s: %s", spec.name, at, fitted.chosen)
        return fitted


def _given_then(spec: ModelSpec, at: AsOf, house: Warehouse) -> bool:
    """Whether the scores at `at` are those of a version that had learnt nothing later."""
    given = house.read_arrow("customer_scores", ["model_version"], {"as_of": at, "model": spec.score_name})
    versions = [registry.version(spec.name, number) for number in given["model_version"].unique().to_pylist()]
    learnt = [version.tags.get("as_of") for version in versions if version is not None]
    return bool(versions) and len(learnt) == len(versions) and all(to is not None and to <= str(at) for to in learnt)


def _recipe(spec: ModelSpec, learnt: AsOf) -> str:
    """Return all that decides scores besides the data: file, code, seed, when it learnt, how its data are made."""
    file = spec.model_dump_json(exclude={"description", "siblings", "rank_by", "search", "evaluation"})
    made = [snapshots.definitions(stage) for stage in ("3_features", "4_labels")]
    return "".join([file, code_hash(), str(settings().seed), str(learnt), *made])


def _read(tables: Mapping[str, str], at: AsOf, house: Warehouse) -> pa.Table:
    """Return the scores of each name from the table that has them."""
    found = [
        house.read_arrow(table, _COLUMNS, {"as_of": at, "model": [name for name in tables if tables[name] == table]})
        for table in dict.fromkeys((*tables.values(), TABLE))
    ]
    return pa.concat_tables(found, promote_options="permissive")
