"""Train a model at a point in time: from snapshots to a registered version and a decision about the champion."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from ml.errors import LeakFound
from ml.models.records import Record
from ml.models.spec import load_specs, model_spec
from ml.settings import settings
from ml.times import parse_as_of
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.models.dataset import TrainingSet
    from ml.models.fit import Fitted
    from ml.models.page.sections import Story
    from ml.models.records import Version
    from ml.models.scorer import Scorer
    from ml.models.spec import ModelSpec
    from ml.times import AsOf

log = logging.getLogger(__name__)

_REFERENCE_ROWS = 5_000
_LIBRARIES = ("scikit-learn", "xgboost-cpu", "lightgbm", "optuna", "numpy")


def model_names() -> list[str]:
    """Return every registered model of `config/models`. Raises `ConfigError` for a wrong file."""
    return list(load_specs())


def train_model(
    name: str,
    as_of: str,
    *,
    force: bool = False,
    ask: bool = False,
    reason: Mapping[str, str] | None = None,
    warehouse: Warehouse | None = None,
) -> dict[str, Any]:
    """Train a model on what was known at `as_of`, and let it take over when it is better than the champion.

    With `ask` a winner does not take over but is proposed to a person (`ml.models.champions.proposals`). Equal data,
    configuration and code find the finished run of before instead of a new one, unless `force`. The run and its version
    are tagged with the `reason` of the training that made them: `trigger` (see `ml.monitoring.retraining`) and
    `detail`.

    Returns:
        name, version, alias (`champion` or None), run_id, metrics of the test, the same for each baseline, status (a
        `records.Decision`) and decision (why).

    Raises:
        ConfigError: no such model.
        NotEnoughData: no closed label window, or too few customers or positives; says what was found and needed.
        LeakFound: the data have seen what is to be predicted, or the test is too good to be true.
        RegistryUnavailable: MLflow does not answer.
    """
    from ml.models import dataset, decide, leaks, registry, snapshots

    spec, at, house = model_spec(name), parse_as_of(as_of), warehouse or Warehouse()
    with house.held():
        chosen = snapshots.choose(spec, at, house)
        snapshots.ensure(spec, chosen, at, house)
        data = dataset.load(spec, chosen, house)
        leaks.check(spec, data, at, house)
    identity = {
        "model": name,
        "as_of": str(at),
        "spec_hash": spec.fingerprint(),
        "data_hash": data.digest(),
        "code_hash": code_hash(),
        "seed": str(settings().seed),
    }
    run_id = (None if force else registry.find_run(identity)) or _train(spec, data, identity | _why(reason), house)
    version = registry.register(name, run_id, identity)
    if not version.is_decided:
        version = decide.settle(spec, version, data.test, house, ask=ask)
    if version.decision == "stopped":
        raise LeakFound(f"{name} version {version.version}: {version.tags['decision_reason']}")
    return _result(version)


def _why(reason: Mapping[str, str] | None) -> dict[str, str]:
    """Return what called for this training, as tags; they are no part of a run's identity."""
    found = reason or {"trigger": "person", "detail": "called from Python"}
    return {"trigger": found["trigger"], "trigger_detail": found["detail"]}


def _result(version: Version) -> dict[str, Any]:
    from ml.models import registry

    found = json.loads(registry.read_artifact(version.run_id, "evaluation.json"))
    return {
        "name": version.name,
        "version": version.version,
        "alias": registry.CHAMPION if version.is_champion else None,
        "run_id": version.run_id,
        "metrics": found["metrics"],
        "baselines": found["baselines"],
        "status": version.decision,
        "decision": version.tags["decision_reason"],
    }


