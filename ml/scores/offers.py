"""Which offer suits a customer best: the targets of each propensity file, ranked for every customer at once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ml.models.spec import load_specs
from ml.sql import table
from ml.times import parse_as_of
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.models.spec import ModelSpec
    from ml.times import AsOf

log = logging.getLogger(__name__)

_QUERY = "5_scores/queries/ranked_offers.sql"
_RANKED = ("offer_rank", "offer_lift")


def rank_offers(
    as_of: str | AsOf, *, warehouse: Warehouse | None = None, scores: str = "customer_scores"
) -> dict[str, Any]:
    """Write into `customer_scores`, or another table of `scores`, the place of each target among the customer's.

    Only targets of the same file are compared.

    Ranks the models that have scored at `as_of`, whichever these are; running it again changes nothing. Returns
    as_of and, by model file, the rows that were ranked.
    """
    at, house = parse_as_of(as_of), warehouse or Warehouse()
    columns = [name for name in table(scores).column_names if name not in _RANKED]
    found = {}
    for family, specs in _families().items():
        models = [spec.name for spec in specs]
        by = "offer_lift" if specs[0].rank_by == "lift" else "score"
        run = house.rewrite(
            scores,
            _QUERY,
            {"as_of": at.at, "model": models},
            scores=scores,
            as_of=at,
            models=models,
            columns=columns,
            rank_by=by,
        )
        found[family] = run.rows
    log.info("offers ranked at %s: %s", at, found)
    return {"as_of": str(at), "ranked": found}


def _families() -> dict[str, Sequence[ModelSpec]]:
    """Return the models of each file with targets, by the file's name."""
    families: dict[str, list[ModelSpec]] = {}
    for spec in load_specs().values():
        if spec.family:
            families.setdefault(spec.family, []).append(spec)
    return dict(families)
