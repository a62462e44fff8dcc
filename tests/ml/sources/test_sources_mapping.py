"""How delivered values become typed ones: exact cents, times in UTC, nothing rounded or guessed in silence."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from ml.errors import SourceError

ROWS = [("a", "7", "2017-03-01 10:00:00", "19.99"), ("b", "8", "2017-07-01 10:00:00", "0.29")]
CSV = "id,customer,at,dollars\n" + "".join(",".join(row) + "\n" for row in ROWS)
JSON = "".join(f'{{"id": "{i}", "customer": {c}, "at": "{t}", "dollars": {d}}}\n' for i, c, t, d in ROWS)
TABLE = pa.table(
    {
        "id": [r[0] for r in ROWS],
        "customer": [float(r[1]) for r in ROWS],
        "at": [datetime.fromisoformat(r[2]) for r in ROWS],
        "dollars": [float(r[3]) for r in ROWS],
    }
)


@pytest.mark.parametrize(
    ("name", "content"),
    [("orders.csv", CSV), ("orders.csv.gz", CSV), ("orders.jsonl", JSON), ("orders.parquet", TABLE)],
)
def test_every_format_gives_the_same_rows(shop, name, content):
    shop.configure(shop.orders.replace("orders*.csv", name))
    shop.put(name, content)
    assert shop.ingest()["rows_loaded"] == 2
    # New York is five hours behind in March and four in July.
    assert shop.rows("stg_orders", "order_id", "customer_ref", "ordered_at", "ordered_epoch", "total_cents") == [
        ("a", "shop:7", datetime(2017, 3, 1, 15), 1488380400, 1999),
        ("b", "shop:8", datetime(2017, 7, 1, 14), 1498917600, 29),
    ]


def test_a_written_offset_counts_more_than_the_declared_zone(shop):
    times = ["2017-03-01T10:00:00Z", "2017-03-01T10:00:00+02:00", "2017-03-01 10:00", "2017-03-01"]
    shop.put("orders.csv", shop.header + "".join(f"{i},1,{at},1\n" for i, at in enumerate(times)))
    shop.ingest()
    assert [at.hour for at in shop.rows("stg_orders", "ordered_at")] == [10, 8, 15, 5]


def test_epoch_numbers_are_read_in_their_unit(shop):
    shop.configure(shop.orders.replace("timezone: America/New_York", "unit: milliseconds"))
    shop.put("orders.csv", shop.header + "a,1,1488380400250,1\n")
    shop.ingest()
    assert shop.rows("stg_orders", "ordered_at", "ordered_epoch") == [
        (datetime(2017, 3, 1, 15, 0, 0, 250000), 1488380400)
    ]


CUSTOMERS = """
sources:
  people:
    table: stg_customers
    files: "{home}/in/people.csv"
    columns:
      customer_ref: id
