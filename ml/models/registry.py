"""The registry: the only place that knows MLflow. Runs, registered versions, and the alias `champion`.

Every step may be killed and repeated: a run counts once it is FINISHED, a version once it carries a decision, and
the alias moves before the decision is written, so that a repeated training picks up where the last one stopped.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from ml.errors import FatalError
from ml.models.contents import TRUSTED, requirements
from ml.models.probe import ENVIRONMENT, probe, sqlite_file, unavailable
from ml.models.records import Version
from ml.settings import settings
from ml.times import DAY

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from ml.models.records import Record
    from ml.models.scorer import Scorer
    from ml.times import AsOf

log = logging.getLogger(__name__)

EXPERIMENT = "audienceflow"
CHAMPION = "champion"
TRIGGER = ("trigger", "trigger_detail")
"""Tags that say what called for the training of a run; the version made from it has them, too."""


def models_without_champion() -> list[str]:
    """Return the models of `config/models` that have no champion yet. Raises `RegistryUnavailable`."""
    from ml.models.spec import load_specs

    return [name for name in load_specs() if champion(name) is None]


def champion(name: str) -> Version | None:
    """Return the champion of a model, or None. Raises `RegistryUnavailable`."""

    def found(client: MlflowClient) -> Version:
        return _version(client.get_model_version_by_alias(name, CHAMPION), is_champion=True)

    return _if_any(f"looking up the champion of {name}", found)


def version(name: str, number: str) -> Version | None:
    """Return a registered version, or None when this registry has none such. Raises `RegistryUnavailable`."""
    return _if_any(f"looking up {name} version {number}", lambda client: _looked_up(client, name, number))


def _if_any(what: str, look_up: Callable[[MlflowClient], Version]) -> Version | None:
    from mlflow.exceptions import MlflowException

    with _reach(what) as client:
        try:
            return look_up(client)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise


def versions(name: str) -> list[Version]:
    """Return every registered version of a model, the latest first. Raises `RegistryUnavailable`."""
    reigning = champion(name)
    with _reach(f"listing the versions of {name}") as client:
        found = client.search_model_versions(f"name = '{name}'")
    known = [_version(one, is_champion=reigning is not None and str(one.version) == reigning.version) for one in found]
    return sorted(known, key=lambda one: -int(one.version))


def find_run(tags: Mapping[str, str]) -> str | None:
    """Return the finished run with these tags; a run left behind by a killed task is marked KILLED."""
    text = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    with _reach("looking for an equal run") as client:
        runs = client.search_runs([_experiment(client)], text)
        for run in runs:
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "KILLED")
        return next((run.info.run_id for run in runs if run.info.status == "FINISHED"), None)


def log_run(record: Record) -> str:
    """Write a run with its tags, numbers, files and model, and return its id."""
    import mlflow
    from mlflow.entities import Param, RunTag

    with _reach(f"logging {record.title}") as client:
        tags = {**record.tags, "mlflow.runName": record.title}
        run_id: str = client.create_run(_experiment(client, record.experiment), tags=tags).info.run_id
        client.log_batch(
            run_id,
            metrics=[*_metrics(record.metrics), *chain(*(_metrics(found, at) for at, found in record.series.items()))],
            params=[Param(key, str(value)) for key, value in record.params.items()],
            tags=[RunTag("mlflow.note.content", (record.folder / record.note).read_text(encoding="utf-8"))],
        )
        _log_snapshots(client, run_id, record.snapshots)
        client.log_artifacts(run_id, str(record.folder))
        if record.scorer is not None and record.example is not None:
            with mlflow.start_run(run_id=run_id):
                _log_model(record.name, record.scorer, record.example)
        client.set_terminated(run_id)
        return run_id


def _log_model(name: str, scorer: Scorer, example: pd.DataFrame) -> None:
    import mlflow.sklearn
    from mlflow.models import infer_signature

    info = mlflow.sklearn.log_model(
        scorer,
        name="model",
        signature=infer_signature(example, scorer.predict(example)),
        input_example=example,
        pip_requirements=requirements(),
        serialization_format="skops",
        skops_trusted_types=TRUSTED,
        tags={"model": name},
    )
    mlflow.set_tag("model_uri", info.model_uri)


def _log_snapshots(client: MlflowClient, run_id: str, snapshots: Sequence[Mapping[str, str]]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    def used(s: Mapping[str, str]) -> DatasetInput:
        source, profile = json.dumps({"as_of": s["as_of"]}), json.dumps(dict(s))
        data = Dataset(s["name"], s["digest"], "warehouse", source, profile=profile)
        return DatasetInput(data, [InputTag("mlflow.data.context", s["part"])])

    client.log_inputs(run_id, [used(s) for s in snapshots])


def register(name: str, run_id: str, tags: Mapping[str, str]) -> Version:
    """Return the version made from a run, registered with `tags` and the run's trigger unless it is already."""
    with _reach(f"registering {name}") as client:
        found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        if found:
            return _looked_up(client, name, found[0].version)
        run = client.get_run(run_id)
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        uri = run.data.tags["model_uri"]
        why = {key: value for key, value in run.data.tags.items() if key in TRIGGER}
        made = client.create_model_version(
            name, uri, run_id=run_id, model_id=uri.removeprefix("models:/"), tags={**tags, **why}
        )
        return _looked_up(client, name, made.version)


