"""What Audienceflow adds to Airflow's pages: links to where its results lie."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from orchestration.links import external_views


class AudienceflowPlugin(AirflowPlugin):
    """Registers the links; imported by every process of Airflow, so it stays light."""

    name = "audienceflow"
    external_views: ClassVar[list[dict[str, Any]]] = external_views()
