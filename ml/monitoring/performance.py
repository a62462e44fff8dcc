"""Realised performance: scores given in the past, joined to what their customers did since."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.monitoring.config import PerformanceConfig, load_config
from ml.settings import settings
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.metrics import Predicted
    from ml.models.records import Version
    from ml.models.spec import ModelSpec

log = logging.getLogger(__name__)

TABLE, DECILES = "realised_performance", "realised_deciles"
_KEPT = ["decile", "customers", "expected", "actual", "actual_low", "actual_high"]


@dataclass(frozen=True)
class Point:
    """One point in time that a version of a model scored; `by` is None when this registry has no such version."""

    spec: ModelSpec
    scored: AsOf
    version: str
    by: Version | None

    @property
    def partition(self) -> dict[str, Any]:
        """Where its rows go."""
        return {"scored_as_of": self.scored, "model": self.spec.name}


def measure_performance(as_of: str, *, warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Measure every point in time whose label window has closed at `as_of` and that is not measured yet.

    Labels are built by the SQL that training uses, joined to the scores given then, and measured by the metrics of
    the test. Rows go to `realised_performance` and `realised_deciles`, numbers to the MLflow run of the version that
    gave the scores, a page over time under `reports/performance` and to the champion's run. Scores of a version that
    learnt from later data say nothing about it and are left out.

    Returns:
        measured (points in time), status (the worst of the champions': ok, declined, or `not judged`) and, by model
        that has a champion, status, detail and scored_as_of of the champion's latest measured scores.

    Raises:
        ConfigError: config/monitoring.yaml is wrong.
        RegistryUnavailable: MLflow does not answer.
    """
    from ml.models import registry
    from ml.models.spec import load_specs

    at, house, limits = parse_as_of(as_of), warehouse or Warehouse(), load_config().performance
    due = list(_due(at, house, limits))
    for point in due:
        _measure(point, at, house, limits)
    champions = {name: registry.champion(name) for name in load_specs()}
    known = house.read(TABLE)
    known = known[_closes(known, "scored_as_of", limits) <= at.at]
    for name in {point.spec.name for point in due}:
        _draw_page(name, champions[name], known[known["model"] == name], house)
    judged = {name: judgement(known, found) for name, found in champions.items() if found}
    statuses = {found["status"] for found in judged.values()}
    worst = next((status for status in ("declined", "ok") if status in statuses), "not judged")
    return {"measured": len(due), "status": worst, "models": judged}


def _due(at: AsOf, house: Warehouse, limits: PerformanceConfig) -> Iterator[Point]:
    """Yield what is to be measured, the latest first."""
    from ml.models import registry
    from ml.models.spec import model_spec

    versions: dict[tuple[str, str], Version | None] = {}
    for name, moment, number in _unmeasured(at, house, limits).itertuples(index=False, name=None):
        if (name, number) not in versions:
            versions[name, number] = registry.version(name, number)
        point = Point(model_spec(name), parse_as_of(moment.to_pydatetime()), number, versions[name, number])
        if point.by is None or point.by.tags.get("as_of", "") <= str(point.scored):
            yield point


def _unmeasured(at: AsOf, house: Warehouse, limits: PerformanceConfig) -> pd.DataFrame:
    """Return model, as_of and model_version of closed windows without a row yet, at most `windows` a model."""
    from ml.models.spec import load_specs

    house.create("customer_scores")
    longest = max((spec.horizon_days for spec in load_specs().values()), default=0)
    since = at.minus(longest + limits.settle_days + limits.lookback_days)
    scored = house.select("5_scores/queries/scored_points.sql", since=since, until=at)
    # Of a survival model the horizon by which it is judged; its other scores have no name of a model.
    judged = {spec.score_name: name for name, spec in load_specs().items()}
    scored = scored.assign(model=scored["model"].astype(object).map(judged)).dropna(subset=["model"])
    known = house.read(TABLE, ["model", "scored_as_of", "model_version"], {"scored_as_of": (">=", since.at)})
    known = known.drop_duplicates().rename(columns={"scored_as_of": "as_of"})
    closes = _closes(scored, "as_of", limits)
    due = scored[(closes <= at.at) & (closes >= at.minus(limits.lookback_days).at)]
    new = due.merge(known, how="left", indicator=True)
    return new[new["_merge"] == "left_only"].drop(columns="_merge").groupby("model").head(limits.windows)


