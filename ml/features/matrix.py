"""From rows of `customer_features` to a model's matrix, with the imputation that the catalogue declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml.features.catalogue import FeatureSpec, catalogue, feature

if TYPE_CHECKING:
    import pandas as pd

MISSING = "missing"


def to_matrix(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return shape (rows, len(names)): numbers as float64, categories as pandas categories, same index.

    A number declared `zero` is filled with 0; any other missing number stays NaN, for the estimator to learn what
    stands in for it from its training rows. A category declared `missing` gets that level. Raises
    `ConfigError` for a name that is not in the catalogue.
    """
    import pandas as pd

    known = catalogue()
    columns = {name: _column(frame[name], known[name] if name in known else feature(name)) for name in names}
    return pd.DataFrame(columns, index=frame.index)


def _column(values: pd.Series, spec: FeatureSpec) -> pd.Series:
    if spec.kind == "category":
        text = values.astype("object").where(values.notna(), MISSING if spec.impute == "missing" else None)
        return text.astype("category")
    numbers = values.astype("float64")
    return numbers.fillna(0.0) if spec.impute == "zero" else numbers
