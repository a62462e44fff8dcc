"""What is wrong in sources.yaml is named by file, key and nearest name, before anything is read."""

import pytest

from ml.errors import ConfigError
from ml.settings import PROJECT_DIR
from ml.sources.config import load_sources

MINIMAL = """
sources:
  products:
    table: stg_products
    files: in/*.csv
    columns: {product_id: id}
"""
LOOKUP = """
sources:
  events:
    table: stg_events
    files: in/events.csv
    columns:
      event_id: id
      event_type: {lookup: {table: stg_products, column: department, by: product}}
      event_at: at
  products:
    table: stg_products
    files: in/*.csv
    columns: {product_id: id}
"""


@pytest.fixture
def problem(tmp_path, home):
    def read(text: str) -> str:
        path = tmp_path / "sources.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_sources(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    return read


def test_the_shipped_sources_are_valid_and_referenced_tables_come_first(home):
    names = list(load_sources(PROJECT_DIR / "config" / "sources.yaml"))
    assert names.index("journey_households") < names.index("journey_orders") < names.index("journey_lines")
    assert names.index("journey_campaigns") < names.index("journey_targets")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("files:", "filse:"), ["sources.products.filse: unknown key", "did you mean files?"]),
        (("stg_products", "stg_product"), ["no staging table 'stg_product'", "did you mean stg_products?"]),
        (("product_id: id", "product_id: id, brandt: b"), ["columns.brandt", "did you mean brand?"]),
        (("product_id: id", "brand: id"), ["stg_products needs product_id"]),
        (("id}", "{from: id, constant: 1}}"), ["exactly one of from, expression, constant and lookup"]),
        (("id}", "{from: id, timezone: Amerika/New_York}}"), ["not a time zone", "America/New_York"]),
        (("id}", "{from: id, timezone: UTC}}"), ["timezone and unit are for times"]),
        (("id}", "{expression: 'EPOCH(id)'}}"), ["portable SQL subset", "EPOCH"]),
        (("id}", "{expression: 'id ||| 2'}}"), ["not readable as SQL"]),
        (("files: in/*.csv", "files: in/*.xls"), ["name the format"]),
        (("files: in/*.csv", "url: sqlite://"), ["either files, or url and query"]),
        (("columns:", "references: {product_id: stg_x}\n    columns:"), ["no table 'stg_x'"]),
        (("columns:", "money: cents\n    columns:"), ["money.cents: stg_products has no such column"]),
        (("products:", "Products:"), ["['Products']", "lower case"]),
        (("id}", "{from: id, on_fial: warn}}"), ["product_id.on_fial: unknown key", "did you mean on_fail"]),
        (
            ("columns:", "volume: {rows: {min_shar: 1}}\n    columns:"),
            ["rows.min_shar: unknown key; did you mean min_share"],
        ),
    ],
)
def test_a_mistake_is_named_with_the_nearest_name(problem, change, words):
    message = problem(MINIMAL.replace(*change))
    assert all(word in message for word in words), message


def test_a_cursor_needs_its_place_in_the_query_and_cannot_split_groups(problem):
    query = "url: sqlite://\n    query: SELECT * FROM t WHERE u >= :cursor\n    cursor: {column: u}"
    assert "a cursor needs a query" in problem(MINIMAL.replace("files: in/*.csv", query.replace(":cursor\n", "0\n")))
    assert "a group needs all its rows" in problem(MINIMAL.replace("files: in/*.csv", f"group: true\n    {query}"))


def test_sources_that_refer_to_each_other_in_a_circle_are_refused(problem):
    circle = (
        MINIMAL
        + """
    references: {product_id: {table: stg_events}}
  events:
    table: stg_events
    files: in/*.csv
    columns: {event_id: id, event_type: t, event_at: at}
    references: {product_id: stg_products}
"""
    )
    assert "in a circle" in problem(circle)


def test_a_table_that_a_value_is_looked_up_in_is_loaded_first(tmp_path, home):
    path = tmp_path / "sources.yaml"
    path.write_text(LOOKUP)
    assert list(load_sources(path)) == ["products", "events"]


def test_an_empty_time_range_is_refused(problem):
    events = MINIMAL.replace("stg_products", "stg_events").replace(
        "{product_id: id}", "{event_id: id, event_type: t, event_at: {from: a, between: [2018-01-01, 2017-01-01]}}"
    )
    assert "is not before" in problem(events)
