"""What the buy-till-you-die models share: reading histories, and climbing to the likelihood's top."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from ml.errors import ImpossibleData, NotConverged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray
    from scipy.optimize import OptimizeResult

    from ml.models.btyd_likelihood import Distinct
    from ml.models.metrics import Array

    Likelihood = Callable[[Array, Distinct], tuple[float, Array]]

log = logging.getLogger(__name__)

_FURTHEST = 9.0  # an axis runs from exp(-9) to exp(9), about 1/8,000 to 8,000: nobody sees a difference beyond
_FLAT = 1e-5  # the steepest slope that counts as a top; parameters are right to a thousandth there, or better
_REMEDY = "Rebuild the summary with ml.models.purchases.purchase_summary"


@dataclass(frozen=True)
class Axis:
    """A direction to search in: what it is, where to begin, and which logarithms of parameters move along it.

    Where customers hardly differ, two parameters grow without end and only their ratio counts: along such an axis the
    likelihood is flat, and across it as steep as elsewhere.
    """

    name: str
    start: float
    moves: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Top:
    """Where a likelihood is highest (parameters, each above 0), and how the search for it ended.

    The report holds customers, distinct_rows, iterations, evaluations, slope (the steepest that is left) and at_edge
    (names of axes that ran to the end of what is allowed).
    """

    params: Array
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


def _refuse(wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        raise ImpossibleData(
            f"{what} in {int(wrong.sum())} of {len(wrong)} rows (first: row {wrong.argmax()}). {_REMEDY}"
        )


def maximise(name: str, likelihood: Likelihood, seen: Distinct, axes: Sequence[Axis], penalty: float) -> Top:
    """Climb to the top of a mean log-likelihood, less `penalty` times the sum of the squared log parameters.

    Args:
        name: of the model, for messages.
        likelihood: of the logarithms of the parameters; returns value and gradient.
        seen: the customers, measured in units that make them about 1.
        axes: as many as there are parameters.
        penalty: 0 gives the maximum likelihood; more pulls every parameter towards 1 in those units.

    Raises `NotConverged` when the search ends on a slope; logs a warning when an axis ran to its end.
    """
    turned = np.array([axis.moves for axis in axes], dtype=np.float64)

    def downhill(position: Array) -> tuple[float, Array]:
        log_params = position @ turned
        value, gradient = likelihood(log_params, seen)
        return penalty * float(log_params @ log_params) - value, turned @ (2 * penalty * log_params - gradient)

    # its matrices are of four rows: waking threads for them takes ten times as long as the fit
    with threadpool_limits(1, "blas"):
        end = minimize(
            downhill,
            np.log([axis.start for axis in axes]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-_FURTHEST, _FURTHEST)] * len(axes),
            options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 1_000},
        )
    return Top(np.exp(end.x @ turned), _judged(name, end, axes, seen))


def _judged(name: str, end: OptimizeResult, axes: Sequence[Axis], seen: Distinct) -> dict[str, int | float | list[str]]:
    """Return the report of a search that ended on a top; `scipy` calls some of them failures, and some slopes tops."""
    slope = float(np.abs(np.clip(end.x - end.jac, -_FURTHEST, _FURTHEST) - end.x).max())
    edges = [axis.name for axis, at in zip(axes, end.x, strict=True) if abs(at) > _FURTHEST - 1e-3]
    if not slope <= _FLAT:
        raise NotConverged(
            f"{name}: the search over {int(seen.customers)} customers ended on a slope of {slope:.1g} after {end.nit} "
            f"steps ({end.message}). Give it a penalty (0.001), more customers or a longer history"
        )
    if edges:
        log.warning(
            "%s: %s ran to the end of what is allowed: nobody differs in it, or it hardly ever happens. Predictions "
            "are those of that limit; a penalty (0.001) holds the parameters back",
            name,
            " and ".join(edges),
        )
    return {
        "customers": int(seen.customers),
        "distinct_rows": len(seen.weight),
        "iterations": int(end.nit),
        "evaluations": int(end.nfev),
        "slope": slope,
        "at_edge": edges,
    }
