"""Evaluate every segment of `config/segments` over features, scores and events, and record who came and went.

Starts when the scores are ready. Segments that refer to others are built after them; each member row holds its reason.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from orchestration.assets import tables
from orchestration.house import WRITER, house
from orchestration.params import AS_OF, as_of_task, choice, publish


@dag(
    schedule=tables("customer_scores"),
    params={"as_of": AS_OF, "segments": choice("Segments", "segments of config/segments")},
    doc_md=__doc__,
    **house("segments", owner="marketing-ops"),
)
def build_segments() -> None:
    @task(pool=WRITER)
    def build(as_of: str, *, params: dict[str, Any]) -> list[dict[str, Any]]:
        from ml.segments.assign import build_segments

        return build_segments(as_of, params["segments"] or None)

    as_of = as_of_task()
    build(as_of) >> publish.override(outlets=tables("segment_members", "segment_changes", "segment_runs"))(as_of)


build_segments()
