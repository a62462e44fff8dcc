"""The truth tables, found again from the published files by another way."""

import pytest

SESSIONS = """WITH e AS (SELECT DISTINCT ON (event_id) * FROM {web_events}),
owners AS (SELECT session_id, household_id AS owner FROM {truth_sessions}),
bought AS (SELECT owner, event_at FROM e JOIN owners USING (session_id) WHERE event_type = 'purchase'),
carts AS (SELECT e.session_id, o.owner, e.event_at,
    EXISTS (SELECT 1 FROM bought AS b WHERE b.owner = o.owner AND b.event_at >= e.event_at
        AND b.event_at < e.event_at + INTERVAL 48 HOUR) AS in_48h,
    EXISTS (SELECT 1 FROM bought AS b WHERE b.owner = o.owner AND b.event_at >= e.event_at
        AND b.event_at < e.event_at + INTERVAL 24 HOUR) AS in_24h
    FROM e JOIN owners AS o USING (session_id) WHERE event_type = 'add_to_cart'),
thirds AS (SELECT session_id, event_at FROM (SELECT session_id, event_at,
    LAG(event_at, 2) OVER (PARTITION BY session_id ORDER BY event_at, event_id) AS first
    FROM e WHERE event_type = 'product_view') WHERE event_at - first <= INTERVAL 10 MINUTE)
"""


def _sessions(raw, rule: str) -> set[str]:
    return {session for (session,) in raw.rows(f"SELECT session_id FROM {{truth_sessions}} WHERE is_{rule}")}


def test_cart_abandoners(raw):
    found = raw.rows(SESSIONS + "SELECT DISTINCT session_id FROM carts WHERE NOT in_48h")
    bots = _sessions(raw, "bot")
    assert {session for (session,) in found} - bots == _sessions(raw, "cart_abandon_48h")


def test_high_intent_abandoners(raw):
    found = raw.rows(
        SESSIONS
        + """SELECT DISTINCT c.session_id FROM carts AS c JOIN thirds AS t ON t.session_id = c.session_id
        AND c.event_at BETWEEN t.event_at AND t.event_at + INTERVAL 10 MINUTE WHERE NOT in_24h"""
    )
    assert {session for (session,) in found} - _sessions(raw, "bot") == _sessions(raw, "high_intent_abandon")


def test_browsers_and_converted(raw):
    browsers = raw.rows(
        """SELECT session_id FROM (SELECT DISTINCT ON (event_id) * FROM {web_events}) GROUP BY 1
        HAVING COUNT(*) FILTER (event_type = 'product_view') >= 5
        AND COUNT(*) FILTER (event_type IN ('add_to_cart', 'purchase')) = 0"""
    )
    assert {session for (session,) in browsers} - _sessions(raw, "bot") == _sessions(raw, "browser")
    converted = raw.rows("SELECT DISTINCT session_id FROM {web_events} WHERE event_type = 'purchase'")
    assert {session for (session,) in converted} == _sessions(raw, "converted")


def test_resolvable_devices_are_those_that_name_one_household(raw):
    found = raw.rows(
        """SELECT anonymous_id, MIN(household_id) FROM {web_events} GROUP BY 1
        HAVING COUNT(DISTINCT household_id) = 1 ORDER BY 1"""
    )
    truth = raw.rows("SELECT anonymous_id, household_id FROM {truth_devices} WHERE resolvable ORDER BY 1")
    assert found == truth
    devices, events = raw.one(
        """SELECT AVG(CASE WHEN d.resolvable THEN 1.0 ELSE 0.0 END) FILTER (kind = 'household'),
        (SELECT COUNT(*) FROM {web_events} SEMI JOIN
            (SELECT anonymous_id FROM {truth_devices} WHERE resolvable) USING (anonymous_id))
            / (SELECT COUNT(*) FROM {web_events}) FROM {truth_devices} AS d"""
    )
    assert 0.8 < devices < 0.95  # some devices never log in
    assert 0.8 < events < 0.95


def test_every_session_and_device_of_the_stream_has_its_truth(raw):
    for name in ("session_id", "anonymous_id"):
        table = {"session_id": "{truth_sessions}", "anonymous_id": "{truth_devices}"}[name]
        stream = raw.one(f"SELECT COUNT(DISTINCT {name}) FROM {{web_events}}")
        both = raw.one(f"SELECT COUNT(*) FROM {table} SEMI JOIN {{web_events}} USING ({name})")
        assert stream == both == raw.one(f"SELECT COUNT(*) FROM {table}")


@pytest.mark.parametrize("as_of", ["2018-01-01 05:00:00", "2017-11-01 04:00:00"])
@pytest.mark.parametrize("rule", ["cart_abandon_48h", "high_intent_abandon", "browser", "converted"])
def test_there_is_somebody_to_find_at_the_dates_of_the_demo(raw, as_of, rule):
    found = raw.one(
        f"""SELECT COUNT(DISTINCT household_id) FROM {{truth_sessions}} WHERE is_{rule} AND resolvable
        AND ended_at < '{as_of}' AND started_at >= TIMESTAMP '{as_of}' - INTERVAL 14 DAY"""
    )
    assert found > 50


def test_some_left_carts_are_bought_later(raw):
    share = raw.one(
        """SELECT AVG(CASE WHEN next_purchase_event_at < last_cart_at + INTERVAL 48 HOUR THEN 1.0 ELSE 0.0 END)
        FROM {truth_sessions} WHERE last_cart_at IS NOT NULL AND NOT is_converted AND NOT is_bot"""
    )
    assert 0.02 < share < 0.15


def test_expected_counts_are_those_of_the_files(raw):
    expected = raw.expected
    tables = ("crm_contacts", "consents", "messages", "web_events")
    counted = [raw.one(f"SELECT COUNT(*) FROM {{{name}}}") for name in tables]
    names = ("contact_records", "consents", "messages", "web_event_rows")
    assert counted == [expected[name] for name in names]
    assert expected["customers"] == 2_469
    assert expected["orders"] == 155_848
    assert expected["order_lines"] == 1_469_307
    assert expected["revenue_cents"] == 459_603_958
    for rule in ("bot", "converted", "high_intent_abandon", "cart_abandon_48h", "browser"):
        assert expected[f"sessions_{rule}"] == len(_sessions(raw, rule))
