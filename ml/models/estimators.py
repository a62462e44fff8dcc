"""The estimators behind a candidate's name: a pipeline from named features to raw scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, TweedieRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from ml.models import spec as config
from ml.models.encoder import FeatureEncoder, signed_log
from ml.models.metrics import TWEEDIE_POWER

_ROWS_PER_THREAD = 50_000


def build(params: Any, encoder: FeatureEncoder, *, amounts: bool, seed: int, threads: int, rows: int) -> Pipeline:
    """Return the unfitted pipeline of one candidate.

    Args:
        params: a candidate of `ml.models.spec`, its hyper-parameters filled in.
        encoder: how features become numbers.
        amounts: whether the label is an amount (regression) instead of yes or no.
        seed: of everything random in it.
        threads: that it may use.
        rows: that it will be fitted on.
    """
    steps: list[tuple[str, Any]] = [("encode", encoder)]
    if isinstance(params, config.Logistic | config.TweedieGLM):
        steps += _scaling()
    make = _MAKERS[type(params)]
    return Pipeline([*steps, ("model", make(params, amounts, _Resources(seed, threads, rows)))])


@dataclass(frozen=True)
class _Resources:
    seed: int
    threads: int
    rows: int

    @property
    def boosting_threads(self) -> int:
        """Few rows finish before threads have met, and two spinning boosters on one machine stall each other."""
        return max(1, min(self.threads, self.rows // _ROWS_PER_THREAD))


def _scaling() -> list[tuple[str, Any]]:
    return [
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
        ("log", FunctionTransformer(signed_log)),
        ("scale", StandardScaler()),
    ]


def _logistic(params: config.Logistic, amounts: bool, given: _Resources) -> Any:
    del amounts
    return LogisticRegression(C=params.C, max_iter=500, random_state=given.seed)


def _tweedie(params: config.TweedieGLM, amounts: bool, given: _Resources) -> Any:
    del amounts, given
    return TweedieRegressor(power=TWEEDIE_POWER, alpha=params.alpha, link="log", solver="newton-cholesky")


def _forest(params: config.RandomForest, amounts: bool, given: _Resources) -> Any:
    return (RandomForestRegressor if amounts else RandomForestClassifier)(
        n_estimators=params.n_estimators,
        min_samples_leaf=params.min_samples_leaf,
        max_samples=min(params.rows_per_tree, given.rows),
        max_features="sqrt",
        n_jobs=given.threads,
        random_state=given.seed,
    )


def _lightgbm(params: config.LightGBM, amounts: bool, given: _Resources) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    objective = {"objective": "tweedie", "tweedie_variance_power": TWEEDIE_POWER} if amounts else {}
    return (LGBMRegressor if amounts else LGBMClassifier)(
        **params.model_dump(),
        **objective,
        subsample_freq=1,
        deterministic=True,
        force_row_wise=True,
        random_state=given.seed,
        n_jobs=given.boosting_threads,
        verbose=-1,
    )


def _two_part(params: config.TwoPart, amounts: bool, given: _Resources) -> Any:
    from ml.models.two_part import TwoPart

    amount = _lightgbm(params, amounts, given).set_params(objective="gamma", tweedie_variance_power=None)
    return TwoPart(_lightgbm(params, False, given), amount)


def _xgboost(params: config.XGBoost, amounts: bool, given: _Resources) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    objective = {"objective": "reg:tweedie", "tweedie_variance_power": TWEEDIE_POWER} if amounts else {}
    return (XGBRegressor if amounts else XGBClassifier)(
        **params.model_dump(), **objective, tree_method="hist", random_state=given.seed, n_jobs=given.boosting_threads
    )


_MAKERS: dict[type, Callable[[Any, bool, _Resources], Any]] = {
    config.Logistic: _logistic,
    config.TweedieGLM: _tweedie,
    config.RandomForest: _forest,
    config.LightGBM: _lightgbm,
    config.XGBoost: _xgboost,
    config.TwoPart: _two_part,
}
