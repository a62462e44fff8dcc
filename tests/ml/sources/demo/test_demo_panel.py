"""Facts about Complete Journey that the mapping in `config/sources.yaml` must handle."""

from ml.sources.demo.journey import TABLES, package_data, read_journey

LOCAL = "(transaction_timestamp AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York')"


def test_totals(raw):
    lines, baskets, households, cents = raw.one(
        """SELECT COUNT(*), COUNT(DISTINCT basket_id), COUNT(DISTINCT household_id),
           CAST(SUM(CAST(ROUND(sales_value * 100) AS BIGINT)) AS BIGINT) FROM {transactions}"""
    )
    assert (lines, baskets, households, cents) == (1_469_307, 155_848, 2_469, 459_603_958)


def test_files_are_the_packages_own_without_promotions(raw):
    copied = {path.name: path for path in (raw.folder / "complete_journey").iterdir()}
    assert set(copied) == {f"{name}.parquet" for name in TABLES}
    assert all(path.read_bytes() == (package_data() / name).read_bytes() for name, path in copied.items())


def test_timestamps_are_utc_and_make_sense_only_in_new_york(raw):
    def share(moment: str) -> float:
        return raw.one(
            f"""WITH days AS (SELECT DISTINCT household_id, CAST({moment} AS DATE) AS day FROM {{transactions}})
            SELECT AVG(CASE WHEN day IS NULL THEN 0 ELSE 1 END) FROM {{coupon_redemptions}} AS r
            LEFT JOIN days ON days.household_id = r.household_id AND days.day = CAST(redemption_date AS DATE)"""
        )

    assert share(LOCAL) > 0.9995
    assert round(share("transaction_timestamp"), 3) == 0.889
    assert raw.one("SELECT COUNT(*) FROM {transactions} WHERE transaction_timestamp >= '2018-01-01'") == 534
    years = raw.one(f"SELECT MIN({LOCAL}), MAX({LOCAL}) FROM {{transactions}}")
    assert [moment.year for moment in years] == [2017, 2017]


def test_a_product_is_in_a_basket_once_and_a_basket_has_one_household_store_and_time(raw):
    assert raw.one(
        "SELECT COUNT(*) FROM (SELECT DISTINCT household_id, basket_id, product_id FROM {transactions})"
    ) == (1_469_307)
    assert raw.one(
        "SELECT COUNT(*) FROM (SELECT DISTINCT basket_id, household_id, store_id, transaction_timestamp"
        " FROM {transactions})"
    ) == (155_848)


def test_quantities_and_amounts(raw):
    found = raw.one(
        """SELECT SUM(CASE WHEN quantity = 0 THEN 1 ELSE 0 END), SUM(CASE WHEN sales_value = 0 THEN 1 ELSE 0 END),
        SUM(CASE WHEN quantity > 1000 THEN 1 ELSE 0 END), MIN(quantity), MIN(sales_value) FROM {transactions}"""
    )
    assert found == (8_869, 11_226, 13_494, 0, 0.0)
    assert raw.one(
        "SELECT COUNT(*) FROM (SELECT basket_id FROM {transactions} GROUP BY basket_id HAVING SUM(sales_value) = 0)"
    ) == (478)


def test_products_that_the_list_does_not_know(raw):
    found = raw.one(
        """SELECT COUNT(*), COUNT(DISTINCT t.product_id) FROM {transactions} AS t
        LEFT JOIN {products} AS p ON p.product_id = t.product_id WHERE p.product_id IS NULL"""
    )
    assert found == (4_836, 17)


def test_coupons_hold_exact_duplicates(raw):
    assert raw.one("SELECT COUNT(*) - COUNT(DISTINCT (coupon_upc, product_id, campaign_id)) FROM {coupons}") == 4_872


def test_tenure_is_unknown_because_most_households_are_there_in_january(raw):
    january = raw.one(
        f"""SELECT COUNT(*) FROM (SELECT household_id FROM {{transactions}} GROUP BY 1
        HAVING MIN({LOCAL}) < '2017-02-01')"""
    )
    assert january > 0.6 * 2_469


def test_silence_is_no_churn(raw):
    """About 30% of households fall silent for more than 56 days and come back."""
    share = raw.one(
        """WITH gaps AS (SELECT household_id, transaction_timestamp - LAG(transaction_timestamp) OVER
        (PARTITION BY household_id ORDER BY transaction_timestamp) AS gap FROM {transactions})
        SELECT COUNT(DISTINCT household_id) / 2469.0 FROM gaps WHERE gap > INTERVAL 56 DAY"""
    )
    assert 0.27 < share < 0.33


def test_campaigns_were_not_randomised(raw):
    """Households that some campaign chose spent far more even before the first large one."""
    treated, others = raw.one(
        """WITH spend AS (SELECT household_id, SUM(sales_value) AS spent FROM {transactions}
        WHERE transaction_timestamp < '2017-02-01' GROUP BY 1),
        chosen AS (SELECT DISTINCT household_id FROM {campaigns})
        SELECT AVG(CASE WHEN chosen.household_id IS NOT NULL THEN spent END),
        AVG(CASE WHEN chosen.household_id IS NULL THEN spent END) FROM spend LEFT JOIN chosen USING (household_id)"""
    )
    assert treated > 1.8 * others


def test_the_reader_keeps_every_line_and_cent(raw):
    journey = read_journey(raw.folder / "complete_journey")
    assert len(journey.line_product) == 1_469_307
    assert int(journey.basket_cents.sum()) == 459_603_958
    some = 1234
    products = journey.line_product[journey.line_start[some] : journey.line_start[some + 1]].tolist()
    found = raw.rows(
        f"SELECT product_id FROM {{transactions}} WHERE basket_id = {journey.basket_id[some]} ORDER BY product_id"
    )
    assert products == [product for (product,) in found]
