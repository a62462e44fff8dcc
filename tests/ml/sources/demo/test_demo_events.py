"""The web event stream: true to the baskets, dirty in known ways."""


def test_purchases_are_real_baskets(raw):
    """Same basket, household and value, at the basket's second."""
    purchases, agreeing = raw.one(
        """WITH baskets AS (SELECT basket_id, household_id, transaction_timestamp,
            SUM(CAST(ROUND(sales_value * 100) AS BIGINT)) AS cents FROM {transactions} GROUP BY 1, 2, 3),
        purchases AS (SELECT DISTINCT ON (event_id) * FROM {web_events} WHERE event_type = 'purchase')
        SELECT COUNT(*), COUNT(*) FILTER (b.household_id = p.household_id AND b.transaction_timestamp = p.event_at
            AND b.cents = CAST(ROUND(p.value * 100) AS BIGINT))
        FROM purchases AS p LEFT JOIN baskets AS b ON b.basket_id = p.order_id"""
    )
    assert purchases == agreeing == raw.expected["sessions_converted"]
    assert 0.06 < purchases / 155_848 < 0.12


def test_a_basket_is_bought_online_once(raw):
    assert raw.one(
        "SELECT COUNT(DISTINCT order_id) - COUNT(DISTINCT event_id) FROM {web_events} WHERE event_type = 'purchase'"
    ) == (0)


def test_products_are_known_and_where_they_belong(raw):
    unknown = raw.one("SELECT COUNT(*) FROM {web_events} WHERE product_id NOT IN (SELECT product_id FROM {products})")
    misplaced = raw.one(
        "SELECT COUNT(*) FROM {web_events} WHERE (product_id IS NULL) = (event_type IN ('product_view', 'add_to_cart'))"
    )
    assert (unknown, misplaced) == (0, 0)


def test_what_is_put_in_a_cart_and_bought_is_in_the_basket(raw):
    carts, bought = raw.one(
        """WITH orders AS (SELECT DISTINCT session_id, order_id FROM {web_events} WHERE event_type = 'purchase')
        SELECT COUNT(*), COUNT(t.product_id) FROM {web_events} AS e JOIN orders AS o ON o.session_id = e.session_id
        LEFT JOIN {transactions} AS t ON t.basket_id = o.order_id AND t.product_id = e.product_id
        WHERE e.event_type = 'add_to_cart'"""
    )
    assert bought / carts > 0.99  # the rest are products that the list does not know


def test_stream_arrives_late_out_of_order_and_sometimes_twice(raw):
    rows, events, hours, days, early = raw.one(
        """SELECT COUNT(*), COUNT(DISTINCT event_id),
        COUNT(*) FILTER (received_at - event_at > INTERVAL 50 MINUTE),
        COUNT(*) FILTER (received_at - event_at > INTERVAL 40 HOUR),
        COUNT(*) FILTER (received_at < event_at) FROM {web_events}"""
    )
    assert (rows, events) == (raw.expected["web_event_rows"], raw.expected["web_events"])
    assert 500_000 < events < 700_000
    assert 0.0005 < (rows - events) / events < 0.0015
    assert 0.018 < hours / rows < 0.028
    assert 0.002 < days / rows < 0.004
    assert early == 0
    columns = "event_id, anonymous_id, session_id, event_type, event_at, product_id, value, user_agent"
    assert raw.one(f"SELECT COUNT(*) FROM (SELECT DISTINCT {columns} FROM {{web_events}})") == events


def test_files_are_by_month_of_arrival_in_order_of_arrival(raw):
    wrong_month, disorder, out_of_order = raw.one(
        """WITH e AS (SELECT filename, received_at, event_at,
            LAG(received_at) OVER (PARTITION BY filename ORDER BY file_row_number) AS before,
            LAG(event_at) OVER (PARTITION BY filename ORDER BY file_row_number) AS event_before
            FROM read_parquet({web_events}, filename=true, file_row_number=true))
        SELECT COUNT(*) FILTER (filename NOT LIKE '%_' || STRFTIME(received_at, '%Y-%m') || '.parquet'),
        COUNT(*) FILTER (before > received_at), COUNT(*) FILTER (event_before > event_at) FROM e"""
    )
    assert (wrong_month, disorder) == (0, 0)
    assert out_of_order > 10_000


