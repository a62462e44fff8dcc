"""What happens when a task fails: an alert with the task, the run, the error and where its log is."""

from __future__ import annotations

import logging
from typing import Any


def alert_on_failure(context: dict[str, Any]) -> None:
    """Tell what failed, where and why. Never raises: an alert that fails must not hide the failure."""
    from ml.alerts import alert

    found = describe(context)
    alert(f"{found['dag']}.{found['task']} failed", found.pop("error"), level=logging.ERROR, **found)


def describe(context: dict[str, Any]) -> dict[str, str]:
    """Return the failure as flat text: dag, task, run, error, log address."""
    instance = context.get("ti") or context.get("task_instance")
    error = context.get("exception")
    return {
        "dag": str(getattr(instance, "dag_id", "?")),
        "task": str(getattr(instance, "task_id", "?")),
        "run": str(getattr(instance, "run_id", "?")),
        "error": f"{type(error).__name__}: {error}" if error else str(context.get("reason", "unknown")),
        "log": str(getattr(instance, "log_url", "")),
    }
