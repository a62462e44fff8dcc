"""Champion and challenger: whether a registered version may take over, judged on the same test customers.

Whatever is decided, the version's tags say it: `decision` (see `records.Decision`), `decision_reason`, `decided_by`,
`decided_at`, the figures it rests on, and where a person had a say `approved_by` and `note`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING

import pandas as pd

from ml.errors import ConfigError, FatalError
from ml.models import canary, registry
from ml.models.baselines import BTYD, rules
from ml.models.dataset import read_features
from ml.models.evaluate import gain_over, over_best_rule
from ml.times import DAY, parse_as_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.models.dataset import Snapshot
    from ml.models.metrics import Array
    from ml.models.records import Decision, Version
    from ml.models.spec import ModelSpec
    from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

RULES = "rules"
"""Who decided where no person did: the rules of this module."""


@dataclass(frozen=True)
class Verdict:
    """What is decided, why, and the figures it rests on (tags of the version)."""

    decision: Decision
    reason: str
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Rival:
    """The champion: its scores of the challenger's test customers, and its own test; neither when it cannot be used."""

    version: Version
    scores: Array | None = None
    then: pd.DataFrame | None = None
    problem: str = ""


def settle(spec: ModelSpec, challenger: Version, test: Snapshot, warehouse: Warehouse, *, ask: bool = False) -> Version:
    """Decide on a version, move the alias if it wins, and write down why. May be repeated.

    With `ask` the alias stays where it is: a winner is only proposed, for a person to approve (`champions.answer`).
    """
    verdict = judge(spec, challenger, test, warehouse)
    decision: Decision = "proposed" if ask and verdict.decision == "promoted" else verdict.decision
    log.info("%s version %s is %s: %s", spec.name, challenger.version, decision, verdict.reason)
    return write(challenger, decision, {"decision_reason": verdict.reason, **verdict.figures})


def write(version: Version, decision: Decision, tags: Mapping[str, str], by: str = RULES) -> Version:
    """Move the alias if the decision says so, then write it down; in this order, so that it may be repeated."""
    if decision == "promoted":
        registry.crown(version)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return registry.tag(version, {**tags, "decided_by": by, "decided_at": when, "decision": decision})


def judge(spec: ModelSpec, challenger: Version, test: Snapshot, warehouse: Warehouse) -> Verdict:
    """Return whether a version may become champion.

    Never when its test is too good to be true, when it misses a gate for certain, or when it learnt from older data
    than the champion. Else when it is the first, or better than the champion for certain, or not worse than a champion
    that is stale.
    """
    champion = registry.champion(spec.name)
    if champion is not None and champion.version == challenger.version:
        return Verdict("promoted", "champion already; the decision was interrupted")
    if champion is not None and champion.tags["as_of"] > challenger.tags["as_of"]:
        return Verdict("kept", f"kept back: champion {champion.version} learnt from later data")
    seen = _tested(challenger)
    rival = None if champion is None else _on_these(spec, champion, test, warehouse)
    found = (
        _alarm(spec, challenger, seen, rival, test) or _missed(spec, seen) or _against(spec, challenger, seen, rival)
    )
    return _beside_rules(spec, found, seen)


def _beside_rules(spec: ModelSpec, found: Verdict, seen: pd.DataFrame) -> Verdict:
    """Add what the model gains over the best rule, and say of one that takes over when that may be nothing."""
    gain = over_best_rule(spec, seen)
    figures = {**found.figures, "rule": gain.over, **gain.tags("rule_")}
    doubt = f"; {gain.words()}" if found.decision == "promoted" and not gain.is_shown else ""
    return replace(found, reason=found.reason + doubt, figures=figures)


def _tested(version: Version) -> pd.DataFrame:
    """Return the test of a version's run, one row a customer: customer_key, actual, chosen, and its baselines."""
    return pd.read_parquet(BytesIO(registry.read_artifact(version.run_id, "test_predictions.parquet")))


def _on_these(spec: ModelSpec, champion: Version, test: Snapshot, warehouse: Warehouse) -> _Rival:
    """Score the test customers with the champion, which may see other features than the challenger."""
    try:
        scorer = registry.load_scorer(champion)
        frame = read_features(warehouse, spec, test.as_of, scorer.features)
        return _Rival(champion, scorer.predict(frame.loc[test.keys].reset_index(drop=True)), _tested(champion))
    except (ConfigError, FatalError, AttributeError) as error:
        return _Rival(champion, problem=str(error))


def _alarm(
    spec: ModelSpec, challenger: Version, seen: pd.DataFrame, rival: _Rival | None, test: Snapshot
) -> Verdict | None:
    found = canary.suspicions(spec, seen, rival.scores if rival else None, rival.then if rival else None)
    if not found:
        return None
    carried = canary.carriers(spec, registry.load_scorer(challenger), test)
    shown = ", ".join(f"{name} ({lost:.3f})" for name, lost in carried.items())
    return Verdict(
        "stopped",
        f"stopped, a leak is likely: {'; '.join(found)}. Carried by {shown or 'no single feature'}. If this is honest, "
        f"raise the gate or promote it by hand: audienceflow models promote {spec.name} {challenger.version}",
        {"carried_by": shown},
    )


def _missed(spec: ModelSpec, seen: pd.DataFrame) -> Verdict | None:
    """Return the gates that the model misses for certain: even the interval's upper end is below.

    Expected spend must not only rank: where it explains less than BTYD does, its level or spread is wrong.
    """
    ranks = dict.fromkeys(rules(spec), spec.gates.rule_gain) | {spec.linear: spec.gates.linear_gain}
    needed = [(spec.primary, name, least) for name, least in ranks.items()]
    needed += [("explained", BTYD, 0.0)] if spec.kind == "cents" else []
    found = []
    for metric, name, least in needed:
        gain = gain_over(spec, seen, name, seen[name].to_numpy(), metric)
        if gain.high < least:
            found.append(f"{metric} {gain.mean:+.4f} against {name}, at least {least:+.4f} needed")
    return Verdict("kept", f"kept back: {'; '.join(found)}") if found else None


def _against(spec: ModelSpec, challenger: Version, seen: pd.DataFrame, rival: _Rival | None) -> Verdict:
    if rival is None:
        return Verdict("promoted", "first version that passed its gates")
    name, compared = f"champion {rival.version.version}", {"compared_with": rival.version.version}
    if rival.scores is None:
        return Verdict("promoted", f"{name} can no longer be scored: {rival.problem}", compared)
    gain = gain_over(spec, seen, name, rival.scores, spec.primary)
    age = (parse_as_of(challenger.tags["as_of"]).epoch - parse_as_of(rival.version.tags["as_of"]).epoch) / DAY
    decision, words = _compared(spec, gain.low, age)
    return Verdict(
        decision, f"{words}: {gain} against {name}", {**compared, **gain.tags(""), "champion_age": f"{age:.0f}"}
    )


def _compared(spec: ModelSpec, low: float, age: float) -> tuple[Decision, str]:
    """Return the decision and its reason, from the lower end of the gain and the champion's age in days."""
    gates = spec.gates
    if low > 0:
        return "promoted", "better"
    stale = f"the champion is {age:.0f} days older, {gates.max_age_days} are allowed"
    if age <= gates.max_age_days:
        return "kept", f"kept back, not better for certain ({stale})"
    if low >= -gates.champion_loss:
        return "promoted", f"not worse by more than {gates.champion_loss:g}, and {stale}"
    return "kept", f"kept back, may be worse by more than {gates.champion_loss:g} (although {stale})"
