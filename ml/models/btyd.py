"""Buy till you die: purchases and spend of customers who leave without a word.

Time may be in any unit, the same in `recency`, `T` and `horizon`; `alpha` and `beta` come out in it. Histories come
from `ml.models.purchases.purchase_summary`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import expit, exprel
from sklearn.utils.validation import check_is_fitted

from ml.errors import ImpossibleData, NotEnoughData
from ml.models.base import Estimator
from ml.models.btyd_fit import Axis, histories, maximise
from ml.models.btyd_integral import lifetimes, purchases_while_alive
from ml.models.btyd_likelihood import beta_geo_nbd, distinct, gamma_gamma, log_gone, pareto_nbd

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ml.models.btyd_likelihood import Distinct
    from ml.models.metrics import Array


class _Fitted(Estimator):
    """What the three share.

    After `fit`: `params_` by name, `log_likelihood_` (total, without the penalty), `converged_` (always true: a fit
    that does not converge raises) and `report_` (customers, distinct_rows, iterations, evaluations, slope, at_edge).
    """

    _NAME: ClassVar[str]
    _LIKELIHOOD: ClassVar[staticmethod[[Array, Distinct], tuple[float, Array]]]
    _PARAMS: ClassVar[tuple[str, ...]]
    _IN_UNITS: ClassVar[tuple[str, ...]]
    _AXES: ClassVar[tuple[Axis, ...]]

    def __init__(self, penalty: float = 0.0) -> None:
        self.penalty = penalty

    def _climb(self, counts: Array, *measured: Array) -> None:
        unit = float(measured[-1].mean())
        seen = distinct(counts, *(column / unit for column in measured))
        top = maximise(self._NAME, self._LIKELIHOOD, seen, self._AXES, float(self.penalty))
        named = dict(zip(self._PARAMS, top.params.tolist(), strict=True))
        self.params_ = {name: at * unit if name in self._IN_UNITS else at for name, at in named.items()}
        self.report_, self.converged_ = top.report, True
        value, _ = self._LIKELIHOOD(np.log(self._values), distinct(counts, *measured))
        self.log_likelihood_ = value * len(counts)

    @property
    def _values(self) -> Array:
        check_is_fitted(self)
        return np.array(list(self.params_.values()))


class _Purchases(_Fitted, ABC):
    def fit(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Self:  # noqa: N803
        """Maximise the likelihood.

        Args:
            frequency: repeat purchases, shape (customers,).
            recency: time from the first purchase to the last, shape (customers,).
            T: time from the first purchase to now, shape (customers,).

        Raises:
            ImpossibleData: a value is missing or negative, or recency contradicts frequency or T.
            NotEnoughData: nobody has a repeat purchase.
            NotConverged: the search found no top.
        """
        seen = histories(frequency=frequency, recency=recency, T=T)
        if not ((seen["frequency"] > 0) & (seen["T"] > 0)).any():
            raise NotEnoughData(
                f"{self._NAME}: none of {len(seen['T'])} customers has bought again, which says nothing of how often "
                "they buy or when they leave. Load more history"
            )
        self._climb(seen["frequency"], seen["recency"], seen["T"])
        return self

    def expected_purchases(
        self,
        horizon: float,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,  # noqa: N803
    ) -> Array:
        """Return the expected purchases in the next `horizon` units of time, shape (customers,).

        A customer with zeros for a history is a new one, just after the first purchase. Raises `ImpossibleData`.
        """
        if not 0 <= horizon < np.inf:
            raise ImpossibleData(f"horizon is {horizon}; give a length of time, 0 or more")
        seen = histories(frequency=frequency, recency=recency, T=T)
        return self._alive(**seen) * self._while_alive(float(horizon), seen["frequency"], seen["T"])

    def probability_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Array:  # noqa: N803
        """Return the probability that a customer has not left, shape (customers,). Raises `ImpossibleData`."""
        return self._alive(**histories(frequency=frequency, recency=recency, T=T))

    @abstractmethod
    def _alive(self, frequency: Array, recency: Array, T: Array) -> Array:  # noqa: N803
        """Return the probability that a customer has not left."""

    @abstractmethod
    def _while_alive(self, horizon: float, frequency: Array, age: Array) -> Array:
        """Return the purchases to expect of a customer who has not left, and may leave yet."""


class BetaGeoNBD(_Purchases):
    """BG/NBD: purchases at a gamma rate (r, alpha); after each repeat one leaves with a beta probability (a, b).

    Who has not bought again counts as alive for sure.

    Args:
        penalty: on the squared logarithms of the parameters, time being measured in the mean T; 0 for none.

    Source: Fader, Hardie and Lee, "Counting your customers" the easy way: an alternative to the Pareto/NBD model
    (Marketing Science 24, 2005), equations 6, 7 and 10.
    """

    _NAME = "BG/NBD"
    _LIKELIHOOD = staticmethod(beta_geo_nbd)
    _PARAMS = ("r", "alpha", "a", "b")
    _IN_UNITS = ("alpha",)
    _AXES = (
        Axis("r", 0.5, (1, 1, 0, 0)),
        Axis("r / alpha", 1.0, (0, -1, 0, 0)),
        Axis("b", 3.0, (0, 0, 1, 1)),
        Axis("a / b", 0.3, (0, 0, 1, 0)),
    )

    def _alive(self, frequency: Array, recency: Array, T: Array) -> Array:  # noqa: N803
        r, alpha, _, _ = self._values
        silence = np.log(alpha + T) - np.log(alpha + recency)
        return np.asarray(expit(-log_gone(self._values, frequency) - (r + frequency) * silence), dtype=np.float64)

    def _while_alive(self, horizon: float, frequency: Array, age: Array) -> Array:
        return purchases_while_alive(self._values, horizon, frequency, age)


class ParetoNBD(_Purchases):
    """Pareto/NBD: purchases at a gamma rate (r, alpha), an exponential lifetime at a gamma rate (s, beta).

    Args:
        penalty: on the squared logarithms of the parameters, time being measured in the mean T; 0 for none.

    Sources: Schmittlein, Morrison and Colombo, Counting your customers: who are they and what will they do next?
    (Management Science 33, 1987); Fader and Hardie, A note on deriving the Pareto/NBD model and related expressions
    (2005).
    """

    _NAME = "Pareto/NBD"
    _LIKELIHOOD = staticmethod(pareto_nbd)
    _PARAMS = ("r", "alpha", "s", "beta")
    _IN_UNITS = ("alpha", "beta")
    _AXES = (
        Axis("r", 0.5, (1, 1, 0, 0)),
        Axis("r / alpha", 1.0, (0, -1, 0, 0)),
        Axis("s", 0.5, (0, 0, 1, 1)),
        Axis("s / beta", 1.0, (0, 0, 0, -1)),
    )

    def _alive(self, frequency: Array, recency: Array, T: Array) -> Array:  # noqa: N803
        r, alpha, s, beta = self._values
        left = lifetimes(self._values, frequency, recency, T).log_total
        stayed = (r + frequency) * np.log(alpha + T) + s * np.log(beta + T)
        return np.asarray(expit(-left - stayed), dtype=np.float64)

    def _while_alive(self, horizon: float, frequency: Array, age: Array) -> Array:
        r, alpha, s, beta = self._values
        stretch = np.log1p(horizon / (beta + age))
        # exprel(x) is (exp(x) - 1) / x, so that s = 1 needs no case of its own
        return np.asarray(
            (r + frequency) / (alpha + age) * (beta + age) * stretch * exprel((1 - s) * stretch), dtype=np.float64
        )


class GammaGamma(_Fitted):
    """Gamma-Gamma: a customer's purchases vary as a gamma (p, nu) around an own mean; nu varies as a gamma (q, v).

    How much is spent is taken to be independent of how often.

    Args:
        penalty: on the squared logarithms of the parameters, amounts being measured in their mean; 0 for none.

    Source: Fader and Hardie, The Gamma-Gamma model of monetary value (2013), equations 1a, 2 and 5.
    """

    _NAME = "Gamma-Gamma"
    _LIKELIHOOD = staticmethod(gamma_gamma)
    _PARAMS = ("p", "q", "v")
    _IN_UNITS = ("v",)
    _AXES = (Axis("p", 2.0, (1, 0, -1)), Axis("q", 3.0, (0, 1, 1)), Axis("p v / q", 1.0, (0, 0, 1)))

    def fit(self, frequency: ArrayLike, monetary: ArrayLike) -> Self:
        """Maximise the likelihood over the customers with a repeat purchase; the others are left out.

        Args:
            frequency: repeat purchases, shape (customers,).
            monetary: mean amount of a repeat purchase, shape (customers,).

        Raises:
            ImpossibleData: a value is missing or negative, or a customer with repeats has a mean of 0.
            NotEnoughData: fewer than two customers have a repeat purchase, or their spread is so wide that it has no
                mean (q is 1 or less).
            NotConverged: the search found no top.
        """
        seen = histories(frequency=frequency, monetary=monetary)
        repeats = seen["frequency"] > 0
        x, mean = seen["frequency"][repeats], seen["monetary"][repeats]
        if not mean.all():
            raise ImpossibleData(
                f"{self._NAME}: {int((mean == 0).sum())} customers with repeat purchases have a mean amount of 0; fit "
                "on the rows with monetary > 0"
            )
        if len(x) < 2:
            raise NotEnoughData(f"{self._NAME}: {len(x)} customers have bought again, 2 are needed. Load more history")
        self._climb(x, mean)
        if self.params_["q"] <= 1:
            raise NotEnoughData(f"{self._NAME}: q is {self.params_['q']:.3f}, so that expected amounts are infinite")
        return self

    def expected_value(self, frequency: ArrayLike, monetary: ArrayLike) -> Array:
        """Return the expected amount of a purchase, shape (customers,): the mean of all without a repeat.

        Raises `ImpossibleData` for missing or negative values.
        """
        seen = histories(frequency=frequency, monetary=monetary)
        p, q, v = self._values
        x = seen["frequency"]
        return np.asarray(p * (v + x * seen["monetary"]) / (p * x + q - 1), dtype=np.float64)
