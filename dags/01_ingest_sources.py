"""Load every source of `config/sources.yaml` into staging, one task a source, daily.

A row that breaks a rule goes to `quarantined_rows` with the rule; a source that is missing, empty, truncated or outside
its own history fails its task and stops the chain. Loading twice gives the same tables.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from orchestration.assets import stage
from orchestration.house import WRITER, cron, house
from orchestration.params import AS_OF, as_of_task, choice, pick, publish


@dag(
    schedule=cron("0 3 * * *"),
    params={"as_of": AS_OF, "sources": choice("Sources", "sources of config/sources.yaml")},
    doc_md=__doc__,
    **house("ingest"),
)
def ingest_sources() -> None:
    @task
    def choose(*, params: dict[str, Any]) -> list[str]:
        from ml.sources.load import source_names

        return pick(params["sources"], source_names(), "source")

    @task(pool=WRITER, max_active_tis_per_dagrun=1, map_index_template="{{ task.op_kwargs['name'] }}")
    def ingest(name: str) -> dict[str, Any]:
        from ml.sources.load import ingest_source

        return ingest_source(name)

    ready = publish.override(outlets=stage("1_staging", prefix="stg_"))(as_of_task())
    ingest.expand(name=choose()) >> ready


ingest_sources()