def _closes(rows: pd.DataFrame, column: str, limits: PerformanceConfig) -> pd.Series:
    """Return when the label windows that begin at `column` have closed and settled; missing for unknown models."""
    import pandas as pd

    from ml.models.spec import load_specs

    days = rows["model"].astype(object).map({name: spec.horizon_days for name, spec in load_specs().items()})
    settled = pd.to_timedelta(days.astype(float) + limits.settle_days, unit="D")
    return rows[column].astype("datetime64[us]") + settled


def _measure(point: Point, at: AsOf, house: Warehouse, limits: PerformanceConfig) -> None:
    import pandas as pd

    from ml.models.evaluate import decile_table, metrics_of
    from ml.monitoring.realised import realise

    predicted = _joined(point, at, house)
    promise = _promise(point.by)
    hindrance = "" if point.by else f"this registry has no version {point.version}"
    found = list(realise(predicted, metrics_of(point.spec), promise, limits, hindrance=hindrance, seed=settings().seed))
    if len(predicted.score):
        house.write(DECILES, decile_table(predicted).rename(columns={"predicted": "expected"})[_KEPT], point.partition)
    counts = {"customers": len(predicted.score), "positives": int((predicted.actual > 0).sum())}
    rows = pd.DataFrame([asdict(row) for row in found])
    house.write(TABLE, rows.assign(model_version=point.version, as_of=at.at, **counts), point.partition)
    log.info("%s version %s, scored %s: %s", point.spec.name, point.version, point.scored, _told(rows))
    _chart(point, {row.metric: row.value for row in found if row.value is not None})


def _joined(point: Point, at: AsOf, house: Warehouse) -> Predicted:
    """Return the scores given then and what happened, for the customers who have both."""
    from ml.models import dataset, snapshots
    from ml.models.metrics import Predicted

    snapshots.label(point.spec, point.scored, at, house)
    outcomes = dataset.read_outcomes(house, point.spec, point.scored)
    given = {"as_of": point.scored.at, "model": point.spec.score_name}
    scores = house.read("customer_scores", ["customer_key", "score"], given).astype({"customer_key": "int64"})
    both = scores[scores["customer_key"].isin(outcomes.index)].sort_values("customer_key")
    actual = outcomes.reindex(both["customer_key"]).to_numpy(dtype=np.float64)
    return Predicted(actual, both["score"].to_numpy(dtype=np.float64))


def _promise(version: Version | None) -> Mapping[str, float]:
    """Return the metrics of a version's test."""
    from ml.models import registry

    if version is None:
        return {}
    found: dict[str, float] = json.loads(registry.read_artifact(version.run_id, "evaluation.json"))["metrics"]
    return found


def _chart(point: Point, metrics: Mapping[str, float]) -> None:
    from ml.models import registry

    if point.by and metrics:
        named = {f"realised_{name}": value for name, value in metrics.items()}
        registry.add_metrics(point.by.run_id, named, point.scored)


def judgement(known: pd.DataFrame, champion: Version) -> dict[str, Any]:
    """Return status, detail and scored_as_of of the latest scores of a champion that have come true.

    Args:
        known: rows of `realised_performance`.
        champion: whose scores count; what another version promised is no reason to train anew.
    """
    rows = known[(known["model"] == champion.name) & (known["model_version"] == champion.version)]
    if rows.empty:
        return {"status": "not judged", "detail": "no score of the champion has come true yet", "scored_as_of": None}
    last = rows["scored_as_of"].max()
    now = rows[rows["scored_as_of"] == last]
    status = next((s for s in ("declined", "ok") if (now["status"] == s).any()), "not judged")
    when = parse_as_of(last.to_pydatetime())
    return {"status": status, "detail": f"scored {when.at:%Y-%m-%d}: {_told(now)}", "scored_as_of": str(when)}


def _told(rows: pd.DataFrame) -> str:
    """Return the findings in words: the declined ones, else all that there are."""
    worst = rows[rows["status"] == "declined"]
    found = (rows if worst.empty else worst)["finding"]
    return "; ".join(dict.fromkeys(words for words in found if words))


def _draw_page(name: str, champion: Version | None, rows: pd.DataFrame, house: Warehouse) -> None:
    from ml.models import registry
    from ml.monitoring.page import write_page

    deciles = house.read(DECILES, where={"model": name, "scored_as_of": rows["scored_as_of"].max().to_pydatetime()})
    page = write_page(name, rows, deciles, settings().reports / "performance" / f"{name}.html")
    if champion:
        registry.add_artifact(champion.run_id, page, "performance")
