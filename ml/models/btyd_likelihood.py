"""Log-likelihoods of the buy-till-you-die models and their gradients, for the logarithms of the parameters.

Each returns the mean over customers and its gradient. All is added up as logarithms: a weekly buyer's likelihood is
smaller than the smallest float.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaln, digamma, gammaln

from ml.models.btyd_integral import lifetimes

if TYPE_CHECKING:
    from ml.models.metrics import Array


@dataclass(frozen=True, eq=False)
class Distinct:
    """Customers' rows without their repetitions: columns of shape (rows,), and how many customers share each row."""

    columns: tuple[Array, ...]
    weight: Array

    @property
    def customers(self) -> float:
        """How many customers there are."""
        return float(self.weight.sum())

    @cached_property
    def levels(self) -> tuple[Array, Array]:
        """The values of the first column and how many customers have each."""
        values, index = np.unique(self.columns[0], return_inverse=True)
        return values, np.asarray(np.bincount(index, self.weight), dtype=np.float64)


def distinct(*columns: Array) -> Distinct:
    """Return the rows of the columns without their repetitions."""
    order = np.lexsort(columns)
    rows = np.column_stack(columns)[order]
    starts = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)])
    weight = np.diff(np.r_[starts, len(rows)]).astype(np.float64)
    return Distinct(tuple(np.ascontiguousarray(column) for column in rows[starts].T), weight)


def beta_geo_nbd(log_params: Array, seen: Distinct) -> tuple[float, Array]:
    """Return the BG/NBD's for (r, alpha, a, b): equation 6 of Fader, Hardie and Lee 2005.

    `seen` holds frequency, recency and T.
    """
    r, alpha, a, b = params = np.exp(log_params)
    (x, recency, age), weight = seen.columns, seen.weight
    alive = -(r + x) * np.log(alpha + age)
    either = np.logaddexp(alive, log_gone(params, x) - (r + x) * np.log(alpha + recency))
    gone = -np.expm1(alive - either)
    log_time = (1 - gone) * np.log(alpha + age) + gone * np.log(alpha + recency)
    rate = (1 - gone) / (alpha + age) + gone / (alpha + recency)
    n, counts = seen.levels
    value = weight @ either + counts @ (_purchases(n, r, log_params[1]) + betaln(a, b + n) - betaln(a, b))
    shared = digamma(a + b) - digamma(a + b + n)
    gradient = [
        counts @ (digamma(r + n) - digamma(r) + log_params[1]) - weight @ log_time,
        counts.sum() * r / alpha - weight @ ((r + x) * rate),
        counts @ shared + weight @ gone / a,
        counts @ (shared + digamma(b + n) - digamma(b)) - weight @ (gone / np.where(x > 0, b + x - 1, 1.0)),
    ]
    return float(value) / seen.customers, np.array(gradient) * params / seen.customers


def log_gone(params: Array, frequency: Array) -> Array:
    """Return log(a / (b + x - 1)), the BG/NBD's odds of leaving at the last purchase; -inf without a repeat."""
    _, _, a, b = params
    odds = a / np.where(frequency > 0, b + frequency - 1, np.inf)
    return np.asarray(np.log(odds, out=np.full(odds.shape, -np.inf), where=odds > 0), dtype=np.float64)


def pareto_nbd(log_params: Array, seen: Distinct) -> tuple[float, Array]:
    """Return the Pareto/NBD's for (r, alpha, s, beta): Schmittlein, Morrison and Colombo 1987.

    `seen` holds frequency, recency and T.
    """
    r, alpha, s, beta = params = np.exp(log_params)
    (x, recency, age), weight = seen.columns, seen.weight
    left = lifetimes(params, x, recency, age)
    alive = -(r + x) * np.log(alpha + age) - s * np.log(beta + age)
    either = np.logaddexp(alive, left.log_total)
    gone = np.exp(left.log_total - either)
    n, counts = seen.levels
    customers = seen.customers
    value = weight @ either + counts @ _purchases(n, r, log_params[1]) + customers * s * log_params[3]
    log_buying = (1 - gone) * np.log(alpha + age) + gone * left.log_buying
    log_leaving = (1 - gone) * np.log(beta + age) + gone * left.log_leaving
    gradient = [
        counts @ (digamma(r + n) - digamma(r) + log_params[1]) - weight @ log_buying,
        customers * r / alpha - weight @ ((r + x) * ((1 - gone) / (alpha + age) + gone * left.buying)),
        customers * log_params[3] - weight @ log_leaving + weight @ gone / s,
        customers * s / beta - weight @ ((1 - gone) * s / (beta + age) + gone * (s + 1) * left.leaving),
    ]
    return float(value) / customers, np.array(gradient) * params / customers


def gamma_gamma(log_params: Array, seen: Distinct) -> tuple[float, Array]:
    """Return the Gamma-Gamma's for (p, q, v): equation 1a of Fader and Hardie 2013.

    `seen` holds frequency and the mean amount of a purchase, both above 0.
    """
    p, q, v = params = np.exp(log_params)
    (x, mean), weight = seen.columns, seen.weight
    log_spread = np.log(v + x * mean)
    log_share = np.log(x * mean) - log_spread
    value = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * (log_params[2] - log_spread)
    value += p * x * log_share - np.log(mean)
    rising = digamma(p * x + q)
    gradient = [
        weight @ (x * (rising - digamma(p * x) + log_share)),
        weight @ (rising - digamma(q) + log_params[2] - log_spread),
        weight @ (q / v - (p * x + q) / (v + x * mean)),
    ]
    return float(weight @ value) / seen.customers, np.array(gradient) * params / seen.customers


def _purchases(frequency: Array, r: float, log_alpha: float) -> Array:
    return np.asarray(gammaln(r + frequency) - gammaln(r) + r * log_alpha, dtype=np.float64)
