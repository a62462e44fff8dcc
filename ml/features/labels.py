"""Build the labels of one point in time, only where their window has closed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ml.config import did_you_mean
from ml.errors import ConfigError, NotEnoughData
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

TABLES = {
    "churn": "churn_labels",
    "clv": "clv_labels",
    "propensity": "propensity_labels",
    "offer_response": "offer_labels",
}


def build_labels(
    kind: str,
    as_of: str | AsOf,
    horizon_days: int,
    *,
    data_end: str | AsOf,
    active_window_days: int | None = None,
    targets: Sequence[str] = (),
    warehouse: Warehouse | None = None,
) -> dict[str, Any]:
    """Replace the label partitions of `as_of` and `horizon_days`; return table, as_of and rows.

    Args:
        kind: churn, clv, propensity or offer_response.
        as_of: start of the window `[as_of, as_of + horizon_days x 86,400 s)`.
        horizon_days: length of the window.
        data_end: up to when the data are known (exclusive): the `as_of` of the run.
        active_window_days: churn only: who ordered in so many days before `as_of` is asked about.
        targets: propensity only: departments or categories, as `customer_order_lines` names them.
        warehouse: where to build; default: the settings'.

    Raises:
        NotEnoughData: the window ends after `data_end`, so that nobody can know the label yet.
        ConfigError: an unknown kind, or an argument that the kind needs is absent.
    """
    at, end = parse_as_of(as_of), parse_as_of(data_end)
    _check_closed(kind, at, horizon_days, end)
    name, house = _table(kind), warehouse or Warehouse()
    rows = sum(
        house.run_table(name, {"as_of": at, "horizon_days": horizon_days, **extra}).rows
        for extra in _partitions(kind, active_window_days, targets)
    )
    return {"table": name, "as_of": str(at), "rows": rows}


def _table(kind: str) -> str:
    if kind not in TABLES:
        raise ConfigError(f"There is no kind of label {kind!r}{did_you_mean(kind, TABLES)}")
    return TABLES[kind]


def _partitions(kind: str, active_window_days: int | None, targets: Sequence[str]) -> list[dict[str, Any]]:
    if kind == "churn":
        if not active_window_days or active_window_days < 1:
            raise ConfigError("churn labels need active_window_days of at least 1: who is asked about?")
        return [{"active_window_days": active_window_days}]
    if kind == "propensity":
        if not targets:
            raise ConfigError("propensity labels need targets: departments or categories to buy from")
        return [{"target": target} for target in targets]
    return [{}]


def _check_closed(kind: str, at: AsOf, horizon_days: int, end: AsOf) -> None:
    if horizon_days < 1:
        raise ConfigError(f"{kind} labels: horizon_days is {horizon_days}; a window has at least one day")
    if at.plus(horizon_days) > end:
        raise NotEnoughData(
            f"{kind} labels at {at}: the window of {horizon_days} days ends {at.plus(horizon_days)}, after the data "
            f"({end}). Use an as_of no later than {end.minus(horizon_days)}, or a shorter horizon."
        )
