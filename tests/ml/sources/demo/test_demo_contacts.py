"""Contact records: dirty in known ways, and still exactly 2,469 customers."""

import re

import numpy as np
import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

LIMIT = 4  # records of other customers that may share an e-mail address or a phone number


def _email(text: str | None) -> str | None:
    try:
        clean = validate_email((text or "").strip().lower(), check_deliverability=False).normalized
    except EmailNotValidError:
        return None
    return re.sub(r"\+[^@]*@", "@", clean)


def _phone(text: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text or "", "US")
    except phonenumbers.NumberParseException:
        return None
    valid = phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else None


@pytest.fixture(scope="module")
def records(raw):
    columns = ["crm_id", "household_id", "email", "phone"]
    rows = [
        dict(zip(columns, row, strict=True)) for row in raw.rows(f"SELECT {', '.join(columns)} FROM {{crm_contacts}}")
    ]
    return [row | {"email": _email(row["email"]), "phone": _phone(row["phone"])} for row in rows]


def _customers(records, identifiers=("household_id", "email", "phone"), limit=LIMIT) -> int:
    """Connected components over shared identifiers, those with too many holders left out."""
    left, right = [], []
    for name in identifiers:
        holders: dict[str, list[int]] = {}
        for position, record in enumerate(records):
            if record[name] is not None:
                holders.setdefault(record[name], []).append(position)
        for positions in holders.values():
            if len(positions) <= limit:
                left += [positions[0]] * len(positions)
                right += positions
    size = len(records)
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(size, size))
    return int(connected_components(graph, directed=False)[0])


def test_records_resolve_to_exactly_the_households(records, raw):
    assert _customers(records) == raw.expected["customers"] == 2_469


@pytest.mark.parametrize("missing", ["household_id", "email", "phone"])
def test_every_kind_of_link_is_needed(records, missing):
    kinds = [kind for kind in ("household_id", "email", "phone") if kind != missing]
    assert _customers(records, kinds) > 2_469


def test_shared_identifiers_would_merge_strangers(records):
    assert _customers(records, limit=10_000) == 2_469 - 49 - 49


def test_truth_names_each_record_once_and_each_household_a_primary(raw):
    assert raw.one("SELECT COUNT(*) - COUNT(DISTINCT crm_id) FROM {truth_duplicates}") == 0
    assert raw.one("SELECT COUNT(DISTINCT household_id) FROM {truth_duplicates} WHERE NOT is_duplicate") == 2_469
    assert raw.one("SELECT COUNT(*) FROM {truth_duplicates} WHERE NOT is_duplicate") == 2_469
    assert (
        raw.one(
            """SELECT COUNT(*) FROM {truth_duplicates} AS d JOIN {truth_duplicates} AS p ON p.crm_id = d.duplicate_of
        WHERE d.is_duplicate AND p.household_id = d.household_id AND NOT p.is_duplicate"""
        )
        == raw.expected["duplicate_records"]
    )
    households = raw.one("SELECT COUNT(DISTINCT household_id) FROM {truth_duplicates} WHERE is_duplicate")
    assert households == 198  # 8% of 2,469
    kinds = raw.rows("SELECT linked_by, COUNT(*) FROM {truth_duplicates} WHERE is_duplicate GROUP BY 1 ORDER BY 1")
    assert kinds == [("chain", 60), ("email", 66), ("loyalty", 66), ("phone", 66)]


def test_loyalty_numbers_are_the_panels_and_true_where_present(raw):
    wrong = raw.one(
        """SELECT COUNT(*) FROM {crm_contacts} AS c JOIN {truth_duplicates} AS t USING (crm_id)
        WHERE CAST(c.household_id AS BIGINT) <> t.household_id"""
    )
    strangers = raw.one(
        "SELECT COUNT(*) FROM {truth_duplicates} WHERE household_id NOT IN (SELECT household_id FROM {transactions})"
    )
    assert (wrong, strangers) == (0, 0)
    assert raw.one("SELECT COUNT(*) FROM {crm_contacts} WHERE household_id IS NULL") == 66 + 66 + 60


def test_traps_are_as_labelled(records, raw):
    trap = dict(raw.rows("SELECT crm_id, trap FROM {truth_duplicates}"))
    found = {name: [row for row in records if trap[row["crm_id"]] == name] for name in set(trap.values()) if name}
    assert {name: len(rows) for name, rows in found.items()} == {
        "shared_email": 50, "shared_phone": 50, "invalid_email": 40, "invalid_phone": 30,
    }  # fmt: skip
    assert {row["email"] for row in found["shared_email"]} == {"info@example.com"}
    assert {row["phone"] for row in found["shared_phone"]} == {"+15135550199"}
    assert {row["email"] for row in found["invalid_email"]} == {None}
    assert {row["phone"] for row in found["invalid_phone"]} == {None}


def test_nobody_real_can_be_reached(records):
    """Only domains reserved for examples (RFC 2606) and telephone numbers set aside for fiction."""
    domains = {row["email"].split("@")[1] for row in records if row["email"]}
    assert domains == {"example.com", "example.org", "example.net"}
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", row["phone"]) for row in records if row["phone"])


def test_spellings_are_dirty(raw):
    clean, spaced, tagged, rows = raw.one(
        """SELECT SUM(CASE WHEN email = LOWER(TRIM(email)) THEN 1 ELSE 0 END),
        SUM(CASE WHEN email <> TRIM(email) THEN 1 ELSE 0 END), SUM(CASE WHEN email LIKE '%+offers@%' THEN 1 ELSE 0 END),
        COUNT(email) FROM {crm_contacts}"""
    )
    assert clean < rows
    assert spaced > 50
    assert tagged > 10
    shapes = raw.one("SELECT COUNT(DISTINCT REGEXP_REPLACE(phone, '[0-9]', '9', 'g')) FROM {crm_contacts}")
    assert shapes >= 7


def test_records_are_labelled_and_dated(raw):
    found = raw.one(
        """SELECT COUNT(*) FROM {crm_contacts} WHERE synthetic <> 'true' OR created_at > updated_at
        OR updated_at >= '2018' OR CAST(birth_year AS INTEGER) NOT BETWEEN 1930 AND 2000"""
    )
    assert found == 0
