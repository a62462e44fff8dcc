"""What a model is, read from `config/models/*.yaml`: one file a model, one registered model a target."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.config import did_you_mean, read_yaml
from ml.errors import ConfigError
from ml.features.catalogue import catalogue
from ml.features.targets import Target
from ml.models.spec_evaluation import Judging, attributes
from ml.models.spec_search import Search, Weights
from ml.settings import settings

Task = Literal["churn", "clv", "propensity", "offer_response", "survival"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Days = Annotated[int, Field(ge=1, le=3660)]
Share = Annotated[float, Field(gt=0, le=1)]
RankBy = Literal["lift", "probability"]
Calibration = Literal["auto", "sigmoid", "isotonic", "level", "btyd", "btyd_spread", "none"]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


_CALIBRATIONS = {True: ("auto", "level", "btyd", "btyd_spread", "none"), False: ("auto", "sigmoid", "isotonic", "none")}


_OTHERS_CANDIDATES = {True: ("logistic",), False: ("tweedie_glm", "two_part")}

# Keys that would change nothing: whoever writes one believes that it does.
_WITHOUT_EFFECT: dict[str, dict[str, str]] = {
    "survival": {
        "search": "takes the candidates' values as they are written",
        "weights": "learns hazards as they are, in which orders are not rare",
        "calibration": "always puts one logistic curve over its hazards",
    },
    "clv": {"weights": "expects amounts, in which no outcome is the rarer one"},
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Snapshots(_Frozen):
    """Which past points in time are learnt from."""

    step_days: Days = Field(14, description="Days between two training snapshots.")
    train: Count = Field(8, description="Training snapshots wanted.")
    at_least: Count = Field(1, description="Training snapshots without which the model is refused.")
    history_days: Days = Field(28, description="Days of orders that come before the first training snapshot.")
    max_customers: Count = Field(60_000, description="Customers kept of a snapshot, drawn by their key.")
    calibrate: Literal["apart", "share"] = Field(
        "apart",
        description="Where the history has no room for a calibration window of its own: refuse (`apart`), or calibrate "
        "on a third of the customers, left out of training, at its last snapshot (`share`).",
    )


class Features(_Frozen):
    """Which columns of `customer_features` the model sees; empty lists mean all of them."""

    groups: tuple[str, ...] = Field((), description="Groups of the feature catalogue to take.")
    include: tuple[str, ...] = Field((), description="Single features to take besides.")
    exclude: tuple[str, ...] = Field((), description="Features or groups to leave out.")
    sensitive: tuple[str, ...] = Field((), description="Features marked sensitive that it may see all the same.")


class Logistic(_Frozen):
    """L2-penalised logistic regression."""

    C: Positive = Field(0.02, description="Inverse of the penalty's strength.")


class TweedieGLM(_Frozen):
    """Generalised linear model with a log link, for amounts that are often zero."""

    alpha: Annotated[float, Field(ge=0)] = Field(0.01, description="Strength of the L2 penalty.")


class RandomForest(_Frozen):
    """scikit-learn's forest, each tree on a bounded draw of rows so that its cost does not grow."""

    n_estimators: Count = 120
    min_samples_leaf: Count = 10
    rows_per_tree: Count = 4_000


class LightGBM(_Frozen):
    """Leaf-wise gradient boosting; few leaves keep it calibrated and its reasons cheap."""

    n_estimators: Count = 150
    num_leaves: Annotated[int, Field(ge=2)] = 8
    learning_rate: Positive = 0.05
    min_child_samples: Count = 60
    colsample_bytree: Share = 0.5
    subsample: Share = 0.7
    reg_lambda: Annotated[float, Field(ge=0)] = 5.0


class XGBoost(_Frozen):
    """Depth-wise gradient boosting on histograms."""

    n_estimators: Count = 150
    max_depth: Count = 3
    learning_rate: Positive = 0.05
    min_child_weight: Annotated[float, Field(ge=0)] = 10.0
    colsample_bytree: Share = 0.5
    subsample: Share = 0.7
    reg_lambda: Annotated[float, Field(ge=0)] = 5.0


