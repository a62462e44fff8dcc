"""Any database that SQLAlchemy reaches is read by a query, from its cursor on."""

import pytest
import sqlalchemy as sa

from ml.errors import RetriableError, SourceError

SOURCE = """
sources:
  orders:
    table: stg_orders
    url: ${SHOP_URL}
    query: SELECT id, customer, placed, dollars, updated FROM orders WHERE updated >= :cursor
    cursor: {column: updated, type: VARCHAR}
    columns:
      order_id: id
      customer_ref: {from: customer, prefix: "shop:"}
      ordered_at: {from: placed, timezone: America/New_York}
      status: {constant: placed}
      currency: {constant: USD}
      total_cents: {from: dollars, factor: 100}
    ignore: [updated]
"""
WITHOUT_CURSOR = SOURCE.replace(" WHERE updated >= :cursor", "").replace(
    "    cursor: {column: updated, type: VARCHAR}\n", ""
)


@pytest.fixture
def sell(shop, monkeypatch):
    """Insert or replace orders in the shop's own database."""
    url = f"sqlite:///{shop.home / 'shop.db'}"
    monkeypatch.setenv("SHOP_URL", url)
    shop.configure(SOURCE)
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, placed TEXT, dollars NUMERIC, updated TEXT)"
        )

    def insert(*rows):
        with engine.begin() as connection:
            for row in rows:
                connection.exec_driver_sql("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?)", row)

    return insert


def test_a_query_is_read_from_the_cursor_on(shop, sell):
    sell((1, 7, "2017-03-01 10:00:00", 19.99, "2017-03-01"), (2, None, "2017-03-02 10:00:00", 5, "2017-03-02"))
    result = shop.ingest()
    assert (result["rows_loaded"], result["rows_refused"]) == (1, 1)
    assert shop.rows("stg_orders", "order_id", "customer_ref", "ordered_epoch", "total_cents") == [
        ("1", "shop:7", 1488380400, 1999)
    ]
    assert shop.rows("source_loads", "cursor_value") == ["2017-03-02"]
    assert shop.ingest()["skipped"]

    sell((3, 8, "2017-03-03 10:00:00", 1, "2017-03-03"), (1, 7, "2017-03-01 10:00:00", 20, "2017-03-04"))
    assert shop.ingest()["rows_read"] == 3, "the rows of the cursor's last value come again, and nothing older"
    assert shop.rows("stg_orders", "order_id", "total_cents") == [("1", 2000), ("3", 100)]
    assert shop.ingest()["skipped"]


def test_without_a_cursor_an_unchanged_result_is_skipped(shop, sell):
    shop.configure(WITHOUT_CURSOR)
    sell((1, 7, "2017-03-01", 1, "x"), (2, 7, "2017-03-01", 2, "y"))
    assert shop.ingest()["rows_loaded"] == 2
    assert shop.ingest()["skipped"]
    sell((2, 7, "2017-03-01", 3, "y"))
    assert shop.ingest()["rows_loaded"] == 2


def test_no_row_at_all_is_an_error_like_an_empty_file(shop, sell):
    with pytest.raises(SourceError, match="there is not one row"):
        shop.ingest()


def test_a_column_that_the_query_does_not_return_is_named(shop, sell):
    sell((1, 7, "2017-03-01", 1, "x"))
    shop.configure(WITHOUT_CURSOR.replace("dollars, updated", "dollars AS amount, updated"))
    with pytest.raises(SourceError, match="'dollars' is missing"):
        shop.ingest()
    shop.configure(SOURCE.replace(", updated FROM", " FROM"))
    with pytest.raises(SourceError, match="no cursor column 'updated'"):
        shop.ingest()


def test_a_query_that_the_database_refuses_is_named(shop, sell):
    shop.configure(WITHOUT_CURSOR.replace("FROM orders", "FROM order_history"))
    with pytest.raises(SourceError, match="Source orders: the database refused the query: no such table"):
        shop.ingest()


def test_a_database_that_does_not_answer_may_be_tried_again_and_its_password_is_hidden(shop, monkeypatch):
    shop.configure(WITHOUT_CURSOR)
    monkeypatch.setenv("SHOP_URL", "postgresql+psycopg://me:secret@127.0.0.1:1/shop")
    with pytest.raises(RetriableError, match="does not answer") as caught:
        shop.ingest()
    assert "secret" not in str(caught.value)


def test_a_database_that_goes_away_in_a_query_may_be_tried_again(shop, monkeypatch, pg_url):
    query = "SELECT pg_terminate_backend(pg_backend_pid())"
    shop.configure(WITHOUT_CURSOR.replace("SELECT id, customer, placed, dollars, updated FROM orders", query))
    monkeypatch.setenv("SHOP_URL", pg_url.replace("postgresql://", "postgresql+psycopg://"))
    with pytest.raises(RetriableError, match="Source orders: the database went away"):
        shop.ingest()


@pytest.mark.parametrize(("url", "words"), [("nonsense", "not a SQLAlchemy URL"), ("oracle+nix://x", "driver")])
def test_an_address_that_cannot_be_used_is_named(shop, monkeypatch, url, words):
    shop.configure(WITHOUT_CURSOR)
    monkeypatch.setenv("SHOP_URL", url)
    with pytest.raises(SourceError, match=words):
        shop.ingest()