def test_a_household_is_named_at_login_and_purchase_only(raw):
    named = raw.rows("SELECT DISTINCT event_type FROM {web_events} WHERE household_id IS NOT NULL ORDER BY 1")
    assert named == [("login",), ("purchase",)]
    assert raw.one(
        "SELECT COUNT(*) FROM {web_events} WHERE event_type IN ('login', 'purchase') AND household_id IS NULL"
    ) == (0)


def test_bots_are_absurd_and_never_log_in(raw):
    share, slowest, named, declared, bots = raw.one(
        """WITH bots AS (SELECT anonymous_id FROM {truth_devices} WHERE kind = 'bot'),
        rates AS (SELECT session_id, COUNT(*) / (1 + DATE_DIFF('second', MIN(event_at), MAX(event_at))) AS rate
            FROM {web_events} SEMI JOIN bots USING (anonymous_id) GROUP BY 1)
        SELECT (SELECT COUNT(*) FROM {web_events} SEMI JOIN bots USING (anonymous_id))
            / (SELECT COUNT(*) FROM {web_events}),
        (SELECT MIN(rate) FROM rates),
        (SELECT COUNT(*) FROM {web_events} SEMI JOIN bots USING (anonymous_id) WHERE household_id IS NOT NULL),
        (SELECT COUNT(DISTINCT anonymous_id) FROM {web_events} WHERE LOWER(user_agent) LIKE '%bot%'),
        (SELECT COUNT(*) FROM bots)"""
    )
    assert 0.02 < share < 0.05
    assert slowest > 0.3  # events a second, for a minute or more
    assert named == 0
    assert 0 < declared < bots


def test_kiosks_serve_many_households(raw):
    kiosks = raw.rows(
        """SELECT anonymous_id, COUNT(DISTINCT household_id) FROM {web_events}
        SEMI JOIN (SELECT anonymous_id FROM {truth_devices} WHERE kind = 'kiosk') USING (anonymous_id) GROUP BY 1"""
    )
    assert len(kiosks) == 2
    assert all(households > 50 for _, households in kiosks)


def test_no_other_device_is_shared(raw):
    most = raw.one(
        """SELECT MAX(n) FROM (SELECT COUNT(DISTINCT household_id) AS n FROM {web_events}
        ANTI JOIN (SELECT anonymous_id FROM {truth_devices} WHERE kind = 'kiosk') USING (anonymous_id)
        GROUP BY anonymous_id)"""
    )
    assert most == 1


def test_three_households_in_four_use_the_web_with_one_to_three_devices(raw):
    counts = [
        number
        for (number,) in raw.rows("SELECT COUNT(*) FROM {truth_devices} WHERE kind = 'household' GROUP BY household_id")
    ]
    assert 0.71 < len(counts) / 2_469 < 0.79
    assert {1, 2, 3} == set(counts)


def test_values_are_plausible(raw):
    wrong = raw.one(
        """SELECT COUNT(*) FROM {web_events} WHERE NOT synthetic OR duration_seconds NOT BETWEEN 0 AND 900
        OR scroll_depth NOT BETWEEN 0 AND 1 OR (value IS NULL) = (event_type IN ('add_to_cart', 'purchase'))
        OR (region IS NULL) = (country = 'US') OR device NOT IN ('mobile', 'desktop', 'tablet', 'kiosk')"""
    )
    assert wrong == 0


def test_a_clicked_mail_leads_to_the_shop_with_its_campaign(raw):
    visits, with_campaign = raw.one(
        """SELECT COUNT(DISTINCT session_id), COUNT(DISTINCT session_id) FILTER (campaign_id IS NOT NULL)
        FROM {web_events} WHERE referrer = 'email'"""
    )
    clicks = raw.one("SELECT COUNT(*) FROM {messages} WHERE event_type = 'clicked'")
    assert 0.4 * clicks < visits < 0.8 * clicks
    assert 0 < with_campaign < visits