class TwoPart(LightGBM):
    """Two boosters of LightGBM: the chance to buy at all, times the amount given that something is bought."""


class Candidates(_Frozen):
    """Estimators to try. The linear one that fits the task is always trained, for it is a baseline, too."""

    logistic: Logistic | None = None
    tweedie_glm: TweedieGLM | None = None
    random_forest: RandomForest | None = None
    lightgbm: LightGBM | None = None
    xgboost: XGBoost | None = None
    two_part: TwoPart | None = None

    def wanted(self, linear: str) -> dict[str, BaseModel]:
        """Return the candidates by name, the linear one first."""
        first = getattr(self, linear) or _LINEAR[linear]()
        others = {name: getattr(self, name) for name in type(self).model_fields if name not in _LINEAR}
        return {linear: first, **{name: value for name, value in others.items() if value is not None}}


_LINEAR: dict[str, type[BaseModel]] = {"logistic": Logistic, "tweedie_glm": TweedieGLM}


class Gates(_Frozen):
    """What must hold before a model is trained, and before it becomes champion."""

    min_customers: Count = Field(500, description="Customers in every snapshot.")
    min_positives: Count = Field(100, description="Positive labels over the training snapshots.")
    min_positives_test: Count = Field(30, description="Positive labels in the calibration and test snapshots.")
    min_history: Positive = Field(3.0, description="Days between the first order and the training, in horizons.")
    max_missing: Share = Field(0.4, description="Share of a snapshot's feature values that may be missing.")
    rule_gain: float = Field(0.0, description="Least gain over the best rule baseline, on the test customers.")
    linear_gain: float = Field(-0.01, description="Least gain over the linear baseline, likewise.")
    champion_loss: float = Field(
        0.01, ge=0, description="Loss to a stale champion that the paired interval must exclude."
    )
    max_age_days: Days = Field(56, description="Days of data that a champion may lack before it counts as stale.")
    ceiling: Share = Field(0.95, description="AUC (or Gini) beyond which a leak is suspected.")
    max_jump: Positive = Field(0.03, description="Gain over the champion beyond which a leak is suspected.")
    max_quiet_days: Days = Field(7, description="Days without an order before a training that are believed.")


class _Shared(_Frozen):
    name: Name
    description: str
    task: Task
    horizon_days: Days
    active_window_days: Days | None = None
    survival_days: tuple[Days, ...] = Field((), description="Horizons of a survival model, ascending; one score each.")
    snapshots: Snapshots = Snapshots()
    features: Features = Features()
    candidates: Candidates = Candidates()
    weights: Weights = "auto"
    search: Search = Search()
    calibration: Calibration = "auto"
    gates: Gates = Gates()
    evaluation: Judging = Judging()


