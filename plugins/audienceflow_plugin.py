"""What Audienceflow adds to Airflow: links to where its results lie, and imports made once for all tasks."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from orchestration import preload
from orchestration.links import external_views


class AudienceflowPlugin(AirflowPlugin):
    """Registers links and listener; imported by every process of Airflow, so it stays light."""

    name = "audienceflow"
    external_views: list[Any] = external_views()
    listeners: list[Any] = [preload]  # noqa: RUF012 - Airflow declares it of the instance
