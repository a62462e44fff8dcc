"""CRM contact records of the households: most are clean, some are the records that every CRM has.

About 8% of the households have one or two duplicate records, tied to the first one by e-mail, by
phone, by loyalty number or only through another duplicate. One e-mail address and one phone number
are shared by fifty unrelated households each and must never merge them.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.sources.demo.files import iso, join, labels, nullable
from ml.sources.demo.households import AREAS, REGIONS, Traits
from ml.sources.demo.journey import DAY, Journey
from ml.sources.demo.randomness import Draws, Integers

SHARED_EMAIL = "info@example.com"
SHARED_PHONE = (513, 199)  # area code, last three digits after 555-0
SHARED, DUPLICATED, TWICE = 50, 198, 60
INVALID_EMAILS = ("not given", "jane@", "@example.com", "bob@@example.com", "mary.example.com", "x@localhost")
INVALID_PHONES = ("12345", "000-000-0000", "call my wife", "555-01", "+1 999")
DOMAINS = ("example.com", "example.org", "example.net")

FIRST = (
    "James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth",
    "William", "Barbara", "Richard", "Susan", "Joseph", "Jessica", "Thomas", "Sarah", "Carlos", "Karen",
    "Ana", "José", "Wei", "Priya", "Omar", "Zoë", "Aaliyah", "Tyrone", "Siobhan", "Chloe",
)  # fmt: skip
LAST = (
    "Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez",
    "Hernandez", "Lopez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee",
    "Perez", "Thompson", "White", "Harris", "Clark", "Lewis", "Robinson", "Walker", "Young", "Nguyen",
    "O'Brien", "Müller", "Patel", "Kim", "Okafor", "De la Cruz",
)  # fmt: skip

NORMAL, SHARES_EMAIL, SHARES_PHONE, HAS_DUPLICATE, BAD_EMAIL, BAD_PHONE = range(6)
TRAPS = (None, "shared_email", "shared_phone", None, "invalid_email", "invalid_phone")
BY_EMAIL, BY_PHONE, BY_LOYALTY, BY_CHAIN = range(4)
LINKS = ("email", "phone", "loyalty", "chain")


@dataclass(frozen=True)
class Contacts:
    """The records and what the rest of the companion needs to know of them.

    Addresses have one row per household: `address` is null where there is none of its own;
    `second_address` is on a duplicate record only.
    """

    records: pa.Table
    truth: pa.Table
    address: pa.Array
    second_address: pa.Array
    primary_id: pa.Array
    duplicate_id: pa.Array  # null where the household has one record
    created: Integers


@dataclass(frozen=True)
class _Rows:
    """Records before they become text; one array element per record, primaries first."""

    household: Integers
    copy: Integers  # 0 primary, 1 first duplicate, 2 second
    link: Integers  # -1 for a primary


@dataclass(frozen=True)
class _Book:
    """What each household has: its trap, its own address, a second one, or no address at all."""

    groups: Integers
    own: pa.Array
    second: pa.Array
    no_email: NDArray[np.bool_]


def make_contacts(journey: Journey, traits: Traits, draws: Draws) -> Contacts:
    """Draw the contact records of all households."""
    households = journey.households
    rows = _rows(households, _groups(traits.slot), draws)
    first, last = _names(households, draws)
    book = _book(traits, (first, last), households, draws)
    created = _created(rows, households, draws)
    loyalty = (rows.copy > 0) & (rows.link != BY_LOYALTY)
    ids = join("C", pc.cast(pa.array(100_001 + draws.order("crm id", rows.household, rows.copy)), pa.string()))
    who = pa.array(rows.household)
    records = pa.table(
        {
            "crm_id": ids,
            "household_id": nullable(households[rows.household], loyalty),
            "email": _dirty_emails(_emails(rows, book), rows, draws),
            "phone": _phones(rows, book.groups, traits, draws),
            "first_name": _dirty_names(first.take(who), rows, draws),
            "last_name": last.take(who),
            "country": labels(np.zeros_like(rows.copy), ["US"]),
            "region": labels(traits.region[rows.household], REGIONS),
            "birth_year": pa.array(_birth_years(journey, draws)[rows.household]),
            "created_at": iso(created),
            "updated_at": iso(created + _aged(created, rows, draws)),
            "synthetic": pa.array(np.ones(len(rows.copy), dtype=bool)),
        }
    )
    return Contacts(
        records=records.sort_by("crm_id"),
        truth=_truth(ids, rows, book, households).sort_by("crm_id"),
        primary_id=ids[: len(households)],
        duplicate_id=_first_duplicates(ids, rows, len(households)),
        created=created[: len(households)],
        **_own_addresses(rows, book),
    )


def _truth(ids: pa.Array, rows: _Rows, book: _Book, households: Integers) -> pa.Table:
    copies = pa.array(rows.copy > 0)
    return pa.table(
        {
            "crm_id": ids,
            "household_id": pa.array(households[rows.household]),
            "is_duplicate": copies,
            "duplicate_of": pc.if_else(copies, ids.take(pa.array(rows.household)), None),
            "linked_by": labels(rows.link, LINKS),
            "trap": labels(book.groups[rows.household], TRAPS),
        }
    )


def _first_duplicates(ids: pa.Array, rows: _Rows, count: int) -> pa.Array:
    """Per household the id of its first duplicate; null without one."""
    firsts = np.flatnonzero(rows.copy == 1)
    position = np.full(count, -1)
    position[rows.household[firsts]] = firsts
    return ids.take(pa.array(position, mask=position < 0))


def _own_addresses(rows: _Rows, book: _Book) -> dict[str, pa.Array]:
    """Addresses that are valid and belong to one household only."""
    own = np.isin(book.groups, (SHARES_PHONE, HAS_DUPLICATE, BAD_PHONE))
    own |= (book.groups == NORMAL) & ~book.no_email
    second = np.isin(_first_link(rows, len(own)), (BY_PHONE, BY_LOYALTY))
    return {
        "address": pc.if_else(pa.array(own), book.own, None),
        "second_address": pc.if_else(pa.array(second), book.second, None),
    }


def _groups(slot: Integers) -> Integers:
    """Deal the households, in their random order, into the traps."""
    sizes = (SHARED, SHARED, DUPLICATED, 40, 30)
    edges = np.cumsum(sizes)
    group = np.searchsorted(edges, slot, side="right") + 1
    return np.where(group > len(sizes), NORMAL, group)


def _rows(households: Integers, groups: Integers, draws: Draws) -> _Rows:
    everyone = np.arange(len(households))
    once = np.flatnonzero(groups == HAS_DUPLICATE)
    rank = draws.order("duplicates", households[once])
    again = once[rank < TWICE]
    return _Rows(
        household=np.r_[everyone, once, again],
        copy=np.r_[np.zeros_like(everyone), np.ones_like(once), np.full_like(again, 2)],
        link=np.r_[np.full_like(everyone, -1), rank % 3, np.full_like(again, BY_CHAIN)],
    )


def _first_link(rows: _Rows, count: int) -> Integers:
    """How each household's first duplicate is tied to it; -1 where there is none."""
    link = np.full(count, -1)
    first = rows.copy == 1
    link[rows.household[first]] = rows.link[first]
    return link


