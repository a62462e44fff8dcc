"""Only what is new is read, and a load that was killed anywhere ends in the same state when it is run again."""

import os

import pytest

from ml.sources import load
from ml.sources.load import check_volumes, source_names
from ml.warehouse import Warehouse

DAY_1 = "a,1,2017-03-01,10\nb,2,2017-03-02,20\nx,1,soon,1\n"
DAY_2 = "c,1,2017-03-03,30\nb,2,2017-03-02,25\n"


class Killed(BaseException):
    """Stands in for SIGKILL: nothing in the code under test catches it."""


def test_an_unchanged_file_is_not_read_again(shop, monkeypatch):
    path = shop.put("orders.csv", shop.header + DAY_1)
    assert shop.ingest()["rows_read"] == 3
    before = [shop.rows(name) for name in ("stg_orders", "quarantined_rows", "source_loads")]
    monkeypatch.setattr(load, "open_file", None)
    result = shop.ingest()
    assert (result["skipped"], result["rows_read"], result["rows_loaded"]) == (True, 0, 0)
    os.utime(path, ns=(1, 1))
    assert shop.ingest()["skipped"], "another time of the same content is no change"
    assert [shop.rows(name) for name in ("stg_orders", "quarantined_rows", "source_loads")] == before


def test_a_new_file_is_read_alone_and_the_later_row_of_a_key_wins(shop):
    shop.put("orders_1.csv", shop.header + DAY_1)
    shop.ingest()
    shop.put("orders_2.csv", shop.header + DAY_2)
    assert shop.ingest()["rows_read"] == 2
    assert shop.rows("stg_orders", "order_id", "total_cents") == [("a", 1000), ("b", 2500), ("c", 3000)]
    assert shop.rows("source_loads", "rows_read") == [3, 2]


def test_loading_in_steps_ends_like_loading_at_once(shop):
    shop.configure(shop.orders + "    duplicates: leave_out\n")
    shop.put("orders_1.csv", shop.header + DAY_1)
    shop.ingest()
    shop.put("orders_2.csv", shop.header + DAY_2)
    shop.ingest()
    in_steps = [shop.rows("stg_orders"), shop.refused()]
    for name in ("stg_orders", "source_loads", "quarantined_rows"):
        shop.warehouse.delete(name)
    shop.ingest()
    assert [shop.rows("stg_orders"), shop.refused()] == in_steps


def test_a_changed_mapping_reads_everything_again_but_a_changed_alarm_does_not(shop):
    shop.put("orders.csv", shop.header + DAY_1)
    shop.ingest()
    shop.configure(shop.orders + "    volume: {rows: {min: 1}}\n")
    assert shop.ingest()["skipped"]
    shop.configure(shop.orders.replace('"shop:"', '"store:"'))
    assert shop.ingest()["rows_read"] == 3
    assert shop.rows("stg_orders", "customer_ref") == ["store:1", "store:2"]


def test_a_repaired_row_leaves_the_quarantine(shop):
    shop.put("orders.csv", shop.header + DAY_1)
    shop.ingest()
    assert shop.refused()[0][0] == "ordered_at:type"
    assert (
        "ordered_at cannot be read as a time. Mend the row in in/orders.csv"
        in shop.rows("quarantined_rows", "message")[0]
    )
    shop.put("orders.csv", shop.header + DAY_1.replace("soon", "2017-03-09"))
    shop.ingest()
    assert shop.refused() == []
    assert shop.rows("stg_orders", "order_id") == ["a", "b", "x"]


@pytest.mark.parametrize("step", range(1, 4))
def test_a_load_killed_before_any_write_ends_the_same_when_run_again(shop, monkeypatch, step):
    shop.put("orders_1.csv", shop.header + DAY_1)
    shop.put("orders_2.csv", shop.header + DAY_2)
    writes = []
    write = Warehouse.write

    def dying(self, name, *arguments, **options):
        writes.append(name)
        if len(writes) == step:
            raise Killed(name)
        return write(self, name, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Warehouse, "write", dying)
        with pytest.raises(Killed):
            shop.ingest()
    shop.ingest()
    assert writes[-1] == ["stg_orders", "quarantined_rows", "source_loads"][step - 1]
    killed = shop.snapshot()
    for name in ("stg_orders", "source_loads", "quarantined_rows"):
        shop.warehouse.delete(name)
    shop.ingest()
    assert killed == shop.snapshot()


def test_what_a_killed_load_left_behind_is_removed(shop):
    left = shop.home / "tmp" / "door-orders-999999999"
    left.mkdir(parents=True)
    shop.put("orders.csv", shop.header + DAY_1)
    shop.ingest()
    assert list((shop.home / "tmp").iterdir()) == []


def test_check_volumes_names_what_is_unusual_in_the_last_load_of_each_file(shop):
    shop.configure(shop.orders + "    volume: {rows: {max_share: 2}}\n")
    shop.put("orders_1.csv", shop.header + DAY_1)
    shop.ingest()
    assert check_volumes("orders", warehouse=shop.warehouse) == []
    shop.put("orders_2.csv", shop.header + "".join(f"n{i},1,2017-03-01,1\n" for i in range(9)))
    shop.ingest()
    assert check_volumes("orders", warehouse=shop.warehouse) == ["in/orders_2.csv: rows 9 is above 2 times the usual 2"]


def test_source_names_come_in_the_order_of_their_references(shop):
    people = "  people: {table: stg_customers, files: x.csv, columns: {customer_ref: id}}\n"
    shop.configure(shop.orders + "    references: {customer_ref: stg_customers}\n" + people)
    assert source_names() == ["people", "orders"]


def test_a_large_load_is_written_in_pieces(shop, monkeypatch):
    monkeypatch.setattr(load, "CHUNK_ROWS", 2)
    pieces = []
    write = Warehouse.write

    def noting(self, name, rows, *arguments):
        pieces.append((name, rows.num_rows))
        return write(self, name, rows, *arguments)

    monkeypatch.setattr(Warehouse, "write", noting)
    for number in range(3):
        shop.put(f"orders_{number}.csv", shop.header + f"a{number},1,2017-03-01,1\n")
    shop.ingest()
    assert pieces == [("stg_orders", 2), ("stg_orders", 1), ("source_loads", 3)]
    assert shop.rows("stg_orders", "order_id") == ["a0", "a1", "a2"]
