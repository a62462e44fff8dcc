"""Where the search looks: each candidate's hyper-parameters and their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml.models import spec as config

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Range:
    """Values from `low` to `high`, whole ones if those are; by orders of magnitude unless `linear`."""

    low: float
    high: float
    linear: bool = False

    def around(self, value: float) -> Range:
        """Return the range, widened to hold the file's own value."""
        return Range(min(self.low, value), max(self.high, value), self.linear)

    @property
    def distribution(self) -> BaseDistribution:
        """The range as Optuna knows it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=not self.linear)
        return FloatDistribution(self.low, self.high, log=not self.linear)

    def ask(self, trial: Trial, name: str) -> float:
        """Return what a trial suggests for a parameter."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=not self.linear)
        return trial.suggest_float(name, self.low, self.high, log=not self.linear)


_BOOSTING = {
    "n_estimators": Range(40, 250),
    "learning_rate": Range(0.02, 0.15),
    "colsample_bytree": Range(0.3, 0.9, linear=True),
    "reg_lambda": Range(0.5, 50.0),
}
# More trees of a forest are never worse, only dearer, so their number is not searched.
_SPACES: dict[type, dict[str, Range]] = {
    config.Logistic: {"C": Range(0.001, 1.0)},
    config.TweedieGLM: {"alpha": Range(0.0003, 0.3)},
    config.RandomForest: {"min_samples_leaf": Range(5, 60)},
    config.LightGBM: {**_BOOSTING, "num_leaves": Range(3, 24), "min_child_samples": Range(15, 250)},
    config.XGBoost: {**_BOOSTING, "max_depth": Range(2, 5, linear=True), "min_child_weight": Range(1.0, 60.0)},
}


def ranges(params: Any) -> dict[str, Range]:
    """Return where to look around a candidate's values; one that builds on another has that one's ranges."""
    found = next((_SPACES[kind] for kind in type(params).__mro__ if kind in _SPACES), {})
    return {name: values.around(getattr(params, name)) for name, values in found.items()}
