"""Build the labels of one point in time, only where their window has closed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ml.config import did_you_mean
from ml.errors import ConfigError, NotEnoughData
from ml.features.targets import Target, by_kind
from ml.times import DAY, AsOf, parse_as_of
from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

TABLES = {
    "churn": "churn_labels",
    "clv": "clv_labels",
    "propensity": "propensity_labels",
    "offer_response": "offer_labels",
    "survival": "survival_labels",
}


def build_labels(
    kind: str,
    as_of: str | AsOf,
    horizon_days: int,
    *,
    data_end: str | AsOf,
    active_window_days: int | None = None,
    family: str | None = None,
    targets: Sequence[Target] = (),
    follow_days: int | None = None,
    warehouse: Warehouse | None = None,
) -> dict[str, Any]:
    """Replace the label partition of `as_of` and `horizon_days`; return table, as_of and rows.

    Args:
        kind: churn, clv, propensity or offer_response.
        as_of: start of the window `[as_of, as_of + horizon_days x 86,400 s)`.
        horizon_days: length of the window.
        data_end: up to when the data are known (exclusive): the `as_of` of the run.
        active_window_days: churn only: who ordered in so many days before `as_of` is asked about.
        family: propensity only: the model file that lists the targets, by its name.
        targets: propensity only: all targets of that file; they share one pass over the data.
        follow_days: survival only: for how long a customer is followed at most; what `data_end` cuts off is unknown.
        warehouse: where to build; default: the settings'.

    Raises:
        NotEnoughData: the window ends after `data_end`, so that nobody can know the label yet.
        ConfigError: an unknown kind, or an argument that the kind needs is absent.
    """
    at, end = parse_as_of(as_of), parse_as_of(data_end)
    _check_closed(kind, at, horizon_days, end)
    name, house = _table(kind), warehouse or Warehouse()
    part, params = _asked(kind, active_window_days, family, targets)
    if kind == "survival":
        params = {"observed_days": min(follow_days or horizon_days, (end.epoch - at.epoch) // DAY)}
    rows = house.run_table(name, {"as_of": at, "horizon_days": horizon_days, **part}, **params).rows
    return {"table": name, "as_of": str(at), "rows": rows}


def _table(kind: str) -> str:
    if kind not in TABLES:
        raise ConfigError(f"There is no kind of label {kind!r}{did_you_mean(kind, TABLES)}")
    return TABLES[kind]


def _asked(
    kind: str, active_window_days: int | None, family: str | None, targets: Sequence[Target]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what else names the partition, and the parameters of the query."""
    if kind == "churn":
        if not active_window_days or active_window_days < 1:
            raise ConfigError("churn labels need active_window_days of at least 1: who is asked about?")
        return {"active_window_days": active_window_days}, {}
    if kind == "propensity":
        if not targets or not family:
            raise ConfigError("propensity labels need targets, and the name of the file that lists them")
        return {"family": family}, {"targets": by_kind(targets)}
    return {}, {}


def _check_closed(kind: str, at: AsOf, horizon_days: int, end: AsOf) -> None:
    if horizon_days < 1:
        raise ConfigError(f"{kind} labels: horizon_days is {horizon_days}; a window has at least one day")
    if at.plus(horizon_days) > end:
        raise NotEnoughData(
            f"{kind} labels at {at}: the window of {horizon_days} days ends {at.plus(horizon_days)}, after the data "
            f"({end}). Use an as_of no later than {end.minus(horizon_days)}, or a shorter horizon."
        )
