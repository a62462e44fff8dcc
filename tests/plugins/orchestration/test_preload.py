"""What tasks import is imported by the scheduler that forks them, and by nobody else."""

from types import SimpleNamespace

import pytest

from orchestration import preload


@pytest.mark.airflow
@pytest.mark.parametrize(
    ("component", "executor", "is_imported"),
    [
        (SimpleNamespace(job_type="SchedulerJob"), "LocalExecutor", True),
        (SimpleNamespace(job_type="SchedulerJob"), "CeleryExecutor", False),
        (SimpleNamespace(job_type="TriggererJob"), "LocalExecutor", False),
        (object(), "LocalExecutor", False),
    ],
)
def test_only_a_scheduler_that_forks_its_tasks_imports_for_them(monkeypatch, component, executor, is_imported):
    imported = []
    monkeypatch.setattr(preload.importlib, "import_module", imported.append)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    preload.on_starting(component)
    assert imported == (list(preload.MODULES) if is_imported else [])
