"""The base of this project's estimators: scikit-learn's, so that parameters show and saving works."""

from typing import ClassVar

from sklearn.base import BaseEstimator


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no type hints
    """Constructor only stores; what is learnt ends in `_`.

    `reads` names the features that a calibration's `predict` takes besides the score.
    """

    reads: ClassVar[tuple[str, ...]] = ()
