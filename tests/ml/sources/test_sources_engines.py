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
  events:
    table: stg_events
    files: "{home}/in/events.jsonl"
    columns:
      event_id: id
      anonymous_id: device
      customer_ref: {from: customer, prefix: "shop:"}
      event_type: {from: type, in: [page_view, purchase]}
      event_at: {from: ms, unit: milliseconds}
      duration_seconds: {from: seconds, on_fail: "null"}
      scroll_depth: {from: depth, on_fail: warn}
      value_cents: {from: dollars, factor: 100}
  mails:
    table: stg_messages
    files: "{home}/in/mails.csv"
    columns:
      message_event_id: {expression: "mail || ':' || what"}
      message_id: mail
      event_type: what
      event_at: {from: at, timezone: Europe/Berlin}
      email: {from: to, format: email, on_fail: warn}
      channel: {constant: email}
  consents:
    table: stg_consents
    files: "{home}/in/consents.csv"
    columns:
      consent_id: id
      email: who
      purpose: {constant: marketing}
      channel: {constant: email}
      granted: "yes"
      recorded_at: {from: at, between: [2017-01-01, 2018-01-01]}
"""
EVENTS = """{"id": "1", "type": "page_view", "ms": 1488380400123, "seconds": "-1", "depth": 100, "device": "d"}
{"id": "2", "type": "purchase", "ms": "1488380400", "dollars": "0.005", "customer": 7}
{"id": "3", "type": "dance", "ms": 1}
"""
MAILS = """mail,what,at,to
m1,sent,2017-03-26 02:30:00,A@B.example
m1,opened,2017-10-29 02:30:00,nobody
m2,lost,x,
"""
CONSENTS = """id,who,yes,at
1,a@b.example,yes,2017-02-01
2,c@d.example,0,2017-12-31T23:59:59Z
3,e@f.example,t,2016-01-01
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
        assert _same(shops, "people", "orders", "lines")
    assert shops[0].rows("stg_orders", "order_id", "total_cents") == [("a", 330), ("b", 500), ("c", 300)]
    assert len(shops[1].rows("stg_order_lines")) == 4
    assert {rule for rule, _ in shops[1].refused()} == {"order_id:nul_byte", "line_id:nul_byte"}


def test_both_engines_end_with_equal_behaviour(shops):
    for name, content in {"events.jsonl": EVENTS, "mails.csv": MAILS, "consents.csv": CONSENTS}.items():
        shops[0].put(name, content)
    assert _same(shops, "events", "mails", "consents")
    counts = {name: len(shops[1].rows(f"stg_{name}")) for name in ("events", "messages", "consents")}
    assert counts == {"events": 2, "messages": 2, "consents": 2}
    assert len(shops[1].refused()) == 3


def _same(shops, *sources):
    for shop in shops:
        shop.configure(SOURCES)
        for name in sources:
            shop.ingest(name)
    return shops[0].snapshot() == shops[1].snapshot()
