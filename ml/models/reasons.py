"""Reasons in words, cheap enough for every customer.

A shallow boosting imitates the champion's raw score; its approximate contributions (Saabas' path attributions, about
0.02 ms a customer) stand in for Shapley values, which cost a hundred times as much. How well the imitation follows
is measured (`fidelity`) and logged with the model.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.models.base import Estimator

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.models.encoder import FeatureEncoder
    from ml.models.metrics import Array

COUNT = 3
_TREES, _DEPTH, _RATE = 80, 3, 0.15


class Reasons(Estimator):
    """Which features moved a customer's score, and how to say so.

    Args:
        encoder: the fitted encoder of the model's pipeline.
        words: each feature's description in the catalogue.
        groups: each feature's group; a customer gets one reason a group, since its features say the same thing.
        seed: of the imitation.
        threads: that it may use.
    """

    def __init__(
        self, encoder: FeatureEncoder, words: dict[str, str], groups: dict[str, str], seed: int, threads: int
    ) -> None:
        self.encoder = encoder
        self.words = words
        self.groups = groups
        self.seed = seed
        self.threads = threads

    def fit(self, frame: pd.DataFrame, margin: Array) -> Self:
        """Learn to imitate the margin (rows,) of a frame of features."""
        from xgboost import XGBRegressor

        self.imitation_ = XGBRegressor(
            n_estimators=_TREES,
            max_depth=_DEPTH,
            learning_rate=_RATE,
            tree_method="hist",
            random_state=self.seed,
            n_jobs=1,  # few rows: a second thread costs more than it brings
        ).fit(self.encoder.transform(frame), margin)
        self.typical_ = {name: float(frame[name].median()) for name in self.encoder.numbers}
        return self

    def fidelity(self, frame: pd.DataFrame, margin: Array) -> float:
        """Return R squared of the imitation on customers it has not seen."""
        return float(self.imitation_.score(self.encoder.transform(frame), margin))

    def contributions(self, frame: pd.DataFrame) -> Array:
        """Return how far each feature moved the margin: shape (rows, features), in the order of `features`."""
        from xgboost import DMatrix

        matrix = DMatrix(self.encoder.transform(frame), nthread=self.threads)
        booster = self.imitation_.get_booster()
        columns = booster.predict(matrix, pred_contribs=True, approx_contribs=True)[:, :-1]
        return np.asarray(columns @ self._membership(), dtype=np.float64)

    @property
    def features(self) -> list[str]:
        """The features in the order of `contributions`."""
        return list(dict.fromkeys(self.encoder.origins))

    def importance(self, frame: pd.DataFrame) -> dict[str, float]:
        """Return each feature's mean absolute contribution, the largest first."""
        sizes = np.abs(self.contributions(frame)).mean(axis=0)
        return dict(sorted(zip(self.features, sizes.tolist(), strict=True), key=lambda item: -item[1]))

    def explain(self, frame: pd.DataFrame) -> pa.Array:
        """Return a JSON list of up to three reasons for each row of `frame`, the weightiest first."""
        chosen, raises = self._choose(self.contributions(frame))
        slots = [self._texts(frame, chosen[:, k], raises[:, k]) for k in range(chosen.shape[1])]
        joined = pc.binary_join_element_wise(*slots, ", ")
        return pc.binary_join_element_wise("[", joined, "]", "")

    def _membership(self) -> Array:
        origins = np.array(self.encoder.origins)
        return np.asarray(origins[:, None] == np.array(self.features)[None, :], dtype=np.float64)

    def _choose(self, contributions: Array) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return positions in `features` (rows, up to 3), one a group, and whether each raises the score."""
        groups = [np.flatnonzero(members) for members in self._group_members()]
        totals = np.column_stack([contributions[:, members].sum(axis=1) for members in groups])
        leaders = np.column_stack([g[np.abs(contributions[:, g]).argmax(axis=1)] for g in groups])
        top = np.argsort(-np.abs(totals), axis=1, kind="stable")[:, :COUNT]
        return np.take_along_axis(leaders, top, axis=1), np.take_along_axis(totals, top, axis=1) > 0

    def _group_members(self) -> NDArray[np.bool_]:
        own = np.array([self.groups[name] for name in self.features])
        return np.asarray(np.array(list(dict.fromkeys(own)))[:, None] == own[None, :], dtype=np.bool_)

    def _texts(self, frame: pd.DataFrame, chosen: NDArray[np.intp], raises: NDArray[np.bool_]) -> pa.Array:
        """Return the JSON string of each row's chosen feature; every distinct text is made once."""
        texts = np.empty(len(frame), dtype=object)
        for position in np.unique(chosen):
            name = self.features[position]
            rows = np.flatnonzero(chosen == position)
            values, place = np.unique(_rounded(name, frame[name].to_numpy()[rows]), return_inverse=True)
            pairs, place = np.unique(2 * place + raises[rows], return_inverse=True)
            made = [self._words(name, values[pair // 2], bool(pair % 2)) for pair in pairs]
            texts[rows] = np.array(made, dtype=object)[place]
        return pa.array(texts, type=pa.string())

    def _words(self, name: str, value: float | str, up: bool) -> str:
        words = f"{self.words[name]}: {_shown(name, value)}"
        if name in self.typical_:
            words += f" (typical {_shown(name, _rounded(name, np.array([self.typical_[name]]))[0])})"
        return json.dumps(f"{words}, {'raises' if up else 'lowers'} the score", ensure_ascii=False)


def label(name: str, description: str, kind: str) -> str:
    """Return a feature in a few words: the first clause of its description; a category by its name."""
    if kind == "category":
        return name.replace("_", " ").capitalize()
    plain = re.sub(r" ?\([^)]*\)", "", description)
    clause = re.split(r"[;:.]", plain, maxsplit=1)[0].replace(", in minor units", "").removeprefix("Whole ").strip()
    return (clause[:1].upper() + clause[1:]).replace("_", " ")


def _rounded(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as a marketer reads them: amounts in units of 100 cents, shares in percent, about three digits."""
    if values.dtype == object:
        return values.astype(str)
    scaled = values.astype(np.float64) * _scale(name)
    size = np.abs(scaled)
    return np.where(size >= 100, np.round(scaled), np.where(size >= 10, np.round(scaled, 1), np.round(scaled, 2)))


def _shown(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return "unknown"
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{text}%" if _is_share(name) else text


def _scale(name: str) -> float:
    return 0.01 if "cents" in name else 100.0 if _is_share(name) else 1.0


def _is_share(name: str) -> bool:
    return re.search(r"_(share|rate)(_|$)", name) is not None
