"""What Airflow learns of this project from its `apache_airflow_provider` entry point."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description: the connection type `hubspot` and its form."""
    return {
        "package-name": "audienceflow",
        "name": "Audienceflow",
        "description": "Segments in the CRM: one hook a platform, one operator for all of them.",
        "connection-types": [
            {
                "connection-type": "hubspot",
                "hook-class-name": "activation.hooks.hubspot.HubSpotHook",
                "hook-name": "HubSpot",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "extra"],
                    "relabeling": {
                        "host": "Address",
                        "login": "Portal number",
                        "password": "Private app token",
                    },
                    "placeholders": {"host": "https://api.hubapi.com"},
                },
            }
        ],
    }
