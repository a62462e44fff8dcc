"""Where scores are cut: at the share that marketing will contact, and where the segments draw their lines."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.errors import ConfigError
from ml.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ml.models.metrics import Array, Predicted
    from ml.models.spec import ModelSpec
    from ml.segments.forms import Bounds, Portion
    from ml.segments.standing import ScoreCondition

_TESTS = {"above": operator.gt, "at_least": operator.ge, "below": operator.lt, "at_most": operator.le}
_Z = 1.96
_ROUND = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_FEWEST = 0.01


@dataclass(frozen=True, eq=False)
class Choice:
    """Customers that are chosen by their score: how that is said, which segments do so, and who is in."""

    words: str
    segments: tuple[str, ...]
    chosen: NDArray[np.bool_]


def contact_choices(spec: ModelSpec, score: Array) -> list[Choice]:
    """Return the customers at the contact share, its half and its double; equal scores go by customer."""
    place = _places(score)
    return [
        Choice(f"highest {share * 100:.3g}%", (), place <= np.ceil(share * len(score)))
        for share in spec.evaluation.shares
    ]


def segment_choices(name: str, score: Array) -> list[Choice]:
    """Return the customers that each condition of a segment on the score of this name would choose from among these."""
    from ml.segments.words import sentence

    used: dict[Any, list[str]] = {}
    for segment, condition in _conditions(name):
        used.setdefault(condition, []).append(segment)
    return [Choice(sentence(c, {}), tuple(names), meets(c, score)) for c, names in used.items()]


def round_choices(spec: ModelSpec, score: Array) -> list[Choice]:
    """Return the customers above round probabilities that some but not all of them reach; none for cents."""
    if spec.kind == "cents":
        return []
    least, most = _FEWEST * len(score), (1 - _FEWEST) * len(score)
    found = [Choice(f"probability at least {at:g}", (), score >= at) for at in _ROUND]
    return [choice for choice in found if least <= choice.chosen.sum() <= most]


def meets(condition: ScoreCondition, score: Array) -> NDArray[np.bool_]:
    """Return whether each score (n,) meets a condition of the segment language, shape (n,), were these everybody."""
    percentile = np.searchsorted(np.sort(score), score, side="right") / len(score)
    asked = [(score, condition.probability), (score, condition.expected_value), (percentile, condition.percentile)]
    tests = [_TESTS[name](values, bound) for values, bounds in asked for name, bound in _bounds(bounds)]
    if condition.break_even is not None:
        tests.append(score >= condition.break_even.probability)
    for portion, place in ((condition.top, _places(score)), (condition.bottom, _places(-score))):
        if portion is not None:
            tests.append(place <= _number(portion, len(score)))
    return np.asarray(np.logical_and.reduce(tests), dtype=np.bool_)


def threshold_table(spec: ModelSpec, scores: Mapping[str, Predicted]) -> pd.DataFrame:
    """Return a `choice_table` of the segments' conditions on any of a model's scores, then of round probabilities.

    `scores` are what was predicted and happened, by the name under which a score is stored: of a survival model one a
    horizon, each of them with its own outcome. Round probabilities are those of `spec.score_name`.
    """
    chosen = {name: segment_choices(name, p.score) for name, p in scores.items()}
    chosen[spec.score_name] += round_choices(spec, scores[spec.score_name].score)
    tables = [choice_table(spec, chosen[name], p.score, p.actual) for name, p in scores.items() if chosen[name]]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def choice_table(spec: ModelSpec, choices: list[Choice], score: Array, actual: Array) -> pd.DataFrame:
    """Return one row a choice: what the scores promise of it beside what happened.

    Columns: choice, segments, customers, share, lowest (score chosen); for probabilities hits (true positives),
    false_alarms, missed and left_out (true negatives), each with `expected_` before it from the calibrated
    probabilities, expected_hits_low and _high (95%, Poisson binomial), precision with precision_low and _high
    (Wilson 1927), recall, lift; for cents expected and actual cents, captured (share of all), lift.
    """
    fill = _amounts if spec.kind == "cents" else _counts
    rows = [{**_sizes(choice, score), **fill(choice.chosen, score, actual)} for choice in choices]
    return pd.DataFrame(rows)


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share; from 0 to 1 of nobody."""
    if n == 0:
        return 0.0, 1.0
    share, room = hits / n, _Z**2 / n
    middle, half = (share + room / 2) / (1 + room), _Z * np.sqrt((share * (1 - share) + room / 4) / n) / (1 + room)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def _sizes(choice: Choice, score: Array) -> dict[str, Any]:
    count = int(choice.chosen.sum())
    return {
        "choice": choice.words,
        "segments": ", ".join(choice.segments),
        "customers": count,
        "share": count / len(score),
        "lowest": float(score[choice.chosen].min()) if count else float("nan"),
    }


def _counts(chosen: NDArray[np.bool_], score: Array, actual: Array) -> dict[str, float]:
    inside, outside = score[chosen], score[~chosen]
    hits, missed = float(actual[chosen].sum()), float(actual[~chosen].sum())
    spread = _Z * float(np.sqrt((inside * (1 - inside)).sum()))
    precision = _ratio(hits, len(inside))
    low, high = wilson(hits, len(inside))
    return {
        "hits": hits,
        "expected_hits": float(inside.sum()),
        "expected_hits_low": max(0.0, float(inside.sum()) - spread),
        "expected_hits_high": min(float(len(inside)), float(inside.sum()) + spread),
        "false_alarms": len(inside) - hits,
        "expected_false_alarms": len(inside) - float(inside.sum()),
        "missed": missed,
        "expected_missed": float(outside.sum()),
        "left_out": len(outside) - missed,
        "expected_left_out": len(outside) - float(outside.sum()),
        "precision": precision,
        "precision_low": low,
        "precision_high": high,
        "recall": _ratio(hits, hits + missed),
        "lift": _ratio(precision, float(actual.mean())),
    }


def _amounts(chosen: NDArray[np.bool_], score: Array, actual: Array) -> dict[str, float]:
    found, total = float(actual[chosen].sum()), float(actual.sum())
    captured = _ratio(found, total)
    return {
        "expected": float(score[chosen].sum()),
        "actual": found,
        "captured": captured,
        "lift": _ratio(captured, float(chosen.mean())),
    }


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else float("nan")


def _places(score: Array) -> NDArray[np.int64]:
    """Return each score's place, 1 the highest; equal scores in the order of the customers, as segments break ties."""
    place = np.empty(len(score), dtype=np.int64)
    place[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    return place


def _bounds(bounds: Bounds | None) -> list[tuple[str, int | float]]:
    return bounds.bounds if bounds is not None else []


def _number(portion: Portion, everybody: int) -> float:
    if portion.share is None:
        return float(portion.count or 0)
    return float(np.ceil(portion.share * everybody - 1e-9))  # 0.15 of 2,000 is 300 and not 301


def _conditions(score: str) -> list[tuple[str, ScoreCondition]]:
    """Return the segments' conditions on a score; definitions that are wrong are reported elsewhere."""
    from ml.segments.catalogue import load_catalogue
    from ml.segments.conditions import leaves
    from ml.segments.standing import ScoreCondition

    try:
        segments = load_catalogue(settings().config_dir / "segments").segments
    except ConfigError:
        return []
    return [
        (name, leaf)
        for name, segment in segments.items()
        for leaf in leaves(segment.who)
        if isinstance(leaf, ScoreCondition) and leaf.score == score and leaf.rank is None  # other models decide
    ]
