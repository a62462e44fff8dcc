"""Airflow's LocalExecutor that imports once what nearly every task imports: its workers are forks, and so are tasks.

A task that scores or trains would spend more seconds on imports than on its work. A listener would come too late: a
scheduler's listeners are told of a job that does not say yet what it is.
"""

from __future__ import annotations

import importlib
import warnings

from airflow.executors.local_executor import LocalExecutor

MODULES = (
    "skops.io",
    *("ml.sources.load", "ml.profiles.build", "ml.models.decide", "ml.monitoring.watch", "ml.scores.batch"),
    *("ml.segments.backtest", "ml.segments.approve", "ml.syncs.run", "ml.measurement.kpis"),
    *("sklearn.ensemble", "lightgbm", "xgboost", "mlflow.sklearn", "mlflow.pyfunc"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
)


class PreloadingExecutor(LocalExecutor):
    """Runs tasks on this machine, in forks of a scheduler that has imported `MODULES`."""

    def start(self) -> None:
        """Import, then fork the workers."""
        with warnings.catch_warnings(action="ignore"):  # skops asks Airflow's modules for names that they deprecate
            for name in MODULES:
                importlib.import_module(name)
        super().start()
