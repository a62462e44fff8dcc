"""The integrals behind the Gaussian hypergeometric functions of the published formulae.

Those functions overflow for regular buyers and give NaN where nearly nobody leaves, and their differences cancel.
The integrals are of smooth and positive functions, and one gives its gradient with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainccinv, betaincinv, expit

if TYPE_CHECKING:
    from ml.models.metrics import Array

# Gauss-Legendre nodes and weights between 0 and 1: for functions that are smooth all the way.
_NODES, _WEIGHTS = (np.polynomial.legendre.leggauss(32) + np.array([[1], [0]])) / 2
_NEGLIGIBLE = 40.0  # the integrand counts until it has fallen by exp(-40)
_CHUNK = 20_000  # rows at once: some MB a temporary
# Tanh-sinh nodes between 0 and 1, their distance from 1, and weights: for functions that are steep at either end.
_STEPS = np.linspace(-3, 3, 48)
_FROM_0, _FROM_1 = expit(np.pi * np.sinh(_STEPS)), expit(-np.pi * np.sinh(_STEPS))
_SHARES = np.cosh(_STEPS) * _FROM_0 * _FROM_1 / np.sum(np.cosh(_STEPS) * _FROM_0 * _FROM_1)


@dataclass(frozen=True, eq=False)
class Lifetimes:
    """The log of the integral, and means over the time of leaving, each of shape (rows,).

    With that time as t: log(alpha + t), 1 / (alpha + t), log(beta + t), 1 / (beta + t).
    """

    log_total: Array
    log_buying: Array
    buying: Array
    log_leaving: Array
    leaving: Array


def lifetimes(params: Array, frequency: Array, recency: Array, age: Array) -> Lifetimes:
    """Integrate s (alpha + t)^-(r + x) (beta + t)^-(s + 1) over t from recency to age.

    Gauss and Legendre's 32 nodes over log(min(alpha, beta) + t), where the integrand has no pole near.

    Args:
        params: r, alpha, s, beta.
        frequency: x, shape (rows,).
        recency: from where, shape (rows,).
        age: to where, shape (rows,).
    """
    parts = [
        _integrate(params, *(column[start : start + _CHUNK] for column in (frequency, recency, age)))
        for start in range(0, len(age), _CHUNK)
    ]
    return Lifetimes(*np.concatenate(parts, axis=1))


def _integrate(params: Array, x: Array, recency: Array, age: Array) -> Array:
    r, alpha, s, beta = params
    nearest = min(alpha, beta)
    width = _width(params, x, recency, age)
    log_time = np.log(nearest + recency)[:, None] + width[:, None] * _NODES
    time = np.exp(log_time) - nearest
    log_buying, log_leaving = np.log(alpha + time), np.log(beta + time)
    pieces = log_time - (r + x)[:, None] * log_buying - (s + 1) * log_leaving
    highest = pieces.max(axis=1)
    pieces = np.exp(pieces - highest[:, None])
    total = pieces @ _WEIGHTS
    means = [(pieces * of) @ _WEIGHTS for of in (log_buying, 1 / (alpha + time), log_leaving, 1 / (beta + time))]
    return np.stack([highest + np.log(total) + np.log(s * width), *(mean / total for mean in means)])


def _width(params: Array, x: Array, recency: Array, age: Array) -> Array:
    """Return how far to integrate over the logarithm: less than all where what is left out is nothing."""
    r, alpha, s, beta = params
    nearest = min(alpha, beta)
    width = np.log1p((age - recency) / (nearest + recency))
    fall = (nearest + recency) * ((r + x) / (alpha + recency) + (s + 1) / (beta + recency)) - 1
    # never 0: a customer who bought on the last day leaves in no time, and the logarithm stays finite
    enough = np.where(fall > 0, _NEGLIGIBLE / np.maximum(fall, 1e-9), np.inf)
    return np.asarray(np.clip(width, 1e-300, enough), dtype=np.float64)


def purchases_while_alive(params: Array, horizon: float, frequency: Array, age: Array) -> Array:
    """Return a BG/NBD customer's expected purchases in `horizon`, given alive at `age`: shape (rows,).

    They are (1 - (1 + p w)^-(r + x)) / p for a known probability p of leaving at a purchase, with w = horizon /
    (alpha + T). Over p, by then beta (a, b + x), that is what would be bought if nobody left, (r + x) w, less the share
    a / (a + b + x) of what leaving costs, averaged over beta (a + 1, b + x): nothing is steep even where a is almost 0.
    Equation 10 of Fader, Hardie and Lee 2005 is the closed form.
    """
    r, alpha, a, b = params
    levels, level = np.unique(frequency, return_inverse=True)
    leaving = _beta_nodes(a + 1, b + levels)
    forever = (r + frequency) * horizon / (alpha + age)
    cost = np.empty(len(age))
    for start in range(0, len(age), _CHUNK):
        rows = slice(start, start + _CHUNK)
        p, stretch = leaving[level[rows]], (horizon / (alpha + age[rows]))[:, None]
        bought = -np.expm1(-(r + frequency[rows])[:, None] * np.log1p(stretch * p)) / p
        cost[rows] = ((forever[rows, None] - bought) / p) @ _SHARES
    return np.asarray(forever - a / (a + b + frequency) * cost, dtype=np.float64)


def _beta_nodes(a: float, b: Array) -> Array:
    """Return the beta distribution's quantiles at the nodes, shape (len(b), nodes); never 0."""
    nodes = np.where(_FROM_0 < 0.5, betaincinv(a, b[:, None], _FROM_0), betainccinv(a, b[:, None], _FROM_1))
    return np.asarray(np.maximum(nodes, 1e-300), dtype=np.float64)
