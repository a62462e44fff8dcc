"""The summary holds what its readers agreed on, and nothing else."""

import json

import pandas as pd

from orchestration import summary
from orchestration.inprocess import StageRun

MODEL = {
    "name": "churn_28d",
    "version": "3",
    "alias": "champion",
    "run_id": "r",
    "metrics": {"auc": 0.8},
    "baselines": {},
}
SEGMENT = {"name": "browsers", "size": 40, "entered": 4, "left": 1, "held_out": 2, "suppressed": 3, "status": "ok"}
SYNC = {
    "destination": "hubspot", "segment": "browsers", "adds": 4, "updates": 2, "removes": 1, "confirmed": 7, "failed": 0,
    "dry_run": False,
}  # fmt: skip
RUNS = {
    "ingest_sources": StageRun("ingest_sources", 2.04, {"ingest": [{"name": "a", "rows_loaded": 5}]}),
    "train_models": StageRun("train_models", 9.0, {"train": [MODEL | {"rows": 9}]}),
    "watch_drift": StageRun("watch_drift", 1.0, {"watch": [{"share": 0.1, "drifted": False, "status": "ok", "x": 1}]}),
    "build_segments": StageRun("build_segments", 1.0, {"build": [[SEGMENT, SEGMENT]]}),
    "sync_segments": StageRun("sync_segments", 1.0, {"sync": [SYNC], "preview": []}),
}


def _line(line_id, cents):
    text = ("line_id", "source_name", "order_id", "product_id", "customer_ref", "currency", "status")
    whole = ("ordered_epoch", "quantity", "retail_discount_cents", "coupon_discount_cents")
    row = dict.fromkeys(text, "placed") | dict.fromkeys(whole, 0)
    return row | {"line_id": line_id, "amount_cents": cents, "ordered_at": pd.Timestamp("2017-05-01")}


def test_the_summary_counts_the_warehouse_and_repeats_what_the_tasks_returned(duck):
    duck.write("stg_order_lines", pd.DataFrame([_line("1", 250), _line("2", 199)]))
    found = summary.summarise("2018-01-01T05:00:00+00:00", RUNS, duck, {"demo data": 1.26, "ingest_sources": 2.04})
    assert set(found) == {
        "as_of", "counts", "revenue_cents", "models", "drift", "segments", "syncs", "timings", "peak_rss_mb",
    }  # fmt: skip
    assert found["counts"] == {
        "customers": 0, "identities": 0, "orders": 0, "order_lines": 2, "events": 0, "messages": 0, "quarantined": 0,
    }  # fmt: skip
    assert found["revenue_cents"] == 449
    assert found["models"] == {"churn_28d": {key: MODEL[key] for key in MODEL if key != "name"}}
    assert found["drift"] == {"share": 0.1, "drifted": False, "status": "ok"}
    assert found["segments"][0] == {key: SEGMENT[key] for key in SEGMENT if key != "status"}
    assert found["syncs"] == [{key: SYNC[key] for key in SYNC if key != "dry_run"}]
    assert found["timings"] == {"demo_data": 1.3, "ingest_sources": 2.0}
    assert found["peak_rss_mb"] > 10


def test_the_file_is_replaced_whole(tmp_path):
    path = tmp_path / "demo" / "summary.json"
    assert summary.read(path) == {}
    summary.write({"as_of": "x"}, path)
    summary.write({"as_of": "y"}, path)
    assert json.loads(path.read_text()) == summary.read(path) == {"as_of": "y"}
    assert [found.name for found in path.parent.iterdir()] == ["summary.json"]


def test_rows_are_what_a_stage_says_it_wrote():
    assert summary.rows_of(RUNS["ingest_sources"]) == 5
    assert summary.rows_of(RUNS["build_segments"]) == 80
    assert summary.rows_of(RUNS["sync_segments"]) == 7
    assert summary.rows_of(StageRun("x", 1.0, {"a": [{"rows": {"one": 2, "two": 3}}, "text", None]})) == 5
    assert summary.rows_of(StageRun("x", 1.0, {"a": [None]})) is None
