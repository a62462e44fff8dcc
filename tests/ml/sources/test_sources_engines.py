"""DuckDB and PostgreSQL end with equal tables, first load, change and repair alike."""

from datetime import datetime

import pyarrow as pa

SOURCES = """
sources:
  people:
    table: stg_customers
    files: "{home}/in/people.parquet"
    columns:
      customer_ref: {from: id, prefix: "shop:"}
      first_name: {from: name, on_fail: "null"}
      created_at: {from: created, timezone: America/New_York}
  orders:
    table: stg_orders
    files: "{home}/in/lines.jsonl"
    group: true
    columns:
      order_id: order
      customer_ref: {from: customer, prefix: "shop:"}
      ordered_at: {from: at, aggregate: min}
      status: {constant: placed}
      currency: {constant: USD}
      total_cents: {from: dollars, factor: 100, aggregate: sum}
    references: {customer_ref: stg_customers}
  lines:
    table: stg_order_lines
    files: "{home}/in/lines.jsonl"
    columns:
      line_id: {expression: "\\"order\\" || ':' || product"}
      order_id: order
      product_id: product
      customer_ref: {from: customer, prefix: "shop:"}
      ordered_at: at
      amount_cents: {from: dollars, factor: 100}
      currency: {constant: USD}
      status: {constant: placed}
    references: {order_id: stg_orders, product_id: {table: stg_products, on_fail: warn}}
"""
PEOPLE = pa.table(
    {
        "id": [1.0, 2.0, 3.0],
        "name": ["Zoë", "a\0b", "  "],
        "created": [datetime(2017, 1, 1, 0, 0, 0, 123456), datetime(2017, 7, 1), None],
    }
)
LINE = '{{"order": "{}", "product": "p{}", "customer": "{}", "at": "2017-03-01T10:00:00{}", "dollars": {}}}\n'
LINES = "".join(
    LINE.format(*line)
    for line in [("a", 1, 1, "Z", 1.1), ("a", 2, 1, "+02:00", 2.2), ("b", 1, 9, "", 5), ("c", 1, 3, "", '"much"')]
) + LINE.format("nul\\u0000", 1, 1, "", 1)


def test_both_engines_end_with_equal_tables(shops):
    for change in (LINES, LINES.replace('"much"', "3").replace('"9"', '"2"')):
        shops[0].put("people.parquet", PEOPLE) if change is LINES else None
        shops[0].put("lines.jsonl", change)
        for shop in shops:
            shop.configure(SOURCES)
            for name in ("people", "orders", "lines"):
                shop.ingest(name)
        assert shops[0].snapshot() == shops[1].snapshot()
    assert shops[0].rows("stg_orders", "order_id", "total_cents") == [("a", 330), ("b", 500), ("c", 300)]
    assert len(shops[1].rows("stg_order_lines")) == 4
    assert {rule for rule, _ in shops[1].refused()} == {"order_id:nul_byte", "line_id:nul_byte"}
