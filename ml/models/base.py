"""The base of this project's estimators: scikit-learn's, so that parameters show and saving works."""

from sklearn.base import BaseEstimator


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no type hints
    """Constructor only stores; what is learnt ends in `_`."""
