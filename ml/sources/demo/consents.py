"""Consent records: append-only, several per customer, and one customer in eight without any."""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.sources.demo.contacts import Contacts
from ml.sources.demo.files import iso, join, labels, nullable, valid
from ml.sources.demo.journey import DAY
from ml.sources.demo.randomness import Draws, Integers

KINDS = (("marketing", "email"), ("marketing", "sms"), ("analytics", "email"))
BY_EMAIL = 0
GRANTED = (0.92, 0.55, 0.8)
WITHDRAWN = (0.15, 0.1, 0.05)
NO_RECORD, RECONFIRMED, REGRANTED = 0.12, 0.2, 0.1
SIGNUP, OPT_IN, LINK, PREFERENCES, STOP = range(5)
ORIGINS = ("signup_form", "double_opt_in", "unsubscribe_link", "preference_center", "sms_stop")

NEWSLETTERS = 26
FIRST_NEWSLETTER = 1_484_056_800  # Tuesday 2017-01-10, 14:00 UTC; then every other week
END_OF_2017 = 1_514_764_800
NEVER = 1 << 40


def newsletter_epoch(number: Integers, households: Integers, draws: Draws) -> Integers:
    """When newsletter `number` (from 0) leaves for a household: spread over half an hour."""
    return FIRST_NEWSLETTER + number * 14 * DAY + draws.integers("mail spread", 0, 1800, households, number)


@dataclass(frozen=True)
class Permission:
    """When a household may be mailed: `[granted, withdrawn)` and again from `regranted`; NEVER where not."""

    granted: Integers
    withdrawn: Integers
    regranted: Integers
    left_by_newsletter: Integers  # the newsletter whose link was used; -1 otherwise

    def allows(self, household: Integers, epoch: Integers) -> NDArray[np.bool_]:
        """Whether each household may be mailed at each time."""
        first = (self.granted[household] <= epoch) & (epoch < self.withdrawn[household])
        return first | (self.regranted[household] <= epoch)


@dataclass(frozen=True)
class Consents:
    """The records, their final state and what messages need of them."""

    records: pa.Table
    truth: pa.Table
    mail: Permission


@dataclass(frozen=True)
class _Rows:
    household: Integers
    kind: Integers
    granted: NDArray[np.bool_]
    epoch: Integers
    origin: Integers


def make_consents(contacts: Contacts, households: Integers, draws: Draws) -> Consents:
    """Draw consent records for the households of `contacts`."""
    recorded = draws.uniform("has consent", households) >= NO_RECORD
    kinds = [_one_kind(kind, recorded, contacts, households, draws) for kind in range(len(KINDS))]
    parts, permissions = zip(*kinds, strict=True)
    rows = _Rows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(_Rows)))
    return Consents(_records(rows, contacts, households, draws), _truth(rows, households), permissions[BY_EMAIL])


def _one_kind(
    kind: int, recorded: NDArray[np.bool_], contacts: Contacts, households: Integers, draws: Draws
) -> tuple[_Rows, Permission]:
    who = np.arange(len(households))
    signup = contacts.created + draws.integers("consent delay", 5, 600, households, kind)
    yes = recorded & (draws.uniform("consent", households, kind) < GRANTED[kind])
    leaves = yes & (draws.uniform("withdraws", households, kind) < WITHDRAWN[kind])
    withdrawn, origin, number = _withdrawal(kind, contacts, households, draws)
    back = withdrawn + draws.integers("consent back after", 30 * DAY, 90 * DAY, households, kind)
    returns = leaves & (draws.uniform("returns", households, kind) < REGRANTED) & (back < END_OF_2017)
    confirm = 1_483_300_000 + draws.integers("confirmed", 0, 4 * DAY, households, kind)
    confirms = yes & (draws.uniform("confirms", households, kind) < RECONFIRMED)
    blocks = (
        (recorded, yes, signup, np.full_like(who, SIGNUP)),
        (confirms, yes, confirm, np.full_like(who, OPT_IN)),
        (leaves, ~yes, withdrawn, origin),
        (returns, yes, back, np.full_like(who, PREFERENCES)),
    )
    columns = [
        (who[m], np.full(m.sum(), kind), granted[m], epoch[m], source[m]) for m, granted, epoch, source in blocks
    ]
    permission = Permission(
        granted=np.where(yes, signup, NEVER),
        withdrawn=np.where(leaves, withdrawn, NEVER),
        regranted=np.where(returns, back, NEVER),
        left_by_newsletter=np.where(leaves & (origin == LINK), number, -1),
    )
    return _Rows(*(np.concatenate(column) for column in zip(*columns, strict=True))), permission


