"""Airflow finds the provider through its entry point and builds the connection form from it."""

import importlib
from importlib.metadata import entry_points

from activation.provider import get_provider_info


def test_the_entry_point_leads_to_the_provider():
    (found,) = (e for e in entry_points(group="apache_airflow_provider") if e.value.startswith("activation."))
    assert found.load()() == get_provider_info()
    assert get_provider_info()["package-name"] == found.dist.name


def test_every_connection_type_has_a_hook_of_that_type():
    for described in get_provider_info()["connection-types"]:
        module, name = described["hook-class-name"].rsplit(".", 1)
        hook = getattr(importlib.import_module(module), name)
        assert hook.conn_type == described["connection-type"]
        assert hook.hook_name == described["hook-name"]


def test_airflow_accepts_it():
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    assert ProvidersManagerTaskRuntime().hooks["hubspot"].hook_class_name == "activation.hooks.hubspot.HubSpotHook"