def crown(version: Version) -> None:
    """Let the alias `champion` point to a version."""
    with _reach(f"promoting {version.name} version {version.version}") as client:
        client.set_registered_model_alias(version.name, CHAMPION, version.version)


def tag(version: Version, tags: Mapping[str, str]) -> Version:
    """Write tags of a version, in their order; return it as it then is."""
    with _reach(f"deciding on {version.name} version {version.version}") as client:
        for key, value in tags.items():
            client.set_model_version_tag(version.name, version.version, key, value)
        return _looked_up(client, version.name, version.version)


def load_scorer(version: Version) -> Scorer:
    """Return a registered version's scorer, kept in memory once loaded.

    Raises `RegistryUnavailable`, or `FatalError` for one that this code can no longer read.
    """
    try:
        return _load(settings().mlflow_tracking_uri, version.name, version.version)
    except (AttributeError, ImportError, KeyError, TypeError, ValueError) as error:
        raise FatalError(
            f"{version.name} version {version.version} cannot be read by this code: {error}. Train the model again; "
            "its next version takes over without a comparison."
        ) from error


@lru_cache(maxsize=4)
def _load(uri: str, name: str, version: str) -> Scorer:
    del uri  # part of the key: another registry's version of the same number is another model
    import mlflow.sklearn

    with _reach(f"loading {name} version {version}"):
        scorer: Scorer = mlflow.sklearn.load_model(f"models:/{name}/{version}")
        return scorer


def read_artifact(run_id: str, path: str) -> bytes:
    """Return the content of a run's file. Raises `RegistryUnavailable`."""
    with _reach(f"reading {path} of run {run_id}") as client, tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, path, folder)).read_bytes()


def add_artifact(run_id: str, file: Path, folder: str) -> None:
    """Store a file with a finished run, replacing one of the same name."""
    with _reach(f"storing {file.name} with run {run_id}") as client:
        client.log_artifact(run_id, str(file), folder)


def add_metrics(run_id: str, metrics: Mapping[str, float], at: AsOf) -> None:
    """Add numbers to a finished run as of a point in time, so that MLflow draws them over time."""
    with _reach(f"adding metrics to run {run_id}") as client:
        client.log_batch(run_id, metrics=_metrics(metrics, at))


def _metrics(numbers: Mapping[str, float], at: AsOf | None = None) -> list[Metric]:
    from mlflow.entities import Metric

    moment, step = (at.epoch * 1_000, at.epoch // DAY) if at else (0, 0)
    return [Metric(name, number, moment, step) for name, number in numbers.items()]


def _looked_up(client: MlflowClient, name: str, version: str) -> Version:
    found = client.get_model_version(name, str(version))
    return _version(found, is_champion=CHAMPION in found.aliases)


def _version(found: Any, *, is_champion: bool) -> Version:
    return Version(found.name, str(found.version), found.run_id, is_champion, dict(found.tags))


@contextmanager
def _reach(what: str) -> Iterator[MlflowClient]:
    """Open the registry; failures to reach it become `RegistryUnavailable`, within a bounded time."""
    uri = settings().mlflow_tracking_uri
    try:
        yield _client(uri)
    except (OSError, SQLAlchemyError) as error:
        raise unavailable(uri, what, error) from error
    except Exception as error:
        if getattr(error, "error_code", "") == "TEMPORARILY_UNAVAILABLE" or "API request to" in str(error):
            raise unavailable(uri, what, error) from error
        if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
            raise FatalError(f"MLflow no longer has what was asked for while {what}: {error}") from error
        raise


def _client(uri: str) -> MlflowClient:
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    import mlflow

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _create_store(uri)
    probe(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient(uri)


def _create_store(uri: str) -> None:
    """Make MLflow's SQLite file aside and put it in place whole: a killed migration cannot be resumed."""
    path = sqlite_file(uri)
    if path is None or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name("mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however it ends
        if not path.exists():
            _migrate(path.with_name("mlflow.db.part")).replace(path)


def _migrate(path: Path) -> Path:
    import mlflow

    for left in path.parent.glob(f"{path.name}*"):  # by a process that was killed
        left.unlink()
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)
    return path


def _experiment(client: MlflowClient, name: str = EXPERIMENT) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # An MLflow server decides on its own where files go; without one they stay under the home folder.
    served = settings().mlflow_tracking_uri.startswith("http")
    return str(client.create_experiment(name, None if served else settings().mlflow_artifacts.as_uri()))
