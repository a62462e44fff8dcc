"""Resolve identities and consent: which records are one customer, and what that customer agreed to.

Starts when staging is complete. `customer_key` is stable from run to run; every later stage carries the key only.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from orchestration.assets import stage
from orchestration.house import WRITER, house
from orchestration.params import AS_OF, as_of_task, publish


@dag(schedule=stage("1_staging", prefix="stg_"), params={"as_of": AS_OF}, doc_md=__doc__, **house("profiles"))
def build_profiles() -> None:
    @task(pool=WRITER)
    def build() -> dict[str, Any]:
        from ml.profiles.build import build_profiles

        return build_profiles()

    build() >> publish.override(outlets=stage("2_profiles", prefix="customer_"))(as_of_task())


build_profiles()