"""
BROKEN = [
    ("x,1,2017-03-01,abc", "total_cents:type"),
    ("x,1,2017-03-01,inf", "total_cents:type"),
    ("x,1,2017-13-01,1", "ordered_at:type"),
    ("x,1,infinity,1", "ordered_at:type"),
    ("x,1,,1", "ordered_at:required"),
    ("x,,2017-03-01,1", "customer_ref:required"),
    (",1,2017-03-01,1", "order_id:required"),
    ("x,1,2017-03-01,", "total_cents:required"),
]


def test_a_value_that_is_not_what_it_should_be_refuses_its_row_only(shop):
    shop.put("orders.csv", shop.header + "a,1,2017-03-01,1\n" + "".join(f"{row}\n" for row, _ in BROKEN))
    result = shop.ingest()
    assert (result["rows_read"], result["rows_loaded"], result["rows_refused"]) == (len(BROKEN) + 1, 1, len(BROKEN))
    assert shop.rows("quarantined_rows", "row_number", "rule") == [(n, rule) for n, (_, rule) in enumerate(BROKEN, 2)]


def test_a_fraction_is_not_rounded_into_a_whole_number(shop):
    shop.configure(shop.orders.replace(", factor: 100", ""))
    shop.put("orders.csv", shop.header + "a,1,2017-03-01,3.7\nb,1,2017-03-01,4.0\nc,1,2017-03-01,9007199254740993\n")
    shop.ingest()
    assert shop.rows("stg_orders", "order_id", "total_cents") == [("b", 4), ("c", 9007199254740993)]
    assert shop.refused()[0][0] == "total_cents:type"


def test_dollars_become_exact_cents(shop):
    cents = [0, 1, 29, 57, 58, 115, 1999, *np.random.default_rng(20171).integers(0, 10**11, 2000).tolist()]
    lines = [f"{i:05},1,2017-03-01,{c // 100}.{c % 100:02d}\n" for i, c in enumerate(cents)]
    shop.put("orders.csv", shop.header + "".join(lines))
    shop.ingest()
    assert shop.rows("stg_orders", "total_cents") == cents


def test_an_expression_that_fails_on_a_row_refuses_that_row(shop):
    shop.configure(shop.orders.replace("{from: dollars, factor: 100}", "{expression: 'CAST(dollars AS BIGINT) * 100'}"))
    shop.put("orders.csv", shop.header + "a,1,2017-03-01,2\nb,1,2017-03-01,two\n")
    shop.ingest()
    assert shop.rows("stg_orders", "total_cents") == [200]
    assert shop.refused()[0][0] == "total_cents:type"


def test_an_expression_over_a_column_that_does_not_exist_is_a_source_error(shop):
    shop.configure(shop.orders.replace("{from: dollars, factor: 100}", "{expression: 'CAST(dollar AS BIGINT)'}"))
    shop.put("orders.csv", shop.header + "a,1,2017-03-01,2\n")
    with pytest.raises(SourceError, match="'dollar' is missing; did you mean dollars"):
        shop.ingest()


CHECKS = {
    "first_name": ("in: [s1, s2]", "s1", "s3"),
    "last_name": ("matches: 's[0-9]+'", "s12", "12"),
    "email": ("format: email", "a@b.example", "a.b.example"),
    "phone": ("format: phone", "(614) 555-0127", "call me"),
    "region": ("between: [b, d]", "c", "e"),
    "birth_year": ("between: [1940, 2010]", "1980", "1930"),
}


@pytest.mark.parametrize("on_fail", ["refuse", "null", "warn"])
def test_a_check_refuses_nulls_or_warns_as_declared(shop, on_fail):
    mapped = "".join(f"      {c}: {{from: {c}, {CHECKS[c][0]}, on_fail: '{on_fail}'}}\n" for c in CHECKS)
    shop.configure(CUSTOMERS + mapped)
    good = [good for _, good, _ in CHECKS.values()]
    rows = [good, *([*good[:i], bad, *good[i + 1 :]] for i, (_, _, bad) in enumerate(CHECKS.values()))]
    lines = [",".join([str(n), *row]) for n, row in enumerate(rows)]
    shop.put("people.csv", "\n".join([",".join(["id", *CHECKS]), *lines]) + "\n")
    result = shop.ingest("people")
    assert result["rows_refused"] == (len(CHECKS) if on_fail == "refuse" else 0)
    assert len(result["warnings"]) == (0 if on_fail == "refuse" else len(CHECKS))
    if on_fail != "refuse":
        found = shop.rows("stg_customers", "customer_ref", *CHECKS)
        kept = {row[0]: row[1:] for row in found}
        for n, (column, (_, _, bad)) in enumerate(CHECKS.items(), 1):
            value = kept[str(n)][list(CHECKS).index(column)]
            assert (None if value is None else str(value)) == (bad if on_fail == "warn" else None)


def test_declared_filters_leave_rows_out_and_count_them(shop):
    shop.configure(shop.orders + "    leave_out: {tests: \"customer = 'test'\", free: \"dollars = '0'\"}\n")
    shop.put("orders.csv", shop.header + "a,1,2017-03-01,1\nb,test,2017-03-01,1\nc,1,2017-03-01,0\n")
    result = shop.ingest()
    assert (result["rows_read"], result["rows_loaded"], result["rows_filtered"], result["rows_refused"]) == (3, 1, 2, 0)
    assert '"free": 1, "tests": 1' in shop.rows("source_loads", "warnings")[0]


@pytest.fixture
def grouped(shop):
    """The sources.yaml of orders that arrive as lines."""
    group = shop.orders.replace("    columns:", "    group: true\n    columns:")
    return group.replace("factor: 100}", "factor: 100, aggregate: sum}")


def test_orders_are_made_of_their_lines(shop, grouped):
    shop.configure(grouped.replace("New_York}", "New_York, aggregate: min}"))
    shop.put("orders_1.csv", shop.header + "a,1,2017-03-01,1.10\na,1,2017-03-02,2.20\nb,2,2017-03-01,5\n")
    shop.put("orders_2.csv", shop.header + "a,1,2017-03-03,0.01\n")
    assert shop.ingest()["rows_loaded"] == 2
    assert shop.rows("stg_orders", "order_id", "total_cents") == [("a", 331), ("b", 500)]


def test_an_order_whose_lines_name_two_customers_is_refused(shop, grouped):
    shop.configure(grouped)
    shop.put("orders.csv", shop.header + "a,1,2017-03-01,1\na,2,2017-03-01,2\nb,2,2017-03-01,5\n")
    assert shop.ingest()["rows_refused"] == 1
    assert shop.rows("stg_orders", "order_id") == ["b"]
    assert shop.refused()[0][0] == "customer_ref:same"
