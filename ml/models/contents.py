"""What a saved scorer may hold and what it needs to be loaded."""

from __future__ import annotations

from importlib.metadata import version

# What a saved scorer may hold; skops refuses to load anything else (a test saves and loads every candidate).
TRUSTED = [
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "ml.models.btyd.BetaGeoNBD",
    "ml.models.btyd.GammaGamma",
    "ml.models.btyd.ParetoNBD",
    "ml.models.calibrate.Identity",
    "ml.models.calibrate.Isotonic",
    "ml.models.calibrate.Sigmoid",
    "ml.models.encoder.FeatureEncoder",
    "ml.models.encoder.signed_log",
    "ml.models.intervals.Intervals",
    "ml.models.level.AsLearnt",
    "ml.models.level.ExpectedSpread",
    "ml.models.level.ExpectedTotal",
    "ml.models.level.Level",
    "ml.models.reasons.Reasons",
    "ml.models.scorer.Scorer",
    "ml.models.survival.Hazards",
    "ml.models.two_part.TwoPart",
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
]
_LIBRARIES = ("scikit-learn", "xgboost-cpu", "lightgbm", "skops", "pandas", "numpy", "pyarrow", "mlflow")


def requirements() -> list[str]:
    """Return the libraries of a scorer at the versions of this environment, as pip writes them."""
    return [f"{library}=={version(library)}" for library in _LIBRARIES]
