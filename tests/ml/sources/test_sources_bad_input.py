"""Bad input: each gives a clear error or a kept row, and the good rest goes on."""

import gzip
import json
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.errors import ConfigError, SourceError, VolumeAlert

GOOD = "a,1,2017-03-01,10\nb,2,2017-03-02,20\n"


def problem(shop, name="orders", error=SourceError):
    with pytest.raises(error) as caught:
        shop.ingest(name)
    return str(caught.value)


@contextmanager
def told(caplog, words):
    """One alert says so; a failed task has its own."""
    caplog.clear()
    yield
    (alert,) = (record.getMessage() for record in caplog.records if record.name == "ml.alerts")
    assert alert.startswith("Source orders was not delivered as declared, and the run goes on\n")
    assert words in alert


def test_a_missing_file_is_named_with_what_is_there(shop):
    shop.put("order.csv", shop.header + GOOD)
    message = problem(shop)
    assert "orders*.csv" in message
    assert "order.csv" in message
    assert "on_missing" in message


def test_a_missing_file_may_be_skipped_and_is_told(shop, caplog):
    shop.configure(shop.orders + "    on_missing: skip\n")
    with told(caplog, "no file matches {home}/in/orders*.csv"):
        assert shop.ingest()["skipped"]


def test_an_unknown_source_is_named_with_the_nearest(shop):
    assert "did you mean orders" in problem(shop, "order", ConfigError)


def test_an_unset_variable_is_named(shop):
    shop.configure(shop.orders.replace("{home}", "${NOWHERE_SET}"))
    assert "NOWHERE_SET" in problem(shop, error=ConfigError)


@pytest.mark.parametrize("content", ["", "id,customer,at,dollars\n"], ids=["no bytes", "a header only"])
def test_an_empty_file_is_an_error_unless_it_may_be_skipped_and_is_told(shop, caplog, content):
    shop.put("orders.csv", content)
    assert "there is not one row" in problem(shop)
    shop.configure(shop.orders + "    on_empty: skip\n")
    with told(caplog, "orders.csv: there is not one row"):
        assert "there is not one row" in shop.ingest()["warnings"][0]


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz"])
def test_damaged_files_are_named_and_the_good_one_is_loaded(shop, suffix):
    rows = [(f"{i}", f"{i * 7919 % 10007}", "2017-03-01", f"{i * 31 % 997}") for i in range(3000)]
    lines = shop.header + "".join(",".join(row) + "\n" for row in rows)
    columns = dict(zip(shop.header.strip().split(","), map(list, zip(*rows, strict=True)), strict=True))
    good = shop.put(f"orders_0{suffix}", lines if suffix == ".csv.gz" else pa.table(columns))
    data = good.read_bytes()
    for name, broken in {"half": data[: len(data) // 2], "tail": data[:-5], "junk": b"\x89PNG" + data}.items():
        good.with_name(f"orders_{name}{suffix}").write_bytes(broken)
    shop.configure(shop.orders.replace("orders*.csv", f"orders_*{suffix}"))
    message = problem(shop)
    assert all(f"orders_{name}{suffix}: " in message for name in ("half", "tail", "junk"))
    assert message.count("deliver it again") == 3
    assert shop.warehouse.count("stg_orders") == 3000
    assert shop.rows("source_loads", "file_name", "rows_loaded") == [(f"in/orders_0{suffix}", 3000)]


def test_a_parquet_damaged_in_the_middle_loads_nothing_of_it(shop):
    values = [str(i) for i in range(50_000)]
    path = shop.put("orders.parquet", pa.table(dict.fromkeys(shop.header[:-1].split(","), values)))
    size = pq.read_metadata(path).row_group(0).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[size : size + 400] = bytes(400)
    path.write_bytes(data)
    shop.configure(shop.orders.replace("orders*.csv", "orders.parquet"))
    assert "orders.parquet" in problem(shop)
    assert shop.rows() == []


def test_a_new_column_is_told_until_it_is_listed(shop, caplog):
    shop.put("orders.csv", "id,customer,at,dollars,coupon\na,1,2017-03-01,10,x\n")
    with told(caplog, "column 'coupon' is new"):
        assert "column 'coupon' is new" in shop.ingest()["warnings"][0]
    shop.configure(shop.orders + "    ignore: [coupon]\n")
    shop.put("orders.csv", "id,customer,at,dollars,coupon\na,1,2017-03-01,11,x\n")
    caplog.clear()
    assert shop.ingest()["warnings"] == []
    assert [record for record in caplog.records if record.name == "ml.alerts"] == []


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("id,customer,at", "'dollars' is missing"),
        ("id,customer,at,dollar_amount", "'dollars' is missing; did you mean dollar_amount?"),
        ("id,customer,at,dollars,id", "names ['id'] more than once"),
        (
            "id;customer;at;dollars",
            "the one column in it is 'id;customer;at;dollars'. Are its values separated by ','?",
        ),
    ],
)
def test_a_missing_or_renamed_column_loads_nothing_of_the_file(shop, header, words):
    shop.put("orders_1.csv", shop.header + GOOD)
    shop.put("orders_2.csv", f"{header}\nc,3,2017-03-03\n")
    message = problem(shop)
    assert "orders_2.csv" in message
    assert words in message
    assert shop.rows("stg_orders", "order_id") == ["a", "b"]


