"""Retraining by evidence: which champions have drifted, declined or grown old, and which models have none."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from ml.alerts import alert
from ml.monitoring.config import RetrainingConfig, load_config
from ml.times import DAY, AsOf, parse_as_of
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ml.models.records import Version
    from ml.models.spec import ModelSpec

log = logging.getLogger(__name__)

TABLE = "retraining_requests"
NO_CHAMPION = "no champion"
_COLUMNS = ("model", "triggers", "detail", "asked")
_NAMED = 3  # drifted features named in a reason


def retraining_reasons(
    as_of: str, drift: Mapping[str, Any], performance: Mapping[str, Any], *, warehouse: Warehouse | None = None
) -> dict[str, dict[str, str]]:
    """Weigh the evidence at `as_of`, write `retraining_requests`, and tell people of drift, decline and age.

    Args:
        as_of: the point in time that was watched.
        drift: what `watch_drift` returned.
        performance: what `measure_performance` returned.
        warehouse: default: the settings'.

    Returns:
        by model that should be trained: `trigger` (`drift`, `decline`, `age`, `no champion`, or several with commas)
        and `detail`. A model that was asked for within `wait_days` is left out, unless it has no champion.

    Raises:
        ConfigError: config/monitoring.yaml is wrong.
        RegistryUnavailable: MLflow does not answer.
    """
    from ml.models import registry
    from ml.models.spec import load_specs

    at, house, limits = parse_as_of(as_of), warehouse or Warehouse(), load_config().retraining
    recent = _recently_asked(at, house, limits)
    wanted: dict[str, dict[str, str]] = {}
    rows: list[tuple[Any, ...]] = []
    for name, spec in load_specs().items():
        found = dict(_evidence(spec, registry.champion(name), at, drift, performance))
        if found:
            asked = NO_CHAMPION in found or name not in recent
            reason = {"trigger": ", ".join(found), "detail": "; ".join(found.values())}
            rows.append((name, *reason.values(), asked))
            log.info("%s: %s%s", name, reason, "" if asked else f"; asked for in the last {limits.wait_days} days")
            wanted |= {name: reason} if asked else {}
    _write(rows, at, house)
    _tell(wanted, at)
    return wanted


def _evidence(
    spec: ModelSpec, champion: Version | None, at: AsOf, drift: Mapping[str, Any], performance: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield each trigger of one model and what it rests on."""
    if champion is None:
        yield NO_CHAMPION, "the model has no champion yet"
        return
    moved, came_true = drift["models"].get(spec.name, {}), performance["models"].get(spec.name, {})
    if moved.get("status") == "drifted":
        yield "drift", _drift_in_words(moved)
    if came_true.get("status") == "declined":
        yield "decline", came_true["detail"]
    learnt = parse_as_of(champion.tags["as_of"])
    age, oldest = (at.epoch - learnt.epoch) // DAY, spec.gates.max_age_days
    if age > oldest:
        yield "age", f"the champion learnt from data until {learnt.at:%Y-%m-%d}, {age} days ago; {oldest} are allowed"


def _drift_in_words(found: Mapping[str, Any]) -> str:
    farthest = [f"{column} {distance:.2f}" for column, distance in json.loads(found["drifted_columns"]).items()]
    named = f" ({', '.join(farthest[:_NAMED])})" if farthest else ""
    moved = f"{found['drifted']} of {found['columns_compared']} features drifted{named}"
    return f"{moved}; the scores' distance is {found['score_distance']:.2f}"


def _recently_asked(at: AsOf, house: Warehouse, limits: RetrainingConfig) -> set[str]:
    """Return the models asked for in the `wait_days` before `at`; what was asked at `at` itself may be asked again."""
    found = house.read(TABLE, ["model", "as_of"], {"asked": True, "as_of": (">", at.minus(limits.wait_days))})
    return set(found[found["as_of"] < at.at]["model"])


def _write(rows: list[tuple[Any, ...]], at: AsOf, house: Warehouse) -> None:
    import pandas as pd

    house.write(TABLE, pd.DataFrame(rows, columns=list(_COLUMNS)), {"as_of": at})


def _tell(wanted: Mapping[str, Mapping[str, str]], at: AsOf) -> None:
    """Send one alert for all that changed; that a new model is trained for the first time is no alarm."""
    changed = {name: reason for name, reason in wanted.items() if reason["trigger"] != NO_CHAMPION}
    if changed:
        named = ", ".join(f"{name} ({reason['trigger']})" for name, reason in changed.items())
        lines = [f"{name}: {reason['detail']}" for name, reason in changed.items()]
        alert(f"Training is asked for: {named}", "\n".join(lines), as_of=str(at))
