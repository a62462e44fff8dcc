"""What is true about the generated companion: the witness for tests, never an input of the platform."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.sources.demo.events import Events
from ml.sources.demo.files import hex_ids, labels, nullable, timestamps
from ml.sources.demo.journey import Journey, timeline
from ml.sources.demo.randomness import Integers
from ml.sources.demo.visits import ADD, BOT, HOUSEHOLD, KINDS, LOGIN, PURCHASE, VIEW, Visits

HOUR = 3600
NEVER = 1 << 40
RULES = ("bot", "converted", "high_intent_abandon", "cart_abandon_48h", "browser")
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Session:
    """Per visit; times are epoch seconds, NEVER where there is none."""

    started: Integers
    ended: Integers
    views: Integers
    last_cart: Integers
    decided_cart: Flags  # a cart after three product views within ten minutes
    next_order: Integers
    next_purchase: Integers


def truth_devices(events: Events, visits: Visits, journey: Journey) -> pa.Table:
    """One row per device: whose it is, and whether its logins name exactly one household."""
    device, first, of = np.unique(visits.device, return_index=True, return_inverse=True)
    kind = visits.kind[first]
    signs = np.isin(events.kind, (LOGIN, PURCHASE)) & (visits.household[events.visit] >= 0)
    signed = np.zeros(len(device), dtype=bool)
    signed[of[events.visit[signs]]] = True
    owned = kind == HOUSEHOLD
    table = pa.table(
        {
            "anonymous_id": hex_ids(device),
            "household_id": nullable(journey.households[visits.household[first]], ~owned),
            "kind": labels(kind, KINDS),
            "resolvable": pa.array(owned & signed),
        }
    )
    return table.sort_by("anonymous_id")


def truth_sessions(events: Events, visits: Visits, journey: Journey, devices: pa.Table) -> pa.Table:
    """One row per visit: which of the shipped segments' rules it matches, judged from its own events.

    `cart_abandon_48h` and `high_intent_abandon` (24 hours) look at orders of any channel; the columns
    that end in `_web` look at purchase events only.
    """
    session = _sessions(events, visits, journey)
    flags = _flags(session, visits)
    anonymous = hex_ids(visits.device)
    place = np.searchsorted(devices["anonymous_id"].to_numpy(), anonymous.to_numpy(zero_copy_only=False))
    table = pa.table(
        {
            "session_id": hex_ids(visits.key),
            "anonymous_id": anonymous,
            "household_id": nullable(journey.households[visits.household], visits.household < 0),
            "resolvable": devices["resolvable"].take(pa.array(place)),
            "kind": labels(visits.kind, KINDS),
            "started_at": timestamps(session.started),
            "ended_at": timestamps(session.ended),
            "product_views": pa.array(session.views),
            "last_cart_at": timestamps(session.last_cart, session.last_cart == NEVER),
            "next_purchase_event_at": timestamps(session.next_purchase, session.next_purchase == NEVER),
            "next_order_at": timestamps(session.next_order, session.next_order == NEVER),
            **{f"is_{name}": pa.array(flag) for name, flag in flags.items()},
            "rule": labels(_first_rule(flags), RULES),
        }
    )
    return table.sort_by([("started_at", "ascending"), ("session_id", "ascending")])


def _sessions(events: Events, visits: Visits, journey: Journey) -> _Session:
    first = np.searchsorted(events.visit, np.arange(len(visits) + 1))
    carts = np.flatnonzero(events.kind == ADD)
    last_cart = np.full(len(visits), NEVER)
    last_cart[events.visit[carts]] = events.epoch[carts]  # in order of time: the last one stays
    views = np.bincount(events.visit[events.kind == VIEW], minlength=len(visits))
    return _Session(
        started=events.epoch[first[:-1]],
        ended=events.epoch[first[1:] - 1],
        views=views,
        last_cart=last_cart,
        decided_cart=_third_view(events, len(visits)) <= np.where(last_cart == NEVER, -1, last_cart),
        next_order=_next(journey.basket_household, journey.basket_epoch, visits, last_cart),
        next_purchase=_next(*_purchase_events(visits), visits, last_cart),
    )


def _third_view(events: Events, count: int) -> Integers:
    """When each visit first had three product views within ten minutes; NEVER if it had not."""
    rows = np.flatnonzero(events.kind == VIEW)
    visit, epoch = events.visit[rows], events.epoch[rows]
    quick = (visit[2:] == visit[:-2]) & (epoch[2:] - epoch[:-2] <= 600)
    when = np.full(count, NEVER)
    np.minimum.at(when, visit[2:][quick], epoch[2:][quick])
    return when


def _purchase_events(visits: Visits) -> tuple[Integers, Integers]:
    buys = visits.basket >= 0
    return visits.household[buys], visits.epoch[buys]


def _next(household: Integers, epoch: Integers, visits: Visits, after: Integers) -> Integers:
    """The first of the household's times at or after its visit's `after`."""
    times = np.sort(timeline(household, epoch))
    asks = (visits.household >= 0) & (after != NEVER)
    wanted = timeline(np.maximum(visits.household, 0), np.where(asks, after, 0))
    place = np.searchsorted(times, wanted)
    found = times[np.minimum(place, len(times) - 1)]
    same = asks & (place < len(times)) & (found >> 33 == visits.household)
    return np.where(same, found & ((1 << 33) - 1), NEVER)


def _flags(session: _Session, visits: Visits) -> dict[str, Flags]:
    bot, bought = visits.kind == BOT, visits.basket >= 0
    cart = (session.last_cart != NEVER) & ~bot
    wait_order, wait_purchase = session.next_order - session.last_cart, session.next_purchase - session.last_cart
    decided = cart & session.decided_cart
    return {
        "bot": bot,
        "converted": bought,
        "high_intent_abandon": decided & (wait_order >= 24 * HOUR),
        "cart_abandon_48h": cart & (wait_order >= 48 * HOUR),
        "browser": (session.views >= 5) & (session.last_cart == NEVER) & ~bought & ~bot,
        "high_intent_abandon_web": decided & (wait_purchase >= 24 * HOUR),
        "cart_abandon_48h_web": cart & (wait_purchase >= 48 * HOUR),
    }


def _first_rule(flags: dict[str, Flags]) -> Integers:
    """Position of the first rule that holds, -1 for none."""
    held = np.column_stack([flags[name] for name in RULES])
    return np.where(held.any(axis=1), held.argmax(axis=1), -1)