def test_a_nul_byte_is_refused_and_kept_readable(shop):
    shop.put("orders.csv", shop.header + "a\0,1,2017-03-01,10\nb,2,2017-03-02,20\n")
    assert shop.ingest()["rows_refused"] == 1
    ((rule, row),) = shop.refused()
    assert rule == "order_id:nul_byte"
    assert json.loads(row)["id"] == "a\0"


def test_a_line_that_cannot_be_split_or_decoded_is_kept(shop):
    bad = [b"c,3,2017-03-03,30,extra", b"d,\xff\xfe,2017-03-03,30", b"e,3"]
    shop.put("orders.csv", (shop.header + GOOD).encode() + b"\n".join(bad) + b"\n")
    assert shop.ingest()["rows_loaded"] == 2
    assert [rule for rule, _ in shop.refused()] == ["row:csv"] * 3
    assert shop.rows("quarantined_rows", "row_number") == [4, 5, 6]
    assert "extra" in shop.refused()[0][1]


def test_a_quote_that_is_never_closed_is_named_by_its_line(shop):
    """It would swallow the rest of the file, so nothing of it is taken."""
    shop.put("orders.csv", shop.header + 'a,1,2017-03-01,10\nb,"2,2017-03-02,20\n' + "c,3,2017-03-03,30\n" * 5000)
    assert "orders.csv: line 3 opens a quote" in problem(shop)
    assert shop.rows() == []


def test_a_value_may_hold_line_breaks_quotes_and_windows_line_ends(shop):
    shop.configure(shop.orders + "      store_id: at_store\n")
    shop.put(
        "orders.csv",
        'id,customer,at,dollars,at_store\r\na,1,2017-03-01,1,"two\nlines, ""quoted"""\r\nb,1,2017-03-01,1,x\r\n',
    )
    assert shop.ingest()["rows_loaded"] == 2
    assert shop.rows("stg_orders", "store_id") == ['two\nlines, "quoted"', "x"]


def test_a_line_that_is_not_a_json_object_is_kept(shop):
    shop.configure(shop.orders.replace("orders*.csv", "orders.jsonl"))
    good = '{"id": "a", "customer": "1", "at": "2017-03-01", "dollars": 10}\n'
    shop.put("orders.jsonl", good + '{"id": "b", "cust\n\n[1, 2]\n' + good.replace('"a"', '"c"'))
    assert shop.ingest()["rows_loaded"] == 2
    assert shop.refused() == [("row:json", '{"line":"{\\"id\\": \\"b\\", \\"cust"}'), ("row:json", '{"line":"[1, 2]"}')]


def test_times_in_the_wrong_zone_fall_outside_the_declared_year(shop):
    """New Year's Eve in New York is the next year in UTC: read as UTC it would move by five hours."""
    bounded = shop.orders.replace("New_York}", "New_York, between: [2017-01-01, 2018-01-01]}")
    shop.put("orders.csv", shop.header + "a,1,2017-01-01 00:30:00,1\nb,1,2017-12-31 23:30:00,1\n")
    shop.configure(bounded.replace("timezone: America/New_York", "timezone: UTC"))
    assert shop.ingest()["rows_refused"] == 1
    assert shop.refused()[0][0] == "ordered_at:between"
    shop.configure(bounded)
    assert shop.ingest()["rows_refused"] == 0
    assert shop.refused() == []


VOLUME = "    money: total_cents\n    volume: {{action: {}, rows: {{min_share: 0.5}}, money: {{max_share: 3}}}}\n"


def test_an_amount_in_the_wrong_unit_stops_the_load_and_keeps_the_old_state(shop):
    shop.configure(shop.orders + VOLUME.format("stop"))
    shop.put("orders_1.csv", shop.header + GOOD)
    shop.ingest()
    before = shop.snapshot()
    shop.put("orders_2.csv", shop.header + "c,1,2017-03-03,1000\nd,2,2017-03-03,2000\n")
    message = problem(shop, error=VolumeAlert)
    assert "orders_2.csv: money 300,000 is above 3 times the usual 3,000" in message
    assert "Nothing was loaded" in message
    assert shop.snapshot() == before


def test_what_stops_a_load_does_not_hide_what_is_wrong_with_other_files(shop):
    shop.configure(shop.orders + "    volume: {action: stop, rows: {min: 2}}\n")
    shop.put("orders_1.csv", shop.header + "c,3,2017-03-03,10\n")
    shop.put("orders_2.csv", shop.header + "d,4,2017-03-03,10\n")
    shop.put("orders_3.csv", shop.header.replace("dollars", "dollar") + GOOD)
    message = problem(shop, error=VolumeAlert)
    for file in ("orders_1.csv", "orders_2.csv", "orders_3.csv"):
        assert file in message
    assert shop.rows("stg_orders", "order_id") == []