def _withdrawal(
    kind: int, contacts: Contacts, households: Integers, draws: Draws
) -> tuple[Integers, Integers, Integers]:
    """Time, origin and newsletter of a withdrawal, should the household make one."""
    number = draws.integers("leaves by newsletter", 3, NEWSLETTERS - 1, households)
    mailed = newsletter_epoch(number, households, draws)
    by_link = mailed + draws.integers("leaves after", 600, 20 * 3600, households)
    other = 1_484_300_000 + draws.integers("withdrawn", 0, 340 * DAY, households, kind)
    if KINDS[kind] == ("marketing", "sms"):
        return other, np.full_like(other, STOP), number
    if KINDS[kind] != ("marketing", "email"):
        return other, np.full_like(other, PREFERENCES), number
    uses_link = (draws.uniform("uses link", households) < 0.7) & valid(contacts.address)
    return np.where(uses_link, by_link, other), np.where(uses_link, LINK, PREFERENCES), number


def _records(rows: _Rows, contacts: Contacts, households: Integers, draws: Draws) -> pa.Table:
    """As rows of the file, in order of time.

    Half of the withdrawals of a household with duplicates are filed under the duplicate; an
    unsubscribe link knows the address and nothing else.
    """
    who = pa.array(rows.household)
    key = (households[rows.household], rows.kind, rows.epoch)
    second = contacts.duplicate_id.take(who)
    elsewhere = ~rows.granted & (draws.uniform("filed under duplicate", *key) < 0.5) & valid(second)
    filed = pc.if_else(pa.array(elsewhere), second, contacts.primary_id.take(who))
    link = rows.origin == LINK
    number = pc.cast(pa.array(100_001 + np.argsort(np.argsort(rows.epoch, kind="stable"))), pa.string())
    table = pa.table(
        {
            "consent_id": join("K", number),
            "crm_id": pc.if_else(pa.array(link), None, filed),
            "household_id": nullable(households[rows.household], link | elsewhere),
            "email": contacts.address.take(who),
            "purpose": labels(rows.kind, [purpose for purpose, _ in KINDS]),
            "channel": labels(rows.kind, [channel for _, channel in KINDS]),
            "granted": pa.array(rows.granted),
            "recorded_at": iso(rows.epoch),
            "origin": labels(rows.origin, ORIGINS),
            "synthetic": pa.array(np.ones(len(link), dtype=bool)),
        }
    )
    return table.sort_by("consent_id")


def _truth(rows: _Rows, households: Integers) -> pa.Table:
    """The last record of each household and kind."""
    order = np.lexsort((rows.epoch, rows.kind, rows.household))
    group = rows.household[order] * len(KINDS) + rows.kind[order]
    last = order[np.flatnonzero(np.r_[np.diff(group) != 0, True])]
    return pa.table(
        {
            "household_id": pa.array(households[rows.household[last]]),
            "purpose": labels(rows.kind[last], [purpose for purpose, _ in KINDS]),
            "channel": labels(rows.kind[last], [channel for _, channel in KINDS]),
            "granted": pa.array(rows.granted[last]),
            "recorded_at": iso(rows.epoch[last]),
        }
    )
