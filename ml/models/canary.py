"""The canary: a test too good to be true stops a promotion, and says which features carry it.

What the assertions of `leaks.py` cannot know, such as a source that writes its past anew, shows as a ranking that no
honest data allow: above the model's ceiling, or far above what its champion reaches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.models.evaluate import DRAWS, metrics_of
from ml.models.metrics import Predicted, bootstrap, interval, measure
from ml.settings import settings

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.dataset import Snapshot
    from ml.models.metrics import Array
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec

_ROWS = 4_000  # customers whose features are shuffled: enough to see what carries a leak
_SHOWN = 5


def suspicions(spec: ModelSpec, seen: pd.DataFrame, rescored: Array | None, then: pd.DataFrame | None) -> list[str]:
    """Return why a test is too good to be true, in words; an empty list when it is not.

    Args:
        spec: the model, with `gates.ceiling` and `gates.max_jump`.
        seen: the challenger's test, one row a customer: customer_key, actual, chosen (its score).
        rescored: the champion's scores of the same rows, from the same features.
        then: the same frame from the champion's own test. A leak that is in the stored features lifts `rescored`,
            too; this it cannot reach.
    """
    metric = metrics_of(spec)[spec.primary]
    reached = measure(_predicted(seen), {"it": metric})["it"]
    found = []
    if reached > spec.gates.ceiling:
        found.append(f"{spec.primary} {reached:.4f} is above the ceiling of {spec.gates.ceiling:g}")
    if rescored is not None:
        rival = measure(Predicted(seen["actual"].to_numpy(), rescored), {"it": metric})["it"]
        found += _jump(spec, reached - rival, "the champion on the same customers")
    if then is not None:
        found += _jump(spec, *_gain_since(spec, seen, then))
    return found


def carriers(spec: ModelSpec, scorer: Scorer, test: Snapshot) -> dict[str, float]:
    """Return the features whose shuffling costs the most AUC (or Gini), and how much (Breiman 2001).

    One feature at a time among the test customers; those that say the same thing share what they carry.
    """
    rng = np.random.default_rng(settings().seed)
    rows = rng.permutation(len(test.label))[:_ROWS]
    frame, actual = test.features.iloc[rows].reset_index(drop=True), test.label[rows]
    metric = {"it": metrics_of(spec)[spec.primary]}

    def reached(features: pd.DataFrame) -> float:
        return measure(Predicted(actual, scorer.raw(features)), metric)["it"]

    whole = reached(frame)
    lost = {
        name: whole - reached(frame.assign(**{name: rng.permutation(frame[name].to_numpy())}))
        for name in scorer.features
    }
    worst = sorted(lost, key=lambda name: -lost[name])[:_SHOWN]
    return {name: lost[name] for name in worst if lost[name] > 0}


def _jump(spec: ModelSpec, gain: float, over: str) -> list[str]:
    if gain <= spec.gates.max_jump:
        return []
    return [f"{spec.primary} is {gain:+.4f} over {over}; {spec.gates.max_jump:g} is believed"]


def _gain_since(spec: ModelSpec, seen: pd.DataFrame, then: pd.DataFrame) -> tuple[float, str]:
    """Return the gain over the champion's own test, and over what it is: the customers of both in the same window.

    Two windows differ by themselves, so of those the gain is the lower end of its 90% interval.
    """
    metric = metrics_of(spec)[spec.primary]
    both = seen.merge(then[["customer_key", "actual", "chosen"]], on="customer_key", suffixes=("", "_then"))
    if len(both) > len(seen) / 2 and (both["actual"] == both["actual_then"]).all():
        ours, theirs = (_predicted(both, score) for score in ("chosen", "chosen_then"))
        gain = measure(ours, {"it": metric})["it"] - measure(theirs, {"it": metric})["it"]
        return gain, "what the champion reached on the same customers when it was tested"
    draws = [
        bootstrap(_predicted(rows), metric, DRAWS, settings().seed + number) for number, rows in enumerate((seen, then))
    ]
    return interval(draws[0] - draws[1], 0.9)[0], "what the champion reached at its own test, at the least"


def _predicted(rows: pd.DataFrame, score: str = "chosen") -> Predicted:
    return Predicted(rows["actual"].to_numpy(), rows[score].to_numpy())
