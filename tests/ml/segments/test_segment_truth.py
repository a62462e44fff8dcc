"""The shipped abandoners and browsers are exactly the customers whose sessions the demo's truth table marks."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.segments.evaluate import Evaluator
from ml.segments.language import read_segment
from ml.settings import PROJECT_DIR
from ml.sources.demo import write_demo, writing
from ml.sources.demo.journey import TABLES, package_data
from ml.times import parse_as_of
from ml.warehouse import Warehouse
from tests.ml.segments.worlds import known, rows

# The middle of the data: what happens after as_of must not count, and silences must have passed.
AS_OF = parse_as_of("2017-10-15", "America/New_York")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The demo's files for every tenth household."""
    panel, folder = tmp_path_factory.mktemp("panel"), tmp_path_factory.mktemp("demo")
    tenth = pa.array(np.arange(0, 2501, 10))
    for name in TABLES:
        table = pq.read_table(package_data() / f"{name}.parquet")
        if "household_id" in table.column_names:
            table = table.filter(pc.is_in(table["household_id"], value_set=tenth))
        pq.write_table(table, panel / f"{name}.parquet")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(writing, "package_data", lambda: panel)
        write_demo(folder)
    return folder / "demo" / "raw"


@pytest.fixture(scope="module")
def evaluator(raw, tmp_path_factory):
    """A warehouse with the web events of every device that belongs to one household; the key is the household's."""
    warehouse = Warehouse(f"duckdb:///{tmp_path_factory.mktemp('truth') / 'w.duckdb'}")
    devices = pq.read_table(raw / "truth" / "truth_devices.parquet")
    devices = devices.filter(devices["resolvable"]).select(["anonymous_id", "household_id"])
    devices = devices.rename_columns(["anonymous_id", "customer_key"])
    found = pq.read_table(raw / "companion" / "web_events").join(devices, "anonymous_id", join_type="inner").to_pandas()
    found = found.drop_duplicates("event_id")
    events = found[["event_id", "customer_key", "event_type"]].assign(
        event_at=found["event_at"], event_epoch=found["event_at"].astype("datetime64[s]").astype("int64")
    )
    households = sorted(set(found["customer_key"]))
    warehouse.write("customer_events", rows("customer_events", events.to_dict("records")))
    features = rows("customer_features", [{"customer_key": key} for key in households]).drop(["as_of"])
    warehouse.write("customer_features", features, {"as_of": AS_OF})
    return Evaluator(warehouse, AS_OF, known())


@pytest.fixture(scope="module")
def sessions(raw):
    found = pq.read_table(raw / "truth" / "truth_sessions.parquet").to_pandas()
    return found[found["resolvable"]]


def members(evaluator, name) -> set[int]:
    segment, _ = read_segment(PROJECT_DIR / "config" / "segments" / f"{name}.yaml")
    return set(evaluator.members(segment)["customer_key"].to_pylist())


@pytest.mark.parametrize(
    ("name", "flag", "silence"),
    [("cart_abandoners", "is_cart_abandon_48h", 48), ("high_intent_abandoners", "is_high_intent_abandon", 24)],
)
def test_abandoners_are_those_whom_the_truth_marks(evaluator, sessions, name, flag, silence):
    start, end = AS_OF.minus(14).at, AS_OF.at - timedelta(hours=silence)
    marked = sessions[sessions[flag]]
    inside = set(marked[(marked["started_at"] >= start) & (marked["ended_at"] <= end)]["household_id"])
    touching = set(marked[(marked["ended_at"] >= start) & (marked["started_at"] <= end)]["household_id"])
    found = members(evaluator, name)
    assert len(inside) >= 5
    assert inside <= found <= touching


def test_browsers_looked_five_times_without_a_cart_or_a_purchase(evaluator, sessions):
    month = sessions[(sessions["started_at"] >= AS_OF.minus(30).at) & (sessions["ended_at"] < AS_OF.at)]
    per = month.groupby("household_id").agg(
        views=("product_views", "sum"), carts=("last_cart_at", "count"), bought=("is_converted", "sum")
    )
    expected = set(per[(per["views"] >= 5) & (per["carts"] == 0) & (per["bought"] == 0)].index)
    assert len(expected) >= 20
    assert members(evaluator, "browsers") == expected
    shopped = set(per[(per["carts"] > 0) | (per["bought"] > 0)].index)
    marked = set(month[month["is_browser"]]["household_id"]) - shopped
    assert marked <= members(evaluator, "browsers"), "a browsing session makes a browser unless another one shops"
