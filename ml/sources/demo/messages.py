"""E-mail events: a newsletter every other week and the mails around the panel's real campaigns.

Only households that granted marketing by e-mail are mailed, to an address of their own. Opening
depends on a fixed trait and on the baskets of the 28 days before the mail.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.sources.demo.consents import END_OF_2017, NEWSLETTERS, Permission, newsletter_epoch
from ml.sources.demo.contacts import Contacts
from ml.sources.demo.files import hex_ids, labels, timestamps, valid
from ml.sources.demo.households import Traits
from ml.sources.demo.journey import DAY, Journey, activity
from ml.sources.demo.randomness import Bits, Draws, Integers

EVENT_TYPES = ("sent", "delivered", "opened", "clicked", "unsubscribed", "bounced")
SENT, DELIVERED, OPENED, CLICKED, UNSUBSCRIBED, BOUNCED = range(6)
CAMPAIGN_MAILS, DAYS_BETWEEN_MAILS = 10, 4  # at most ten, every fourth day while the campaign runs
HARD_BOUNCE, SOFT_BOUNCE = 0.01, 0.003
REOPENS = (0.3, 0.15)


@dataclass(frozen=True)
class Sends:
    """One element per mail sent; `campaign` is a position in `Journey.campaign_id`, -1 for a newsletter."""

    household: Integers
    number: Integers
    campaign: Integers
    epoch: Integers
    key: Bits


@dataclass(frozen=True)
class Clicks:
    """What a click says to the web shop; one element per click."""

    household: Integers
    campaign: Integers
    epoch: Integers
    key: Bits


@dataclass(frozen=True)
class _Events:
    send: Integers
    kind: Integers
    epoch: Integers
    copy: Integers


def make_messages(
    journey: Journey, traits: Traits, contacts: Contacts, mail: Permission, draws: Draws
) -> tuple[pa.Table, Clicks]:
    """Draw all message events, in order of time, and the clicks that lead to the shop."""
    sends = _sends(journey, contacts, mail, draws)
    events = _events(sends, journey, traits, mail, draws)
    clicked = events.send[events.kind == CLICKED]
    clicks = Clicks(
        sends.household[clicked],
        sends.campaign[clicked],
        events.epoch[events.kind == CLICKED],
        draws.bits("click", sends.key[clicked]),
    )
    return _table(events, sends, journey, contacts, draws), clicks


def _sends(journey: Journey, contacts: Contacts, mail: Permission, draws: Draws) -> Sends:
    everyone = np.arange(len(journey.households))
    household = np.r_[
        np.tile(everyone, NEWSLETTERS),
        np.repeat(journey.target_household, CAMPAIGN_MAILS),
    ]
    number = np.r_[
        np.repeat(np.arange(NEWSLETTERS), len(everyone)),
        np.tile(np.arange(CAMPAIGN_MAILS), len(journey.target_household)),
    ]
    campaign = np.r_[np.full(NEWSLETTERS * len(everyone), -1), np.repeat(journey.target_campaign, CAMPAIGN_MAILS)]
    ids = journey.households[household]
    planned = journey.campaign_start[campaign] + 15 * 3600 + number * DAYS_BETWEEN_MAILS * DAY
    planned += draws.integers("campaign spread", 0, 3600, ids, campaign + 1, number)
    epoch = np.where(campaign < 0, newsletter_epoch(number, ids, draws), planned)
    runs = (campaign < 0) | ((planned < journey.campaign_end[campaign]) & (planned >= journey.campaign_start.min()))
    keep = runs & (epoch >= 1_483_246_800) & (epoch < END_OF_2017) & mail.allows(household, epoch)
    keep &= valid(contacts.address)[household]
    key = draws.bits("message", ids, campaign + 1, number)
    return Sends(*(column[keep] for column in (household, number, campaign, epoch, key)))


def _events(sends: Sends, journey: Journey, traits: Traits, mail: Permission, draws: Draws) -> _Events:
    """Follow each mail: delivered or bounced, opened (again), clicked, left."""
    who, key = sends.household, sends.key
    leaves = (sends.campaign < 0) & (sends.number == mail.left_by_newsletter[who])
    hard = draws.uniform("hard bounce", journey.households[who]) < HARD_BOUNCE
    bounced = ~leaves & (hard | (draws.uniform("soft bounce", key) < SOFT_BOUNCE))
    chance = traits.open_share[who] * activity(journey, who, sends.epoch)
    opened = ~bounced & (leaves | (draws.uniform("opened", key) < chance))
    delivered_at = sends.epoch + draws.integers("delivery", 2, 90, key)
    wait = (60 + 5.5 * 3600 * draws.exponential("open wait", key)).astype(np.int64)
    opened_at = np.where(leaves, mail.withdrawn[who] - 45, np.minimum(delivered_at + wait, sends.epoch + 6 * DAY))
    clicked = opened & ~leaves & (draws.uniform("clicked", key) < 0.1 + 0.12 * traits.open_share[who])
    clicked_at = opened_at + draws.integers("click wait", 4, 120, key)
    steps = [
        (SENT, np.ones_like(bounced), sends.epoch, 0),
        (BOUNCED, bounced, delivered_at, 0),
        (DELIVERED, ~bounced, delivered_at, 0),
        (OPENED, opened, opened_at, 0),
        (CLICKED, clicked, clicked_at, 0),
        (UNSUBSCRIBED, leaves, mail.withdrawn[who], 0),
        *_reopened(opened, opened_at, key, draws),
    ]
    return _stacked(steps)


def _reopened(
    opened: NDArray[np.bool_], opened_at: Integers, key: Bits, draws: Draws
) -> list[tuple[int, NDArray[np.bool_], Integers, int]]:
    """Opened once more, and once more again; mail scanners and second devices do it too."""
    steps = []
    for copy, share in enumerate(REOPENS, start=1):
        again = opened & (draws.uniform("reopened", key, copy) < share)
        wait = (900 + 20 * 3600 * draws.exponential("reopen wait", key, copy)).astype(np.int64)
        steps.append((OPENED, again, opened_at + np.minimum(wait, 5 * DAY), copy))
    return steps


def _stacked(steps: list[tuple[int, NDArray[np.bool_], Integers, int]]) -> _Events:
    chosen = [(np.flatnonzero(mask), kind, epoch, copy) for kind, mask, epoch, copy in steps]
    return _Events(
        send=np.concatenate([rows for rows, *_ in chosen]),
        kind=np.concatenate([np.full(len(rows), kind) for rows, kind, *_ in chosen]),
        epoch=np.concatenate([epoch[rows] for rows, _, epoch, _ in chosen]),
        copy=np.concatenate([np.full(len(rows), copy) for rows, *_, copy in chosen]),
    )


def _table(events: _Events, sends: Sends, journey: Journey, contacts: Contacts, draws: Draws) -> pa.Table:
    key = sends.key[events.send]
    order = np.lexsort((key, events.kind, events.epoch))
    send, kind, copy, key = events.send[order], events.kind[order], events.copy[order], key[order]
    names = [str(number) for number in journey.campaign_id.tolist()]
    return pa.table(
        {
            "message_event_id": hex_ids(draws.bits("message event", key, kind, copy)),
            "message_id": hex_ids(key),
            "event_type": labels(kind, EVENT_TYPES),
            "event_at": timestamps(events.epoch[order]),
            "email": _recipients(sends.household[send], key, contacts, draws),
            "channel": labels(np.zeros_like(kind), ["email"]),
            "campaign_id": labels(sends.campaign[send], names),
            "synthetic": pa.array(np.ones(len(order), dtype=bool)),
        }
    )


def _recipients(household: Integers, key: Bits, contacts: Contacts, draws: Draws) -> pa.Array:
    """The address mailed: a third of the mails go to the second one where there is one; 1% is shouted."""
    who = pa.array(household)
    second = contacts.second_address.take(who)
    uses_second = pc.and_(pc.is_valid(second), pa.array(draws.uniform("second address", key) < 0.33))
    email = pc.if_else(uses_second, second, contacts.address.take(who))
    return pc.if_else(pa.array(draws.uniform("shouted", key) < 0.01), pc.utf8_upper(email), email)