def _book(traits: Traits, names: tuple[pa.Array, pa.Array], households: Integers, draws: Draws) -> _Book:
    return _Book(
        groups=_groups(traits.slot),
        own=_addresses(names, households, draws, ""),
        second=_addresses(names, households, draws, "home"),
        no_email=draws.uniform("no e-mail", households) < 0.03,
    )


def _names(households: Integers, draws: Draws) -> tuple[pa.Array, pa.Array]:
    first = draws.integers("first name", 0, len(FIRST) - 1, households)
    last = draws.integers("last name", 0, len(LAST) - 1, households)
    return labels(first, FIRST), labels(last, LAST)


def _ascii(names: pa.Array) -> pa.Array:
    plain = pc.utf8_lower(names)
    for accented, letter in (("é", "e"), ("ë", "e"), ("ü", "u"), ("'", ""), (" ", "")):
        plain = pc.replace_substring(plain, accented, letter)
    return plain


def _addresses(names: tuple[pa.Array, pa.Array], households: Integers, draws: Draws, suffix: str) -> pa.Array:
    """One address per household; the household's number keeps them unique."""
    domain = labels(draws.pick(f"domain{suffix}", (0.7, 0.18, 0.12), households), DOMAINS)
    number = pc.cast(pa.array(households), pa.string())
    return join(_ascii(names[0]), ".", _ascii(names[1]), number, suffix, "@", domain)