class ModelSpec(_Shared):
    """One registered model, ready to train."""

    target: Target | None = None
    family: str | None = None
    siblings: tuple[Target, ...] = ()
    rank_by: RankBy | None = None

    @property
    def kind(self) -> Literal["probability", "cents"]:
        """What the score is."""
        return "cents" if self.task == "clv" else "probability"

    @property
    def score_names(self) -> tuple[str, ...]:
        """The names under which its scores are stored: its own, or one a horizon."""
        return tuple(self.score_within(days) for days in self.survival_days) or (self.name,)

    @property
    def score_name(self) -> str:
        """The one of them that speaks of `horizon_days`."""
        return self.score_within(self.horizon_days) if self.survival_days else self.name

    def score_within(self, days: int) -> str:
        """Return the name of a survival model's score within so many days."""
        return f"{self.name}_{days}d"

    @property
    def primary(self) -> str:
        """The metric by which candidates, champion and challenger are compared."""
        return "gini" if self.task == "clv" else "auc"

    @property
    def linear(self) -> str:
        """The linear baseline that fits the task."""
        return "tweedie_glm" if self.task == "clv" else "logistic"

    @property
    def population(self) -> dict[str, tuple[str, int]]:
        """Who is scored, as conditions over `customer_features`: those of whom the label speaks."""
        if self.active_window_days is not None:
            return {"recency_days": ("<", self.active_window_days)}
        return {"orders_total": (">", 0)}

    def fingerprint(self) -> str:
        """Return a hash of what the file says, its prose apart, with the search that this deployment grants."""
        said = self.model_dump(mode="json", exclude={"description", "siblings", "rank_by"})
        text = json.dumps(said | {"search": self.search.granted().model_dump()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class ModelFile(_Shared):
    """One file of `config/models/`; a list of targets makes one model a target."""

    targets: tuple[Target, ...] = Field((), description="What a propensity is about; one model a target.")
    rank_by: RankBy = Field("lift", description="By what a customer's targets are ranked: lift or probability.")

    @model_validator(mode="after")
    def _fits_task(self) -> Self:
        calibrations = _CALIBRATIONS[self.task == "clv"]
        rules = {
            "active_window_days: churn needs it, the others have none": (self.task == "churn")
            == (self.active_window_days is not None),
            "survival_days: survival needs some, ascending, horizon_days among them; the others have none": (
                self.horizon_days in self.survival_days and sorted({*self.survival_days}) == [*self.survival_days]
                if self.task == "survival"
                else not self.survival_days
            ),
            "targets: propensity needs some, the others have none": (self.task == "propensity") == bool(self.targets),
            f"calibration: {self.task} takes {', '.join(calibrations)}": self.calibration in calibrations,
            "candidates: tweedie_glm and two_part are for clv, logistic is for the others": not any(
                getattr(self.candidates, name) for name in _OTHERS_CANDIDATES[self.task == "clv"]
            ),
            **{
                f"{key}: {self.task} {why}; leave it out": key not in self.model_fields_set
                for key, why in _WITHOUT_EFFECT.get(self.task, {}).items()
            },
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    def specs(self) -> list[ModelSpec]:
        """Return the models that this file registers."""
        shared = self.model_dump(exclude={"targets", "name", "rank_by"})
        if not self.targets:
            return [ModelSpec(name=self.name, **shared)]
        family = {"family": self.name, "siblings": self.targets, "rank_by": self.rank_by}
        return [ModelSpec(name=f"{self.name}_{of.slug}", target=of, **family, **shared) for of in self.targets]


def load_specs(folder: Path | None = None) -> dict[str, ModelSpec]:
    """Return every registered model by name, in the order of the files.

    Raises `ConfigError` naming file, key and nearest name: for a wrong file, a model registered twice, or a
    feature or group that the catalogue does not have.
    """
    return _load(folder or settings().config_dir / "models")


def model_spec(name: str) -> ModelSpec:
    """Return one registered model. Raises `ConfigError` with the nearest names."""
    specs = load_specs()
    if name not in specs:
        raise ConfigError(f"There is no model {name!r} in config/models{did_you_mean(name, specs)}")
    return specs[name]


@lru_cache
def _load(folder: Path) -> dict[str, ModelSpec]:
    found: dict[str, ModelSpec] = {}
    for path in sorted(folder.glob("*.yaml")):
        for spec in read_yaml(path, ModelFile).specs():
            if spec.name in found:
                raise ConfigError(f"{path}: name: {spec.name} is registered twice; give it another name")
            _check_features(spec, path)
            found[spec.name] = spec
    return found


def _check_features(spec: ModelSpec, path: Path) -> None:
    names, groups = set(catalogue()), {feature.group for feature in catalogue().values()}
    chosen = spec.features
    asked = {
        "features.groups": (chosen.groups, groups),
        "features.include": (chosen.include, names),
        "features.exclude": (chosen.exclude, names | groups),
        "features.sensitive": (chosen.sensitive, names),
        "evaluation.slices": (spec.evaluation.slices, attributes()),
    }
    for key, (given, known) in asked.items():
        for name in given:
            if name not in known:
                raise ConfigError(f"{path}: {key}: {name!r} does not exist{did_you_mean(name, known)}")
