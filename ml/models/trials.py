"""Optuna's trials over all candidates of a model, on the benches of its inner folds.

Trials are asked for in rounds of a fixed size and told in a fixed order, so that what they find depends on data, seed
and number of trials, not on how many threads judge them. What falls behind the median of the finished trials after a
fold is pruned.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.models.setting import Setting, Tried
from ml.models.spaces import ranges
from ml.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from ml.models.setting import Bench
    from ml.models.spec_search import Search

_ROUND = 4  # trials asked for at once: part of what makes a search repeatable
_AT_RANDOM = 8  # trials before the sampler leans on what it has seen


class Trials:
    """The trials of one search: what was tried besides the file's values, how many were pruned, what cut it short.

    Args:
        written: the file's values by candidate, judged on every bench.
        benches: the inner folds.
        pool: judges settings side by side.
        weighs: whether weighing the positives is one of the choices.
    """

    def __init__(self, written: Mapping[str, Tried], benches: Sequence[Bench], pool: Executor, *, weighs: bool) -> None:
        self.written, self.benches, self.pool, self.weighs = written, benches, pool, weighs
        self.level = np.mean([tried.values for tried in written.values()], axis=0)  # how easy each fold is
        self.finished: list[Tried] = []
        self.pruned, self.cut = 0, False

    def run(self, granted: Search) -> None:
        """Try as many settings as are granted; no round begins when the time is up."""
        left, end = granted.trials, time.monotonic() + granted.seconds
        study = self._study() if left else None
        while study is not None and left > 0 and not self.cut:
            self._round(study, min(_ROUND, left))
            left -= _ROUND
            self.cut = left > 0 and time.monotonic() > end

    def _study(self) -> Study:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=settings().seed, n_startup_trials=len(self.written) + _AT_RANDOM)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=len(self.written))
        study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        for tried in self.written.values():
            study.add_trial(self._as_trial(tried))
        return study

    def _as_trial(self, tried: Tried) -> FrozenTrial:
        """Tell the study what the file's values came to."""
        from optuna.trial import create_trial

        setting, found = tried.setting, ranges(tried.setting.params)
        params: dict[str, Any] = {f"{setting.name}.{key}": getattr(setting.params, key) for key in found}
        params |= {"candidate": setting.name} | ({"balanced": setting.balanced} if self.weighs else {})
        values: dict[str, BaseDistribution] = {f"{setting.name}.{key}": r.distribution for key, r in found.items()}
        gains = {step: self._gain(tried, step) for step in range(len(self.benches))}
        last = gains[len(self.benches) - 1]
        return create_trial(
            params=params, distributions=values | self._choices(), value=last, intermediate_values=gains
        )

    def _choices(self) -> dict[str, BaseDistribution]:
        from optuna.distributions import CategoricalDistribution

        names: dict[str, BaseDistribution] = {"candidate": CategoricalDistribution(tuple(self.written))}
        return names | ({"balanced": CategoricalDistribution((False, True))} if self.weighs else {})

    def _round(self, study: Study, count: int) -> None:
        running = {trial: Tried(self._suggested(trial)) for trial in (study.ask() for _ in range(count))}
        for step, bench in enumerate(self.benches):
            judged = self.pool.map(bench.judge, [tried.setting for tried in running.values()])
            for (trial, tried), found in zip(running.items(), judged, strict=True):
                tried.add(found)
                trial.report(self._gain(tried, step), step)
            if step + 1 < len(self.benches):
                self._prune(study, running)
        for trial, tried in running.items():
            study.tell(trial, self._gain(tried, len(self.benches) - 1))
        self.finished += running.values()

    def _prune(self, study: Study, running: dict[Trial, Tried]) -> None:
        from optuna.trial import TrialState

        behind = [trial for trial in running if trial.should_prune()]
        for trial in behind:
            study.tell(trial, state=TrialState.PRUNED)
            del running[trial]
        self.pruned += len(behind)

    def _gain(self, tried: Tried, step: int) -> float:
        """Return how much better than the file's candidates a setting was, on average over the folds up to a step."""
        return float(np.mean(np.subtract(tried.values[: step + 1], self.level[: step + 1])))

    def _suggested(self, trial: Trial) -> Setting:
        written = self.written[trial.suggest_categorical("candidate", tuple(self.written))].setting
        balanced = trial.suggest_categorical("balanced", (False, True)) if self.weighs else written.balanced
        found = {key: r.ask(trial, f"{written.name}.{key}") for key, r in ranges(written.params).items()}
        return Setting(written.name, written.params.model_copy(update=found), balanced)
