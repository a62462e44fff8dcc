"""Write each segment's figures: members against non-members and the holdout, on what they did afterwards.

Starts when a sync has ended. Differences are reported as they are; their statistics come with the uplift models.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from orchestration.assets import tables
from orchestration.house import WRITER, house
from orchestration.params import AS_OF, as_of_task


@dag(
    schedule=tables("sync_runs"), params={"as_of": AS_OF}, doc_md=__doc__, **house("measurement", owner="marketing-ops")
)
def measure_uplift() -> None:
    @task(pool=WRITER, outlets=tables("segment_kpis"))
    def measure(as_of: str) -> dict[str, Any]:
        from ml.measurement.kpis import measure_segments

        return measure_segments(as_of)

    measure(as_of_task())


measure_uplift()
