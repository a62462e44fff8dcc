"""Distances between two samples of customers: the only place that knows Evidently."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def distances(
    reference: pd.DataFrame, current: pd.DataFrame, method: str, threshold: float, page: Path
) -> dict[str, float]:
    """Return how far each column of `current` is from `reference`, and write the comparison as HTML.

    Args:
        reference: customers that the model was accepted on; numbers and text columns.
        current: customers now, with the same columns. Missing values are left out of the comparison, so a column must
            have some value on both sides.
        method: psi, wasserstein (normed by the reference's spread; numbers only) or jensenshannon.
        threshold: above it the page marks a column as drifted.
        page: where the HTML goes; its folder must exist.
    """
    os.environ.setdefault("DO_NOT_TRACK", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about each other
        found = _run(reference, current, method, threshold)
        found.save_html(str(page))
        return {m["config"]["column"]: float(m["value"]) for m in found.dict()["metrics"] if "column" in m["config"]}


def _run(reference: pd.DataFrame, current: pd.DataFrame, method: str, threshold: float) -> Any:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = list(reference.select_dtypes("number"))
    texts = [name for name in reference if name not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    preset = DataDriftPreset(
        num_method=method,
        cat_method="jensenshannon" if method == "wasserstein" else method,
        num_threshold=threshold,
        cat_threshold=threshold,
    )
    sides = [Dataset.from_pandas(side[[*numbers, *texts]], definition) for side in (current, reference)]
    return Report([preset]).run(*sides)
