"""The scale knob: the shape of the profile tables, consistent and repeatable."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.sources.demo import scale
from ml.sources.demo.scale import generate_scale
from ml.sql import table as table_spec

TYPES = {"BIGINT": pa.int64(), "VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us")}


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "CHUNK", 8_000)
    found = generate_scale(30_001, 2_000, tmp_path, seed=5)
    return {name: pq.read_table(entry["path"]) for name, entry in found["tables"].items()}


def test_columns_and_types_are_those_of_the_profile_tables(made):
    assert set(made) == {"customer_events", "customer_orders", "customer_order_lines", "customer_messages"}
    for name, table in made.items():
        assert [(field.name, field.type) for field in table.schema] == [
            (column.name, TYPES[column.type]) for column in table_spec(name).columns
        ]


def test_keys_are_unique_and_required_columns_full(made):
    for name, table in made.items():
        spec = table_spec(name)
        assert len(table[spec.key[0]].unique()) == len(table)
        required = [column.name for column in spec.columns if column.checks.not_null]
        assert all(table[column].null_count == 0 for column in required)


def test_row_counts(made):
    assert len(made["customer_events"]) == 30_001
    assert len(made["customer_orders"]) == pytest.approx(30_001 / 8, rel=0.01)
    assert len(made["customer_order_lines"]) == 3 * len(made["customer_orders"])
    assert len(made["customer_messages"]) == pytest.approx(30_001 / 5, rel=0.01)


def test_purchases_are_web_orders_of_the_same_customer_and_second(made):
    events = made["customer_events"].to_pandas()
    purchases = events[events["event_type"] == "purchase"]
    joined = purchases.merge(made["customer_orders"].to_pandas(), on="order_id", suffixes=("", "_order"))
    assert len(joined) == len(purchases) > 100
    assert (joined["customer_key"] == joined["customer_key_order"]).all()
    assert (joined["event_epoch"] == joined["ordered_epoch"]).all()
    assert (joined["channel"] == "web").all()


def test_a_session_is_one_customers_and_about_five_events(made):
    sessions = made["customer_events"].to_pandas().groupby("session_id")
    assert sessions["customer_key"].nunique().max() == 1
    assert 4 < sessions.size().mean() < 6


def test_a_few_customers_do_most(made):
    busiest = made["customer_events"]["customer_key"].to_pandas().value_counts()
    assert busiest.head(400).sum() / 30_001 > 0.35


def test_same_seed_same_bytes(tmp_path):
    def digests(name):
        found = generate_scale(5_000, 300, tmp_path / name, seed=5, lines_per_order=0)
        assert "customer_order_lines" not in found["tables"]
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((tmp_path / name).iterdir())]

    assert digests("one") == digests("two")


def test_a_failure_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "_messages", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate_scale(5_000, 300, tmp_path, seed=5)
    assert list(tmp_path.iterdir()) == []
