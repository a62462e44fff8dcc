"""Champion and challenger: whether a registered version may take over, judged on the same test customers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

import pandas as pd

from ml.errors import ConfigError
from ml.models import registry
from ml.models.baselines import rules
from ml.models.dataset import read_features
from ml.models.evaluate import DRAWS, metrics_of
from ml.models.metrics import Predicted, paired_interval
from ml.settings import settings

if TYPE_CHECKING:
    from ml.models.dataset import Snapshot
    from ml.models.metrics import Array
    from ml.models.registry import Version
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec
    from ml.warehouse import Warehouse

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, why, and the figures it rests on (tags of the version)."""

    promote: bool
    reason: str
    figures: dict[str, str] = field(default_factory=dict)


def settle(spec: ModelSpec, challenger: Version, test: Snapshot, warehouse: Warehouse) -> Version:
    """Decide on a version, move the alias if it wins, and write down why. May be repeated."""
    verdict = judge(spec, challenger, test, warehouse)
    log.info("%s version %s: %s", spec.name, challenger.version, verdict.reason)
    tags = {"decision_reason": verdict.reason, **verdict.figures}
    return registry.decide(challenger, verdict.promote, tags)


def judge(spec: ModelSpec, challenger: Version, test: Snapshot, warehouse: Warehouse) -> Verdict:
    """Return whether a version may become champion.

    It must not be clearly worse than its gates ask against the rules and the linear baseline, and its loss to the
    champion on the same resampled customers must stay within `gates.champion_loss`.
    """
    seen = pd.read_parquet(BytesIO(registry.read_artifact(challenger.run_id, "test_predictions.parquet")))
    failed = _failed_gates(spec, seen)
    if failed:
        return Verdict(False, f"kept back: {'; '.join(failed)}")
    champion = registry.champion(spec.name)
    if champion is None:
        return Verdict(True, "first version that passed its gates")
    if champion.version == challenger.version:
        return Verdict(True, "champion already; the decision was interrupted")
    if champion.tags["as_of"] > challenger.tags["as_of"]:
        return Verdict(False, f"kept back: champion {champion.version} learnt from later data")
    return _against(spec, champion, seen, test, warehouse)


def _failed_gates(spec: ModelSpec, seen: pd.DataFrame) -> list[str]:
    """Return the gates that the model misses for certain: even the interval's upper end is below."""
    needed = dict.fromkeys(rules(spec), spec.gates.rule_gain) | {spec.linear: spec.gates.linear_gain}
    found = []
    for name, least in needed.items():
        gain, _, high = _gain(spec, seen["actual"], seen["chosen"], seen[name])
        if high < least:
            found.append(f"{spec.primary} {gain:+.4f} against {name}, at least {least:+.4f} needed")
    return found


def _against(spec: ModelSpec, champion: Version, seen: pd.DataFrame, test: Snapshot, warehouse: Warehouse) -> Verdict:
    try:
        rival = _predict(spec, registry.load_scorer(champion), test, warehouse)
    except ConfigError as error:
        return Verdict(True, f"champion {champion.version} can no longer be scored: {error}")
    gain, low, high = _gain(spec, seen["actual"], seen["chosen"], rival)
    better = low >= -spec.gates.champion_loss
    figures = {
        "compared_with": champion.version,
        "gain": f"{gain:.5f}",
        "gain_low": f"{low:.5f}",
        "gain_high": f"{high:.5f}",
    }
    told = f"{spec.primary} {gain:+.4f} [{low:+.4f}, {high:+.4f}] against champion {champion.version}"
    allowed = f"a loss of {spec.gates.champion_loss} is allowed"
    return Verdict(better, f"{'not worse' if better else 'kept back, may be worse'}: {told}; {allowed}", figures)


def _predict(spec: ModelSpec, scorer: Scorer, test: Snapshot, warehouse: Warehouse) -> Array:
    """Score the test customers with a scorer that may see other features than the challenger."""
    frame = read_features(warehouse, spec, test.as_of, scorer.features)
    return scorer.predict(frame.loc[test.keys].reset_index(drop=True))


def _gain(spec: ModelSpec, actual: pd.Series, ours: pd.Series, theirs: pd.Series | Array) -> tuple[float, float, float]:
    outcome, metric = actual.to_numpy(), metrics_of(spec)[spec.primary]
    pair = (Predicted(outcome, ours.to_numpy()), Predicted(outcome, pd.Series(theirs).to_numpy()))
    return paired_interval(pair, metric, DRAWS, settings().seed)
