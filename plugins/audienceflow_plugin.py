"""What Audienceflow adds to Airflow: links to where its results lie."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from orchestration.links import external_views


class AudienceflowPlugin(AirflowPlugin):
    """Registers links; imported by every process of Airflow, so it stays light."""

    name = "audienceflow"
    external_views: list[Any] = external_views()
