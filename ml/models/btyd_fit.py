"""What the buy-till-you-die models share: reading histories, and climbing to the likelihood's top."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from ml.errors import ImpossibleData, NotConverged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike
    from scipy.optimize import OptimizeResult

    from ml.models.btyd_likelihood import Distinct
    from ml.models.metrics import Array

    Likelihood = Callable[[Array, Distinct], tuple[float, Array]]

log = logging.getLogger(__name__)

_FURTHEST = 14.0  # parameters stay within exp(-14) and exp(14), about a millionth and a million, of their scale
_FLAT = 1e-5  # steepest slope of a top: a thousandth of a parameter, or less
_REMEDY = "Rebuild the summary with ml.models.purchases.purchase_summary"


@dataclass(frozen=True)
class Top:
    """Where a likelihood is highest, and how the search for it ended.

    Args:
        params: by name, in the units of the data.
        report: customers, distinct rows, iterations, evaluations, the steepest slope that is left, and the names of
            parameters that ran to the edge of what is allowed.
    """

    params: dict[str, float]
    report: dict[str, int | float | list[str]]


def histories(**columns: ArrayLike) -> dict[str, Array]:
    """Return the columns as float64 arrays of one length.

    Raises `ImpossibleData` for missing values, negative ones, and a recency that contradicts frequency or T; it counts
    the rows and names the first.
    """
    found = dict(zip(columns, np.broadcast_arrays(*(_floats(c) for c in columns.values())), strict=True))
    for name, values in found.items():
        _refuse(~np.isfinite(values), f"{name} is missing or infinite")
        _refuse(values < 0, f"{name} is below 0")
    if "recency" in found:
        _refuse(found["recency"] > found["T"], "recency is longer than T, the time since the first purchase")
        _refuse(
            (found["frequency"] == 0) & (found["recency"] > 0), "recency is above 0, but there is no repeat purchase"
        )
    return found


def _floats(values: ArrayLike) -> Array:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def _refuse(wrong: Array, what: str) -> None:
    if wrong.any():
        raise ImpossibleData(
            f"{what} in {int(wrong.sum())} of {len(wrong)} rows (first: row {wrong.argmax()}). {_REMEDY}"
        )


def maximise(
    name: str,
    likelihood: Likelihood,
    seen: Distinct,
    start: Mapping[str, float],
    *,
    units: Mapping[str, float],
    penalty: float,
) -> Top:
    """Climb from `start` to the top of a mean log-likelihood, less `penalty` times the squared log parameters' sum.

    Args:
        name: of the model, for messages.
        likelihood: of log parameters; returns its value and gradient.
        seen: the customers, scaled to about 1.
        start: parameters to begin with, by name, on the same scale.
        units: what to multiply parameters by for the units of the data.
        penalty: 0 gives the maximum likelihood; more pulls every parameter towards 1 on the scale of `seen`.

    Raises `NotConverged` when the search ends on a slope; logs a warning when a parameter ran to its edge.
    """

    def downhill(log_params: Array) -> tuple[float, Array]:
        value, gradient = likelihood(log_params, seen)
        return penalty * float(log_params @ log_params) - value, 2 * penalty * log_params - gradient

    end = minimize(
        downhill,
        np.log(list(start.values())),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_FURTHEST, _FURTHEST)] * len(start),
        options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 1_000},
    )
    slope = float(np.abs(np.clip(end.x - end.jac, -_FURTHEST, _FURTHEST) - end.x).max())
    if not slope <= _FLAT:
        raise NotConverged(
            f"{name}: the search ended on a slope of {slope:.1g} after {end.nit} steps ({end.message}), parameters "
            f"{dict(zip(start, np.exp(end.x).round(6).tolist(), strict=True))}. Give it a penalty (0.001), more "
            "customers or a longer history."
        )
    edges = [param for param, at in zip(start, end.x, strict=True) if abs(at) > _FURTHEST - 1e-3]
    if edges:
        log.warning("%s: %s ran to the edge of what is allowed; a penalty (0.001) would hold it back", name, edges)
    params = {param: float(np.exp(at)) * units.get(param, 1.0) for param, at in zip(start, end.x, strict=True)}
    return Top(params, _report(seen, end, slope, edges))


def _report(seen: Distinct, end: OptimizeResult, slope: float, edges: list[str]) -> dict[str, int | float | list[str]]:
    return {
        "customers": int(seen.customers),
        "distinct_rows": len(seen.weight),
        "iterations": int(end.nit),
        "evaluations": int(end.nfev),
        "slope": slope,
        "at_edge": edges,
    }