def _emails(rows: _Rows, book: _Book) -> pa.Array:
    """The record's address: own, second, shared, invalid or none."""
    group, link = book.groups[rows.household], rows.link
    chained = rows.copy == 2
    via_phone = chained & (_first_link(rows, len(book.groups))[rows.household] == BY_EMAIL)
    uses_second = np.isin(link, (BY_PHONE, BY_LOYALTY)) | (chained & ~via_phone)
    who = pa.array(rows.household)
    email = pc.if_else(pa.array(uses_second), book.second.take(who), book.own.take(who))
    email = pc.if_else(pa.array(group == SHARES_EMAIL), SHARED_EMAIL, email)
    invalid = labels(rows.household % len(INVALID_EMAILS), INVALID_EMAILS)
    email = pc.if_else(pa.array(group == BAD_EMAIL), invalid, email)
    none = (group == NORMAL) & book.no_email[rows.household]
    return pc.if_else(pa.array(via_phone | none), None, email)


def _dirty_emails(emails: pa.Array, rows: _Rows, draws: Draws) -> pa.Array:
    """Spell one in eight primaries and half of the duplicates as people do; only duplicates have a tag."""
    key, again = (rows.household, rows.copy), rows.copy > 0
    dirty = draws.uniform("dirty e-mail", *key) < np.where(again, 0.5, 0.125)
    style = np.where(dirty, draws.integers("e-mail style", 0, np.where(again, 3, 2), *key), 4)
    tagged = pc.replace_substring(emails, "@", "+offers@")
    spellings = (pc.utf8_upper(emails), pc.utf8_title(emails), join("  ", emails, " "), tagged, emails)
    return pc.choose(pa.array(style), *spellings)


def _phones(rows: _Rows, groups: Integers, traits: Traits, draws: Draws) -> pa.Array:
    """The record's phone in one of seven spellings; 10% of the ordinary households gave none."""
    group, who = groups[rows.household], rows.household
    via_phone = (rows.copy == 2) & (_first_link(rows, len(groups))[who] == BY_EMAIL)
    uses_second = np.isin(rows.link, (BY_EMAIL, BY_LOYALTY)) | via_phone
    area = np.array([code for code, _ in AREAS])[traits.area[who]]
    number = 100 + traits.slot[who] // len(AREAS) + np.where(uses_second, 50, 0)
    shares = group == SHARES_PHONE
    area, number = np.where(shares, SHARED_PHONE[0], area), np.where(shares, SHARED_PHONE[1], number)
    phone = _spelled(area, number, draws.integers("phone style", 0, 6, who, rows.copy))
    invalid = labels(who % len(INVALID_PHONES), INVALID_PHONES)
    phone = pc.if_else(pa.array(group == BAD_PHONE), invalid, phone)
    none = (group == NORMAL) & (draws.uniform("no phone", who) < 0.1)
    chained_by_email = (rows.copy == 2) & ~via_phone
    return pc.if_else(pa.array(none | chained_by_email), None, phone)


def _spelled(area: Integers, number: Integers, style: Integers) -> pa.Array:
    a, n = (pc.cast(pa.array(part), pa.string()) for part in (area, number))
    return pc.choose(
        pa.array(style),
        join("+1", a, "5550", n),
        join("(", a, ") 555-0", n),
        join(a, ".555.0", n),
        join("1-", a, "-555-0", n),
        join(a, "5550", n),
        join("+1 ", a, " 555 0", n),
        join(" ", a, " 555-0", n, " "),
    )


def _dirty_names(first: pa.Array, rows: _Rows, draws: Draws) -> pa.Array:
    style = np.where(rows.copy > 0, draws.integers("name style", 0, 3, rows.household, rows.copy), 3)
    initial = join(pc.utf8_slice_codeunits(first, 0, 1), ".")
    return pc.choose(pa.array(style), pc.utf8_upper(first), pc.utf8_lower(first), initial, first)


def _created(rows: _Rows, households: Integers, draws: Draws) -> Integers:
    """Primaries joined in 2014-2016, duplicates appeared during 2017."""
    share = draws.uniform("created", households[rows.household], rows.copy)
    start = np.where(rows.copy > 0, 1_483_300_000, 1_388_600_000)
    length = np.where(rows.copy > 0, 330 * DAY, 1_090 * DAY)
    return np.asarray(start + (share * length).astype(np.int64), dtype=np.int64)


def _aged(created: Integers, rows: _Rows, draws: Draws) -> Integers:
    """Seconds from creation to the last change, before 2018."""
    share = draws.uniform("updated", rows.household, rows.copy) ** 2
    return (share * (1_514_764_800 - created)).astype(np.int64)


def _birth_years(journey: Journey, draws: Draws) -> Integers:
    drawn = draws.integers("birth year", 1938, 1997, journey.households)
    known = journey.birth_years + draws.integers("birth year in band", -3, 3, journey.households)
    return np.where(journey.birth_years > 0, known, drawn)
