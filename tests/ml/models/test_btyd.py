"""Buy-till-you-die models: the papers' figures, simulations, and what they refuse."""

import logging
import time
from itertools import pairwise

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.optimize import approx_fprime
from scipy.special import hyp2f1
from scipy.stats import beta, chi2
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ml.errors import ImpossibleData, NotConverged, NotEnoughData
from ml.models import btyd_fit
from ml.models.btyd import BetaGeoNBD, GammaGamma, ParetoNBD
from ml.models.btyd_integral import lifetimes, purchases_while_alive
from ml.models.btyd_likelihood import beta_geo_nbd, distinct, gamma_gamma, pareto_nbd
from ml.models.contents import TRUSTED
from tests.ml.models.cdnow import published_summary

HISTORY = ("frequency", "recency", "T")
# Fader, Hardie and Lee 2005, table 2: both models on the CDNOW sample, 39 weeks
PUBLISHED = {
    BetaGeoNBD: ({"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}, -9582.4),
    ParetoNBD: ({"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}, -9595.0),
}
LIKELIHOOD_OF = {BetaGeoNBD: beta_geo_nbd, ParetoNBD: pareto_nbd}
LIKELIHOODS = {
    beta_geo_nbd: [0.24, 4.4, 0.8, 2.4],
    pareto_nbd: [0.55, 10.6, 0.6, 11.7],
    gamma_gamma: [6.25, 3.74, 15.44],
}


@pytest.fixture(scope="module")
def cdnow():
    return published_summary()


@pytest.fixture(scope="module")
def fitted(cdnow):
    """Each model, fitted on the sample of CDNOW."""
    buyers = {model: model().fit(*(cdnow[name] for name in HISTORY)) for model in PUBLISHED}
    return buyers | {GammaGamma: GammaGamma().fit(cdnow["frequency"], cdnow["monetary"])}


def given_params(model, **params):
    """A model as if it had been fitted to these parameters."""
    found = model()
    found.params_ = params
    return found


def simulate(rng, rate, leaves, until, horizon):
    """Buy at each customer's rate till `leaves(purchase)` or the end; return frequency, recency, and what follows T."""
    clock, alive = np.zeros(len(rate)), np.ones(len(rate), dtype=bool)
    x, last, later = np.zeros(len(rate)), np.zeros(len(rate)), np.zeros(len(rate))
    while alive.any():
        clock += rng.exponential(size=len(rate)) / rate
        buys = alive & (clock <= until + horizon) & ~leaves(clock, before=True)
        seen = buys & (clock <= until)
        x[seen] += 1
        last[seen] = clock[seen]
        later[buys & ~seen] += 1
        alive = buys & ~leaves(clock, before=False)
    return x, last, later


# -- the papers' figures ---------------------------------------------------------------------------------------


@pytest.mark.quality
@pytest.mark.parametrize("model", PUBLISHED)
def test_cdnow_gives_the_published_parameters(fitted, model):
    params, log_likelihood = PUBLISHED[model]
    assert fitted[model].params_ == pytest.approx(params, abs=0.002)
    assert fitted[model].log_likelihood_ == pytest.approx(log_likelihood, abs=0.1)
    assert fitted[model].converged_
    assert fitted[model].report_["customers"] == 2_357
    assert fitted[model].report_["at_edge"] == []


@pytest.mark.quality
def test_gamma_gamma_gives_the_published_parameters_and_a_likelihood_no_worse(fitted, cdnow):
    """Fader and Hardie 2013 print two digits of what a spreadsheet's solver found; its v is a little below the top."""
    found, published = fitted[GammaGamma], {"p": 6.25, "q": 3.74, "v": 15.44}
    assert found.params_ == pytest.approx(published, abs=0.01)
    buyers = cdnow[cdnow["frequency"] > 0]
    at_published, _ = gamma_gamma(np.log([6.25, 3.74, 15.44]), distinct(buyers["frequency"], buyers["monetary"]))
    assert found.report_["customers"] == len(buyers) == 946
    assert at_published * 946 <= found.log_likelihood_ <= at_published * 946 + 0.005


@pytest.mark.quality
def test_the_three_fits_take_less_than_a_second_together(cdnow):
    """Some 35 ms on an idle core; the best of three, so that a busy one does not decide."""
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        for model in PUBLISHED:
            model().fit(*(cdnow[name] for name in HISTORY))
        GammaGamma().fit(cdnow["frequency"], cdnow["monetary"])
        taken.append(time.perf_counter() - started)
    assert min(taken) < 1


def test_expected_values_are_the_published_ones(fitted):
    """Customer 1 of the spreadsheet notes: 2 purchases, the last in week 30.43 of 38.86, $22.35 on average."""
    assert fitted[BetaGeoNBD].expected_purchases(39, 2, 30.43, 38.86) == pytest.approx(1.226, abs=0.001)
    assert fitted[GammaGamma].expected_value(2, 22.35) == pytest.approx(24.66, abs=0.01)
    assert fitted[GammaGamma].expected_value(0, 0) == pytest.approx(6.25 * 15.44 / 2.74, rel=0.002)


# -- likelihoods and their integrals ---------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("away", [0.0, -1.5, 2.0])
def test_the_gradient_is_the_slope(cdnow, likelihood, away):
    buyers = cdnow[cdnow["frequency"] > 0] if likelihood is gamma_gamma else cdnow
    names = ("frequency", "monetary") if likelihood is gamma_gamma else HISTORY
    seen = distinct(*(buyers[name] for name in names))
    at = np.log(LIKELIHOODS[likelihood]) + away * np.linspace(-1, 1, len(LIKELIHOODS[likelihood]))
    slope = approx_fprime(at, lambda where: likelihood(where, seen)[0], 1e-6)
    assert likelihood(at, seen)[1] == pytest.approx(slope, abs=3e-5)


@pytest.mark.parametrize(
    ("params", "x", "recency", "age"),
    [
        ((0.55, 10.6, 0.6, 11.7), 0, 0, 39),
        ((0.55, 10.6, 0.6, 11.7), 26, 30, 39),
        ((0.05, 1e5, 0.01, 0.1), 0, 0, 2_000),
        ((3.0, 0.01, 40.0, 1e5), 0, 0, 2_000),
        ((1.4, 9.5, 8_000, 6e7), 500, 100, 365),
        ((1.4, 9.5, 0.3, 40.0), 500, 364.5, 365),
    ],
)
def test_the_time_of_leaving_is_integrated(params, x, recency, age):
    r, alpha, s, scale = params

    def log_density(t):
        return np.log(s) - (r + x) * np.log(alpha + t) - (s + 1) * np.log(scale + t)

    top = log_density(recency)
    steps = recency + np.geomspace(1e-6, age - recency + 1e-6, 40) - 1e-6
    pieces = [
        integrate.quad(lambda t: np.exp(log_density(t) - top), low, high, epsrel=1e-11)[0]
        for low, high in pairwise(steps)
    ]
    found = lifetimes(np.array(params), *(np.array([float(value)]) for value in (x, recency, age)))
    assert found.log_total[0] == pytest.approx(top + np.log(sum(pieces)), abs=1e-7)


def test_who_bought_on_the_last_day_has_had_no_time_to_leave():
    found = given_params(ParetoNBD, r=0.55, alpha=10.6, s=0.6, beta=11.7).probability_alive([0, 5], [0, 30], [0, 30])
    assert found == pytest.approx([1, 1])


def closed_form(params, horizon, x, age):
    """Equation 10 of Fader, Hardie and Lee 2005, of a customer who is alive."""
    r, alpha, a, b = params
    bought = (alpha + age) / (alpha + age + horizon)
    series = hyp2f1(r + x, b + x, a + b + x - 1, 1 - bought)
    return (a + b + x - 1) / (a - 1) * (1 - bought ** (r + x) * series)


@pytest.mark.parametrize("params", [(0.243, 4.414, 0.793, 2.426), (2.0, 30.0, 3.5, 0.4), (0.05, 1.0, 0.02, 8.0)])
def test_purchases_of_the_living_are_the_published_closed_form(params):
    x, age = np.array([0.0, 0, 1, 7, 20]), np.array([0.0, 39, 12, 30, 39])
    found = purchases_while_alive(np.array(params), 39.0, x, age)
    assert found == pytest.approx(closed_form(params, 39.0, x, age), rel=1e-6)


@pytest.mark.parametrize(
    ("params", "x", "age"),
    [
        ((1.4, 9.5, 0.07, 99.0), 212, 242),
        ((0.9, 0.02, 500.0, 8_000.0), 60, 365),
        ((0.243, 4.414, 1.0, 2.426), 3, 20),
    ],
)
def test_purchases_of_the_living_hold_where_the_closed_form_breaks(params, x, age):
    """For buyers of every day, where nearly nobody leaves or all are alike, and at a = 1, where it divides by zero."""
    r, alpha, a, b = params

    def bought(p):
        return -np.expm1(-(r + x) * np.log1p(p * 91 / (alpha + age))) / p

    law = beta(a, b + x)
    expected = integrate.quad(lambda share: bought(max(law.ppf(share), 1e-300)), 0, 1, limit=200, epsrel=1e-9)[0]
    found = purchases_while_alive(np.array(params), 91.0, np.array([float(x)]), np.array([float(age)]))
    assert found[0] == pytest.approx(expected, rel=1e-5)


def test_a_lifetime_of_shape_one_needs_no_case_of_its_own():
    near = [
        given_params(ParetoNBD, r=0.5, alpha=10, s=s, beta=12).expected_purchases(39, 2, 30, 39) for s in (1, 1.001)
    ]
    assert near[0] == pytest.approx(near[1], rel=1e-2)


# -- simulations -------------------------------------------------------------------------------------------------


def bg_nbd_world(rng, customers, until, horizon):
    p = rng.beta(0.8, 2.4, customers)
    return simulate(
        rng,
        rng.gamma(0.6, 1 / 4.0, customers),
        lambda clock, before: np.zeros(customers, dtype=bool) if before else rng.random(customers) < p,
        until,
        horizon,
    )


def pareto_nbd_world(rng, customers, until, horizon):
    gone = rng.exponential(size=customers) / rng.gamma(0.7, 1 / 12.0, customers)
    return simulate(rng, rng.gamma(0.6, 1 / 8.0, customers), lambda clock, before: clock > gone, until, horizon)


WORLDS = {
    BetaGeoNBD: (bg_nbd_world, {"r": 0.6, "alpha": 4.0, "a": 0.8, "b": 2.4}),
    ParetoNBD: (pareto_nbd_world, {"r": 0.6, "alpha": 8.0, "s": 0.7, "beta": 12.0}),
}


@pytest.mark.parametrize("model", WORLDS)
def test_a_simulated_world_is_found_again_and_foretold(model):
    """The truth is within what 4 parameters may gain by chance, and groups of customers buy what it foretells."""
    world, truth = WORLDS[model]
    age = 20.0 + np.arange(16_000) % 20
    x, last, later = world(np.random.default_rng(5), len(age), age, 26.0)
    learnt = (x[:4_000], last[:4_000], age[:4_000])
    at_truth, _ = LIKELIHOOD_OF[model](np.log(list(truth.values())), distinct(*learnt))
    found = model().fit(*learnt)
    assert 0 <= 2 * (found.log_likelihood_ - at_truth * 4_000) <= chi2(4).ppf(0.99)
    expected = given_params(model, **truth).expected_purchases(26, x, last, age)
    for group in (x == 0, x == 1, (x > 1) & (x < 5), x >= 5, age < 25, last > age - 2):
        error = 4 * later[group].std() / np.sqrt(group.sum())
        assert later[group].mean() == pytest.approx(expected[group].mean(), abs=error)


def test_simulated_spend_is_found_again():
    rng, customers = np.random.default_rng(6), 5_000
    x = rng.integers(1, 12, customers)
    own = rng.gamma(3.5, 1 / 15.0, customers)
    spend = rng.gamma(6.0 * x, 1 / own) / x
    assert GammaGamma().fit(x, spend).params_ == pytest.approx({"p": 6.0, "q": 3.5, "v": 15.0}, rel=0.1)


# -- properties --------------------------------------------------------------------------------------------------

SIZES = st.floats(0.01, 100)
HISTORIES = st.tuples(st.integers(0, 400), st.floats(0, 1), st.floats(1, 1_000))


def history(drawn):
    x, share, age = drawn
    return float(x), share * age if x else 0.0, age


@pytest.mark.parametrize("model", PUBLISHED)
@hypothesis_settings(max_examples=50)
@given(sizes=st.tuples(SIZES, SIZES, SIZES, SIZES), drawn=HISTORIES, longer=st.floats(1, 100))
def test_silence_speaks_for_having_left(model, sizes, drawn, longer):
    """P(alive) is a probability and falls while a customer is silent; purchases are not negative and only add up."""
    found = given_params(model, **dict(zip(PUBLISHED[model][0], sizes, strict=True)))
    x, last, age = history(drawn)
    alive = found.probability_alive([x, x], [last, last], [age, age + longer])
    assert 0 <= alive[1] <= alive[0] * (1 + 1e-9) <= 1 + 1e-9
    soon, late = (found.expected_purchases(horizon, x, last, age)[0] for horizon in (longer, 2 * longer))
    assert 0 <= soon <= late * (1 + 1e-9) <= 2 * soon * (1 + 1e-6) + 1e-9
    assert found.expected_purchases(0, x, last, age) == pytest.approx([0.0])


@hypothesis_settings(max_examples=50)
@given(
    p=st.floats(0.1, 100), q=st.floats(1.01, 100), v=st.floats(0.1, 1e5), x=st.integers(0, 400), mean=st.floats(0, 1e6)
)
def test_an_expected_amount_lies_between_the_customers_own_and_everybodys(p, q, v, x, mean):
    found = given_params(GammaGamma, p=p, q=q, v=v).expected_value(x, mean)[0]
    everybody = p * v / (q - 1)
    low, high = (everybody, everybody) if x == 0 else sorted((everybody, mean))
    assert low * (1 - 1e-9) <= found <= high * (1 + 1e-9)


# -- how a fit behaves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", PUBLISHED)
def test_time_may_be_in_any_unit(cdnow, fitted, model):
    days = model().fit(cdnow["frequency"], cdnow["recency"] * 7, cdnow["T"] * 7)
    scaled = {name: at * 7 if name in {"alpha", "beta"} else at for name, at in fitted[model].params_.items()}
    assert days.params_ == pytest.approx(scaled, rel=1e-4)
    history_in_days = (cdnow["frequency"], cdnow["recency"] * 7, cdnow["T"] * 7)
    weeks = fitted[model].expected_purchases(39, *(cdnow[name] for name in HISTORY))
    assert days.expected_purchases(39 * 7, *history_in_days) == pytest.approx(weeks, rel=1e-4)


def test_customers_alike_share_a_row(cdnow, fitted):
    """Twice the customers cost nothing more, change nothing, and count twice."""
    twice = BetaGeoNBD().fit(*(np.tile(cdnow[name], 2) for name in HISTORY))
    once = fitted[BetaGeoNBD]
    assert twice.report_["distinct_rows"] == once.report_["distinct_rows"] == 1_016
    assert twice.params_ == pytest.approx(once.params_)
    assert twice.log_likelihood_ == pytest.approx(2 * once.log_likelihood_)


def test_a_penalty_pulls_and_costs_likelihood(cdnow, fitted):
    held = BetaGeoNBD(penalty=0.01).fit(*(cdnow[name] for name in HISTORY))
    free = fitted[BetaGeoNBD]
    assert held.log_likelihood_ < free.log_likelihood_
    assert np.abs(np.log(held.params_["b"])) < np.abs(np.log(free.params_["b"]))


def test_a_search_without_a_top_is_an_error_that_says_what_to_do(cdnow, monkeypatch):
    monkeypatch.setattr(btyd_fit, "_FLAT", -1.0)
    with pytest.raises(NotConverged, match=r"BG/NBD: the search over 2357 customers .* Give it a penalty"):
        BetaGeoNBD().fit(*(cdnow[name] for name in HISTORY))


def test_a_parameter_without_an_end_is_told_and_foretells_the_limit(caplog):
    """Everybody buys once a week and nobody leaves: there is no spread to estimate."""
    age = np.tile(np.arange(10.0, 40.0), 20)
    with caplog.at_level(logging.WARNING):
        found = BetaGeoNBD().fit(age, age, age)
    assert "a / b" in found.report_["at_edge"]
    assert "ran to the end" in caplog.text
    assert found.expected_purchases(10, 30, 30, 30) == pytest.approx([10], rel=0.02)


def test_parameters_can_be_asked_for_and_the_fit_saved(fitted, cdnow):
    for model, found in fitted.items():
        assert clone(found).get_params() == {"penalty": 0.0}
        loaded = skops.io.loads(skops.io.dumps(found), trusted=TRUSTED)
        assert loaded.params_ == found.params_
        assert loaded.report_ == found.report_
        with pytest.raises(NotFittedError):
            model().expected_value(1, 1) if model is GammaGamma else model().probability_alive(0, 0, 1)


# -- what they refuse --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, 5, np.nan), "T is missing or infinite in 1 of 3 rows .first: row 1"),
        ((np.inf, 5, 9), "frequency is missing"),
        ((1, -5, 9), "recency is below 0"),
        ((-1, 5, 9), "frequency is below 0"),
        ((1, 10, 9), "recency is longer than T"),
        ((0, 5, 9), "recency is above 0, but there is no repeat"),
    ],
)
def test_a_history_that_cannot_be_is_refused(fitted, row, message):
    columns = np.array([(2, 30, 39), row, (0, 0, 20)], dtype=float).T
    for model in PUBLISHED:
        with pytest.raises(ImpossibleData, match=message):
            model().fit(*columns)
        with pytest.raises(ImpossibleData, match=message):
            fitted[model].expected_purchases(39, *columns)


@pytest.mark.parametrize("model", PUBLISHED)
def test_nobody_who_bought_again_is_too_little(model):
    with pytest.raises(NotEnoughData, match="none of 3 customers has bought again"):
        model().fit([0, 0, 0], [0, 0, 0], [5, 6, 7])
    with pytest.raises(NotEnoughData, match="none of 0 customers"):
        model().fit([], [], [])


@pytest.mark.parametrize("horizon", [-1, np.nan, np.inf])
def test_a_horizon_is_a_length_of_time(fitted, horizon):
    with pytest.raises(ImpossibleData, match="horizon"):
        fitted[BetaGeoNBD].expected_purchases(horizon, 0, 0, 5)


def test_amounts_that_say_nothing_are_refused():
    with pytest.raises(ImpossibleData, match="1 customers with repeat purchases have a mean amount of 0"):
        GammaGamma().fit([1, 2, 0], [10, 0, 0])
    with pytest.raises(ImpossibleData, match="monetary is below 0"):
        GammaGamma().fit([1, 2, 0], [10, -1, 0])
    with pytest.raises(NotEnoughData, match="1 customers have bought again, 2 are needed"):
        GammaGamma().fit([1, 0, 0], [10, 0, 0])


def test_amounts_without_a_mean_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(NotEnoughData, match=r"q is 0\.\d+, so that expected amounts are infinite"):
        GammaGamma().fit(np.full(2_000, 3.0), rng.pareto(0.6, 2_000) + 1)
