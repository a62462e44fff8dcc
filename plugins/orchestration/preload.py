"""Import once, in the scheduler, what nearly every task imports: workers are forks of it, tasks are forks of them.

A task that scores or trains would spend more seconds on imports than on its work. Airflow calls `on_starting` before
the local executor forks; other executors start their tasks elsewhere.
"""

from __future__ import annotations

import importlib
from typing import Any

from airflow.configuration import conf
from airflow.listeners import hookimpl

MODULES = (
    *("ml.sources.load", "ml.profiles.build", "ml.models.decide", "ml.monitoring.watch", "ml.scores.batch"),
    *("ml.segments.backtest", "ml.segments.approve", "ml.syncs.run", "ml.measurement.kpis"),
    *("sklearn.ensemble", "lightgbm", "xgboost", "skops.io", "mlflow.sklearn", "mlflow.pyfunc"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
)


@hookimpl
def on_starting(component: Any) -> None:
    """Import `MODULES` when a scheduler starts that runs its tasks itself."""
    if getattr(component, "job_type", "") == "SchedulerJob" and conf.get("core", "executor") == "LocalExecutor":
        for name in MODULES:
            importlib.import_module(name)