def test_a_folder_and_an_unreadable_file_hold_up_no_other(shop, monkeypatch):
    shop.put("orders_1.csv", shop.header + GOOD)
    (shop.put("orders_2.csv", "").parent / "orders_3.csv").mkdir()
    opened = Path.open

    def open_file(path, *how, **more):
        if path.name == "orders_2.csv":
            raise PermissionError(13, "Permission denied")
        return opened(path, *how, **more)

    monkeypatch.setattr(Path, "open", open_file)
    assert "orders_2.csv: cannot be read: Permission denied; check its rights" in problem(shop)
    assert shop.rows("stg_orders", "order_id") == ["a", "b"]


def test_a_volume_alert_goes_on_when_it_may_and_is_told(shop, caplog):
    shop.configure(shop.orders + VOLUME.format("alert"))
    shop.put("orders_1.csv", shop.header + GOOD)
    shop.ingest()
    shop.put("orders_2.csv", shop.header + "c,1,2017-03-03,100\n")
    result = shop.ingest()
    assert any("money 10,000 is above" in words for words in result["warnings"])
    assert "is outside its own history, and is loaded all the same" in caplog.text
    assert shop.rows("stg_orders", "order_id") == ["a", "b", "c"]


def test_too_many_refused_rows_stop_the_load_and_name_the_rule(shop):
    shop.configure(shop.orders + "    volume: {action: stop, refused_share: {max: 0.3}}\n")
    shop.put("orders.csv", shop.header + GOOD + "c,1,soon,1\nd,1,soon,1\n")
    assert "most often ordered_at:type: 2 rows" in problem(shop, error=VolumeAlert)
    assert shop.rows() == []


def test_of_a_repeated_key_the_latest_row_stays_and_the_other_is_kept(shop):
    shop.configure(shop.orders + "    latest_by: ordered_at\n")
    shop.put("orders_1.csv", shop.header + "a,1,2017-03-05,50\na,1,2017-03-04,40\na,1,2017-03-05,60\n")
    shop.put("orders_2.csv", shop.header + "a,1,2017-03-01,10\n")
    result = shop.ingest()
    assert (result["rows_loaded"], result["rows_refused"]) == (1, 3)
    assert shop.rows("stg_orders", "total_cents") == [6000]
    assert {rule for rule, _ in shop.refused()} == {"order_id:repeated"}


def test_repeated_deliveries_may_be_left_out_and_counted(shop):
    shop.configure(shop.orders + "    duplicates: leave_out\n")
    shop.put("orders.csv", shop.header + GOOD + GOOD)
    result = shop.ingest()
    assert (result["rows_loaded"], result["rows_refused"], result["rows_filtered"]) == (2, 0, 2)


CUSTOMERS = """
  people:
    table: stg_customers
    files: "{home}/in/people.csv"
    columns:
      customer_ref: {from: id, prefix: "shop:"}
"""


def test_an_order_without_a_customer_waits_for_the_customer(shop):
    shop.configure(shop.orders + "    references: {customer_ref: stg_customers}\n" + CUSTOMERS)
    shop.put("people.csv", "id\n1\n")
    shop.put("orders.csv", shop.header + GOOD)
    shop.ingest("people")
    assert shop.ingest()["rows_refused"] == 1
    ((rule, row),) = shop.refused()
    assert rule == "customer_ref:reference"
    assert json.loads(row) == {"id": "b", "customer": "2", "at": "2017-03-02", "dollars": "20"}
    assert "not in stg_customers" in shop.rows("quarantined_rows", "message")[0]

    shop.put("people.csv", "id\n1\n2\n")
    shop.ingest("people")
    assert shop.ingest()["rows_loaded"] == 2
    assert shop.refused() == []
    assert shop.ingest()["skipped"]


def test_an_unknown_reference_may_be_a_counted_warning(shop):
    warn = "    references: {customer_ref: {table: stg_customers, on_fail: warn}}\n"
    shop.configure(shop.orders + warn + CUSTOMERS)
    shop.put("orders.csv", shop.header + GOOD)
    result = shop.ingest()
    assert result["rows_loaded"] == 2
    assert result["warnings"] == ["customer_ref:reference: 2 rows"]


def test_a_key_of_another_source_is_not_overwritten(shop):
    web = shop.orders.replace("  orders:", "  web:").replace("orders*", "web").replace("sources:\n", "")
    shop.configure(shop.orders + web)
    shop.put("orders.csv", shop.header + GOOD)
    shop.put("web.csv", shop.header + "b,9,2017-03-02,99\nc,9,2017-03-02,99\n")
    shop.ingest()
    assert shop.ingest("web")["rows_loaded"] == 1
    assert shop.refused()[0][0] == "order_id:taken"
    assert shop.rows("stg_orders", "order_id", "source_name") == [("a", "orders"), ("b", "orders"), ("c", "web")]


def test_a_gzip_that_is_none_is_named(shop):
    shop.configure(shop.orders.replace("orders*.csv", "orders.csv.gz"))
    path = shop.put("orders.csv.gz", "")
    path.write_bytes(b"id,customer,at,dollars\n")
    assert "orders.csv.gz: the header cannot be read" in problem(shop)
    path.write_bytes(gzip.compress(b""))
    assert "there is not one row" in problem(shop)
