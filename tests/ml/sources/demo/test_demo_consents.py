"""Consent records and the mails that were sent because of them."""


def _mailed_household() -> str:
    """Household of every mail, by way of any address that the CRM has for exactly one household."""
    return """(SELECT address, MIN(household_id) AS household_id FROM
        (SELECT LOWER(REPLACE(TRIM(c.email), '+offers', '')) AS address, t.household_id
         FROM {crm_contacts} AS c JOIN {truth_duplicates} AS t USING (crm_id))
        GROUP BY address HAVING COUNT(DISTINCT household_id) = 1)"""


def test_one_household_in_eight_has_no_record(raw):
    without = 1 - raw.one("SELECT COUNT(DISTINCT household_id) FROM {truth_consents}") / 2_469
    assert 0.105 < without < 0.135


def test_about_one_grant_in_seven_is_withdrawn(raw):
    granted, withdrawn = raw.one(
        """SELECT SUM(CASE WHEN granted AND origin = 'signup_form' THEN 1 ELSE 0 END),
        SUM(CASE WHEN NOT granted AND origin <> 'signup_form' THEN 1 ELSE 0 END)
        FROM {consents} WHERE purpose = 'marketing' AND channel = 'email'"""
    )
    assert 0.12 < withdrawn / granted < 0.18


def test_truth_is_the_last_record_of_whoever_it_belongs_to(raw):
    """Found by CRM id, or by address where an unsubscribe link knew nothing else."""
    different = raw.one(
        f"""WITH known AS (
            SELECT c.*, COALESCE(t.household_id, a.household_id) AS owner FROM {{consents}} AS c
            LEFT JOIN {{truth_duplicates}} AS t ON t.crm_id = c.crm_id
            LEFT JOIN {_mailed_household()} AS a ON a.address = c.email),
        latest AS (SELECT owner, purpose, channel, granted FROM known
            QUALIFY ROW_NUMBER() OVER (PARTITION BY owner, purpose, channel ORDER BY recorded_at DESC) = 1)
        SELECT COUNT(*) FROM latest FULL JOIN {{truth_consents}} AS t
        ON t.household_id = owner AND t.purpose = latest.purpose AND t.channel = latest.channel
        WHERE latest.granted IS DISTINCT FROM t.granted"""
    )
    assert different == 0


def test_some_records_need_the_address_and_some_the_duplicate(raw):
    assert raw.one("SELECT COUNT(*) FROM {consents} WHERE crm_id IS NULL AND email IS NOT NULL") > 100
    assert raw.one("SELECT COUNT(*) FROM {consents} WHERE crm_id IS NULL AND email IS NULL") == 0
    filed = "FROM {consents} JOIN {truth_duplicates} AS t USING (crm_id) WHERE t.is_duplicate"
    assert raw.one(f"SELECT COUNT(*) {filed}") > 5
    assert raw.one(f"SELECT COUNT(*) {filed} AND granted") == 0


def test_ids_are_unique_and_rows_are_labelled(raw):
    assert raw.one("SELECT COUNT(*) - COUNT(DISTINCT consent_id) FROM {consents}") == 0
    assert raw.one("SELECT COUNT(*) FROM {consents} WHERE NOT synthetic") == 0
    assert raw.one("SELECT COUNT(*) FROM {messages} WHERE NOT synthetic") == 0


def test_only_households_that_consented_at_that_moment_are_mailed(raw):
    sent, allowed = raw.one(
        f"""WITH sent AS (SELECT a.household_id, event_at, ROW_NUMBER() OVER () AS n FROM {{messages}} AS m
            JOIN {_mailed_household()} AS a ON a.address = LOWER(m.email) WHERE event_type = 'sent'),
        records AS (SELECT COALESCE(t.household_id, a.household_id) AS household_id, granted,
                CAST(c.recorded_at AT TIME ZONE 'UTC' AS TIMESTAMP) AS recorded_at FROM {{consents}} AS c
            LEFT JOIN {{truth_duplicates}} AS t ON t.crm_id = c.crm_id
            LEFT JOIN {_mailed_household()} AS a ON a.address = c.email
            WHERE purpose = 'marketing' AND channel = 'email'),
        latest AS (SELECT n, granted FROM sent JOIN records USING (household_id) WHERE recorded_at <= event_at
            QUALIFY ROW_NUMBER() OVER (PARTITION BY n ORDER BY recorded_at DESC) = 1)
        SELECT (SELECT COUNT(*) FROM sent), (SELECT COUNT(*) FROM latest WHERE granted)"""
    )
    assert sent == allowed > 70_000


def test_every_address_mailed_belongs_to_one_household(raw):
    unknown = raw.one(
        f"""SELECT COUNT(*) FROM {{messages}} AS m
        LEFT JOIN {_mailed_household()} AS a ON a.address = LOWER(m.email) WHERE a.address IS NULL"""
    )
    assert unknown == 0


def test_messages_go_through_their_stages_in_order(raw):
    broken = raw.one(
        """WITH stages AS (SELECT message_id, COUNT(*) FILTER (event_type = 'sent') AS sent,
            COUNT(*) FILTER (event_type = 'delivered') + COUNT(*) FILTER (event_type = 'bounced') AS arrived,
            COUNT(*) FILTER (event_type IN ('opened', 'clicked') AND event_at < delivered) AS early
            FROM {messages} JOIN (SELECT message_id, MAX(event_at) FILTER (event_type = 'delivered') AS delivered
                FROM {messages} GROUP BY 1) USING (message_id) GROUP BY 1)
        SELECT COUNT(*) FROM stages WHERE sent <> 1 OR arrived <> 1 OR early > 0"""
    )
    assert broken == 0
    assert raw.one("SELECT COUNT(*) - COUNT(DISTINCT message_event_id) FROM {messages}") == 0
    assert 200_000 < raw.one("SELECT COUNT(*) FROM {messages}") < 300_000


def test_an_unsubscribe_is_a_consent_withdrawn_in_the_same_second(raw):
    left = raw.rows("SELECT event_at FROM {messages} WHERE event_type = 'unsubscribed' ORDER BY 1")
    withdrawn = raw.rows(
        """SELECT CAST(recorded_at AT TIME ZONE 'UTC' AS TIMESTAMP) FROM {consents}
        WHERE origin = 'unsubscribe_link' ORDER BY 1"""
    )
    assert left == withdrawn


def test_campaign_mails_go_to_households_the_campaign_chose_while_it_runs(raw):
    wrong = raw.one(
        f"""SELECT COUNT(*) FROM {{messages}} AS m JOIN {_mailed_household()} AS a ON a.address = LOWER(m.email)
        LEFT JOIN {{campaigns}} AS c
            ON c.household_id = a.household_id AND CAST(c.campaign_id AS VARCHAR) = m.campaign_id
        LEFT JOIN {{campaign_descriptions}} AS d ON d.campaign_id = c.campaign_id
        WHERE event_type = 'sent' AND m.campaign_id IS NOT NULL
        AND (c.campaign_id IS NULL OR event_at < start_date OR event_at > end_date + INTERVAL 1 DAY)"""
    )
    assert wrong == 0
