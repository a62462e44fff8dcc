"""Compute `customer_features` at one `as_of`: the same query that training uses at past ones.

Starts when the profiles are ready. A feature sees only what happened strictly before `as_of`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from orchestration.assets import stage, tables
from orchestration.house import WRITER, house
from orchestration.params import AS_OF, as_of_task, publish


@dag(schedule=stage("2_profiles", prefix="customer_"), params={"as_of": AS_OF}, doc_md=__doc__, **house("features"))
def build_features() -> None:
    @task(pool=WRITER)
    def build(as_of: str) -> dict[str, Any]:
        from ml.features.build import build_features

        return build_features(as_of)

    as_of = as_of_task()
    build(as_of) >> publish.override(outlets=tables("customer_features"))(as_of)


build_features()
