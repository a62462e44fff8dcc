"""Watch the champions: are today's customers still those that each was accepted on?"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.monitoring.config import DriftConfig, Status, load_config
from ml.settings import settings
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.records import Version
    from ml.models.spec import ModelSpec

log = logging.getLogger(__name__)

SCORE = "score"
_ORDER: tuple[Status, ...] = ("ok", "warning", "drifted")


@dataclass(frozen=True)
class Finding:
    """What one champion's comparison gave; one row of `drift_runs`."""

    model: str
    model_version: str
    rows_compared: int
    columns_compared: int
    drifted: int
    share: float
    score_distance: float
    drifted_columns: str
    status: Status
    report: str


def watch_drift(as_of: str, *, warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Compare features and scores at `as_of` with every champion's reference; write `drift_runs`.

    The numbers decide; the HTML of each comparison is kept under `reports/drift` and, the latest one, with the
    champion's MLflow run.

    Returns:
        share of drifted features over all champions, drifted (whether training is called for), status (ok, warning,
        drifted, or `no champion`), report (folder of the pages) and, by model, the same.

    Raises:
        ConfigError: config/monitoring.yaml is wrong.
        NotEnoughData: no features were built at `as_of`.
        RegistryUnavailable: MLflow does not answer.
    """
    from ml.models import registry
    from ml.models.spec import load_specs

    at, house, limits = parse_as_of(as_of), warehouse or Warehouse(), load_config().drift
    champions = [(spec, found) for spec in load_specs().values() if (found := registry.champion(spec.name))]
    findings = [watched for spec, found in champions if (watched := _watch(spec, found, at, house, limits))]
    _forget_old_reports(limits.keep_reports)
    return _summary(findings, at) if findings else _nothing(bool(champions))


def _watch(spec: ModelSpec, champion: Version, at: AsOf, house: Warehouse, limits: DriftConfig) -> Finding | None:
    from ml.models import registry

    reference, current = _samples(spec, champion, at, house, limits)
    if len(current) < limits.min_rows:
        log.warning("%s: %d customers at %s say nothing about drift; skipped", spec.name, len(current), at)
        return None
    page = report_folder(at) / f"{spec.name}.html"
    finding = compare(reference, current, limits, champion, page)
    house.write("drift_runs", _frame(finding), {"as_of": at, "model": spec.name})
    registry.add_artifact(champion.run_id, page, "drift")
    log.info("%s version %s at %s: %s", spec.name, champion.version, at, asdict(finding))
    return finding


def _samples(
    spec: ModelSpec, champion: Version, at: AsOf, house: Warehouse, limits: DriftConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return reference and current customers, with the features that move the score most and the score."""
    import pandas as pd

    from ml.models import registry
    from ml.models.dataset import read_features

    scorer = registry.load_scorer(champion)
    weights = json.loads(registry.read_artifact(champion.run_id, "importance.json"))
    reference = pd.read_parquet(BytesIO(registry.read_artifact(champion.run_id, "reference.parquet")))
    current = read_features(house, spec, at, scorer.features, spec.population).sort_index()
    current = current.sample(min(len(current), limits.max_rows), random_state=settings().seed)
    current = current.assign(**{SCORE: scorer.predict(current) if len(current) else []})
    names = [name for name in weights if name not in limits.ignore][: limits.columns]
    return reference.head(limits.max_rows)[[*names, SCORE]], current.reset_index(drop=True)[[*names, SCORE]]


def compare(
    reference: pd.DataFrame, current: pd.DataFrame, limits: DriftConfig, champion: Version, page: Path
) -> Finding:
    """Measure every column's distance, write the page and judge: ok, warning or drifted."""
    from ml.monitoring.drift import distances

    page.parent.mkdir(parents=True, exist_ok=True)
    known = [name for name in reference if reference[name].notna().any() and current[name].notna().any()]
    found = distances(reference[known], current[known], limits.method, limits.threshold, page)
    score = found.pop(SCORE)
    features = [name for name in reference if name != SCORE]
    missing = (current[features].isna().mean() - reference[features].isna().mean()).abs()
    drifted = {name: value for name, value in found.items() if value > limits.threshold}
    drifted |= {f"{name} (missing)": float(v) for name, v in missing.items() if v > limits.missing_change}
    count = len({name.removesuffix(" (missing)") for name in drifted})
    return Finding(
        model=champion.name,
        model_version=champion.version,
        rows_compared=len(current),
        columns_compared=len(features),
        drifted=count,
        share=count / max(len(features), 1),
        score_distance=score,
        drifted_columns=json.dumps(dict(sorted(drifted.items(), key=lambda item: -item[1]))),
        status=_status(count / max(len(features), 1), score, limits),
        report=str(page.relative_to(settings().reports)),
    )


def _status(share: float, score_distance: float, limits: DriftConfig) -> Status:
    if share >= limits.drift_share or score_distance > limits.threshold:
        return "drifted"
    return "warning" if share >= limits.warn_share else "ok"


def report_folder(at: AsOf) -> Path:
    """Return the folder of the pages of one point in time."""
    return settings().reports / "drift" / f"{at.at:%Y-%m-%dT%H%M}"


def _forget_old_reports(keep: int) -> None:
    folders = sorted((settings().reports / "drift").glob("*-*-*T*"))
    for folder in folders[:-keep]:
        shutil.rmtree(folder, ignore_errors=True)


def _frame(finding: Finding) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([asdict(finding)]).drop(columns="model")


def _nothing(champions: bool) -> dict[str, Any]:
    status = "too few customers" if champions else "no champion"
    return {"share": 0.0, "drifted": False, "status": status, "report": None, "models": {}}


def _summary(findings: list[Finding], at: AsOf) -> dict[str, Any]:
    worst = max((finding.status for finding in findings), key=_ORDER.index)
    columns = sum(finding.columns_compared for finding in findings)
    return {
        "share": sum(finding.drifted for finding in findings) / max(columns, 1),
        "drifted": worst == "drifted",
        "status": worst,
        "report": str(report_folder(at)),
        "models": {finding.model: asdict(finding) for finding in findings},
    }
