"""Search for hyper-parameters, judged on later points in time and on customers that were not learnt from.

The values of the model's file are judged first, and stay unless others are better by more than the folds differ.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ml.models.calibrate import held_out, pooled
from ml.models.folds import inner_folds
from ml.models.metrics import PROBABILITY, Predicted, measure
from ml.models.setting import Bench, Setting, Tried
from ml.models.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

    from ml.models.calibrate import Period
    from ml.models.dataset import TrainingSet
    from ml.models.spec import ModelSpec

log = logging.getLogger(__name__)

_FEW = 0.15  # share of positives below which it is tried to weigh them more
_CALIBRATION = {name: PROBABILITY[name] for name in ("ece", "brier")}


@dataclass(frozen=True, eq=False)
class Found:
    """The setting to take of each candidate, and how the search went.

    `told` is worth parameters of the run, `measured` metrics; `calibrates` is False where the folds had to be judged by
    the calibration snapshot.
    """

    taken: dict[str, Tried]
    benches: Sequence[Bench] = ()
    told: dict[str, str] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    calibrates: bool = True

    @property
    def params(self) -> dict[str, BaseModel]:
        """Each candidate's hyper-parameters as they were taken."""
        return {name: tried.setting.params for name, tried in self.taken.items()}

    def earlier(self, name: str) -> list[Period]:
        """Return a candidate's raw scores of judging snapshots before the calibration's: these may calibrate, too."""
        return self.taken[name].periods if self.calibrates else []


def as_written(spec: ModelSpec) -> Found:
    """Return the settings of the model's file, without a search."""
    wanted = spec.candidates.wanted(spec.linear)
    written = {name: Tried(Setting(name, params, spec.weights == "balanced")) for name, params in wanted.items()}
    return Found(written, told={"search": "none: the file's values"})


def search(spec: ModelSpec, data: TrainingSet) -> Found:
    """Return the setting of each candidate that the inner folds prefer (see `ml.models.folds`)."""
    granted = spec.search.granted()
    benches = [Bench(spec, fold) for fold in inner_folds(data, spec.horizon_days, granted.folds)]
    written = as_written(spec).taken
    if not benches:
        return Found(written, told={"search": "none: no training window closes before another begins"})
    with _side_by_side(benches) as pool:
        _judge(written.values(), benches, pool)
        trials = Trials(written, benches, pool, weighs=spec.weights == "auto" and _few_positives(spec, data))
        trials.run(granted)
    taken = {name: _taken(one, trials.finished) for name, one in written.items()}
    told = {
        "search": f"{len(trials.finished) + trials.pruned} of {granted.trials} trials, {trials.pruned} pruned",
        "search.cut_by_time": str(trials.cut),
    }
    gains = {f"search.{name}.gain": one.value - written[name].value for name, one in taken.items()}
    log.info("%s: searched %s; gains over the file's values %s", spec.name, told["search"], gains)
    calibrates = data.shared or benches[0].as_of < data.calibration.as_of
    return Found(taken, benches, told, gains | {f"search.{name}": t.value for name, t in taken.items()}, calibrates)


def _taken(written: Tried, tries: Sequence[Tried]) -> Tried:
    """Return the candidate's best try, if it beats the file's values by more than the standard error of the gain."""
    others = [tried for tried in tries if tried.setting.name == written.setting.name]
    best = max(others, key=lambda tried: tried.value, default=written)
    gain = np.subtract(best.values, written.values)
    clear = len(gain) > 1 and gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain))
    return best if clear else written


def weigh(spec: ModelSpec, data: TrainingSet, found: Found, name: str) -> dict[str, float]:
    """Return what weighing the positives does to a candidate, where they are few.

    Measured on the folds' customers: the ranking, and the calibration before and after a sigmoid.
    """
    if spec.weights == "none" or not found.benches or not _few_positives(spec, data):
        return {}
    taken = found.taken[name]
    other = Tried(replace(taken.setting, balanced=not taken.setting.balanced))
    with _side_by_side(found.benches) as pool:
        _judge([other], found.benches, pool)
    return _effect(taken) | _effect(other)


def _effect(tried: Tried) -> dict[str, float]:
    which = f"weights.{'balanced' if tried.setting.balanced else 'none'}"
    found = {f"{which}.auc": tried.value}
    for stage, period in {"before": pooled(tried.periods), "after": held_out("sigmoid", tried.periods)}.items():
        numbers = measure(Predicted(period.actual, period.score), _CALIBRATION)
        found |= {f"{which}.{metric}_{stage}": number for metric, number in numbers.items()}
    return found


def _few_positives(spec: ModelSpec, data: TrainingSet) -> bool:
    positive = np.concatenate([snapshot.label > 0 for snapshot in data.train])
    return spec.kind == "probability" and float(positive.mean()) < _FEW


def _side_by_side(benches: Sequence[Bench]) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(bench.learning.side_by_side for bench in benches))


def _judge(tries: Iterable[Tried], benches: Sequence[Bench], pool: ThreadPoolExecutor) -> None:
    """Judge every setting on every fold."""
    pairs = list(product(tries, benches))
    for (tried, _), judged in zip(pairs, pool.map(lambda pair: pair[1].judge(pair[0].setting), pairs), strict=True):
        tried.add(judged)
