"""Evaluate every segment of `config/segments` over features, scores and events, and record who came and went.

Starts when the scores are ready. Segments that refer to others are built after them; each member row holds its reason.
A segment that cannot be built, or is outside its limits, fails `all_ready` and holds up none of the others.
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

    @task
    def all_ready(built: list[dict[str, Any]]) -> None:
        from ml.segments.assign import check_ready

        check_ready(built)

    as_of = as_of_task()
    built = build(as_of)
    all_ready(built)
    built >> publish.override(outlets=tables("segment_members", "segment_changes", "segment_runs"))(as_of)


build_segments()
