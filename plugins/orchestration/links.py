"""Links in Airflow's navigation, for what this deployment has an address of."""

from __future__ import annotations

from typing import Any

from ml.settings import settings


def external_views() -> list[dict[str, Any]]:
    """Return the navigation's links as Airflow's plugins want them; a link without an address is left out."""
    known = settings()
    mlflow = known.mlflow_link or (known.mlflow_tracking_uri if known.mlflow_tracking_uri.startswith("http") else "")
    links = {"Models in MLflow": mlflow, "CRM": known.crm_link}
    return [
        {"name": name, "href": address, "destination": "nav", "category": "browse"}
        for name, address in links.items()
        if address
    ]