def _train(spec: ModelSpec, data: TrainingSet, identity: Mapping[str, str], house: Warehouse) -> str:
    """Fit, choose, measure, and log it all as one run; return the run's id."""
    from ml.models import evaluate, explain, fit, registry
    from ml.models.page.sections import Story

    with threadpool_limits(1, "blas"):  # candidates are fitted side by side; threads of BLAS would spin in their way
        fitted = fit.fit_candidates(spec, data)
        scorer = fitted.scorer
        explained = explain.add_reasons(spec, scorer, data, house)
        found = evaluate.evaluate(spec, fitted.chosen, fitted.candidates, data, house)
    with tempfile.TemporaryDirectory() as folder:
        _write_files(Path(folder), Story(spec, data, found, explained, fitted.told, fitted.measured))
        _write_reference(Path(folder), spec, scorer, data.test.as_of, house)
        return registry.log_run(
            Record(
                name=spec.name,
                title=f"{spec.name} {identity['as_of'][:10]}",
                tags=identity,
                params=_params(spec, fitted),
                metrics=found.flat() | fitted.measured | {"reasons_r2": explained.fidelity},
                snapshots=_snapshot_ids(spec, data),
                folder=Path(folder),
                scorer=scorer,
                example=data.test.features.head(5),
            )
        )


def _write_files(folder: Path, story: Story) -> None:
    """Write what a run keeps besides its model."""
    from ml.models.card import model_card, notes
    from ml.models.page.render import write_page

    spec, found = story.spec, story.found
    found.predictions.to_parquet(folder / "test_predictions.parquet", index=False)
    for name in ("deciles", "slices", "contacts", "thresholds"):
        getattr(found, name).to_csv(folder / f"{name}.csv", index=False)
    documents = {
        "evaluation.json": {
            "chosen": found.chosen,
            "metrics": found.metrics,
            "baselines": found.baselines,
            "candidates": found.candidates,
            "over_rule": asdict(found.over_rule),
            "notes": notes(spec, story.data, story.told),
        },
        "importance.json": story.explained.importance,
        "spec.json": spec.model_dump(mode="json"),
    }
    for name, content in documents.items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    (folder / "model_card.md").write_text(model_card(story), encoding="utf-8")
    write_page(story, folder)


def _write_reference(folder: Path, spec: ModelSpec, scorer: Scorer, at: AsOf, house: Warehouse) -> None:
    """Write who would have been scored at the test date, and how: what drift is measured against.

    These scores are out of sample, and their customers are drawn as scoring draws them; a model of an offer learns
    from those who were targeted, but scores everybody.
    """
    from ml.models.dataset import read_features

    everybody = read_features(house, spec, at, scorer.features, spec.population).sort_index()
    rows = everybody.sample(min(len(everybody), _REFERENCE_ROWS), random_state=settings().seed)
    rows.assign(score=scorer.predict(rows)).to_parquet(folder / "reference.parquet", index=False)


def _params(spec: ModelSpec, fitted: Fitted) -> dict[str, Any]:
    return {
        "chosen": fitted.chosen,
        "task": spec.task,
        "target": spec.target.id if spec.target else None,
        "horizon_days": spec.horizon_days,
        "active_window_days": spec.active_window_days,
        "calibration": spec.calibration,
        "threads": settings().threads,
        **fitted.told,
        **{f"{name}.{key}": v for name, params in fitted.params.items() for key, v in params.model_dump().items()},
    }


def _snapshot_ids(spec: ModelSpec, data: TrainingSet) -> list[dict[str, str]]:
    parts = ["train"] * len(data.train) + ["calibration", "test"]
    return [
        {
            "name": f"{spec.name} {snapshot.as_of.at.date()}",
            "as_of": str(snapshot.as_of),
            "digest": snapshot.digest(),
            "part": part,
            "rows": str(len(snapshot.label)),
        }
        for part, snapshot in zip(parts, data.snapshots, strict=True)
    ]


def code_hash() -> str:
    """Return a hash of the code and libraries that decide what a training gives."""
    from importlib.metadata import version

    files = [*Path(__file__).parent.glob("*.py"), Path(__file__).parent.parent / "features" / "matrix.py"]
    text = b"".join(path.read_bytes() for path in sorted(files))
    libraries = " ".join(f"{name}={version(name)}" for name in _LIBRARIES)
    return hashlib.sha256(text + libraries.encode()).hexdigest()[:16]
