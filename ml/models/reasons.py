"""Reasons in words, cheap enough for every customer.

A shallow boosting imitates the champion's raw score; its approximate contributions (Saabas' path attributions, about
0.02 ms a customer) stand in for Shapley values, which cost a hundred times as much. How well the imitation follows
is measured (`fidelity`) and logged with the model. The words are the catalogue's (`ml.features.phrases`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.features.phrases import tell
from ml.models.base import Estimator
from ml.sql import Says

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
        says: each feature's templates, as plain values of `ml.sql.Says`.
        groups: each feature's group; a customer gets one reason a group, since its features say the same thing.
        constants: what templates may name besides features, such as the target of a propensity.
        currency: said after an amount; empty for none.
        seed: of the imitation.
        threads: that it may use.
    """

    def __init__(
        self,
        encoder: FeatureEncoder,
        says: dict[str, dict[str, Any]],
        groups: dict[str, str],
        *,
        constants: dict[str, str],
        currency: str,
        seed: int,
        threads: int,
    ) -> None:
        self.encoder = encoder
        self.says = says
        self.groups = groups
        self.constants = constants
        self.currency = currency
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

    def contributions(self, frame: pd.DataFrame, *, exact: bool = False) -> Array:
        """Return how far each feature moved the margin: shape (rows, features), in the order of `features`.

        `exact` gives the imitation's Shapley values (TreeSHAP, Lundberg et al. 2020), for some hundred rows.
        """
        from xgboost import DMatrix

        matrix = DMatrix(self.encoder.transform(frame), nthread=self.threads)
        booster = self.imitation_.get_booster()
        columns = booster.predict(matrix, pred_contribs=True, approx_contribs=not exact)[:, :-1]
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
        if frame.empty:
            return pa.array([], pa.string())
        chosen, raises = self._choose(self.contributions(frame))
        texts = self._texts(frame, chosen, raises)
        slots = [pc.binary_join_element_wise('"', texts[k], '"', "") for k in range(len(texts))]
        return pc.binary_join_element_wise("[", pc.binary_join_element_wise(*slots, ", "), "]", "")

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

    def _texts(self, frame: pd.DataFrame, chosen: NDArray[np.intp], raises: NDArray[np.bool_]) -> list[pa.Array]:
        """Return the reasons as JSON strings without quotes, one array of shape (rows,) for each place."""
        flat = chosen.ravel(order="F")
        told, places = [], []
        for position in np.unique(flat):
            at = np.flatnonzero(flat == position)
            told.append(self._tell(self.features[position], frame, at % len(frame)))
            places.append(at)
        back = pa.array(np.argsort(np.concatenate(places)))
        texts = pa.chunked_array(told).combine_chunks().take(back)
        ways = pc.if_else(pa.array(raises.ravel(order="F")), " (raises the score)", " (lowers the score)")
        whole = pc.binary_join_element_wise(_escaped(texts), ways, "")
        return [whole.slice(k * len(frame), len(frame)) for k in range(chosen.shape[1])]

    def _tell(self, name: str, frame: pd.DataFrame, rows: NDArray[np.intp]) -> pa.Array:
        says = Says.model_validate(self.says[name])
        columns = {other: frame[other].to_numpy()[rows] for other in says.names & set(frame.columns)}
        columns |= {other: np.full(len(rows), word, dtype=object) for other, word in self.constants.items()}
        columns |= {"typical": np.full(len(rows), self.typical_.get(name, np.nan))}
        return tell(says, {**columns, "value": frame[name].to_numpy()[rows]}, self.currency)


def _escaped(texts: pa.Array) -> pa.Array:
    """Return texts as they stand between the quotes of JSON; `tell` leaves no control characters."""
    return pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
