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

HOUR, TEN_MINUTES = 3600, 600
NEVER = 1 << 40
RULES = ("bot", "converted", "high_intent_abandon", "cart_abandon_48h", "browser")
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Carts:
    """One element per add_to_cart; the next purchases are epoch seconds, NEVER where there is none."""

    visit: Integers
    epoch: Integers
    decided: Flags  # right after three product views within ten minutes
    next_purchase: Integers  # the household's next purchase event
    next_order: Integers  # the household's next basket, in any channel


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

    `cart_abandon_48h` and `high_intent_abandon` (24 hours) ask for a cart after which the household made no
    purchase event in time, as `config/segments/` does; the columns that end in `_any_channel` ask for no basket.
    """
    carts = _carts(events, visits, journey)
    views = np.bincount(events.visit[events.kind == VIEW], minlength=len(visits))
    flags = _flags(carts, visits, views)
    anonymous = hex_ids(visits.device)
    place = np.searchsorted(devices["anonymous_id"].to_numpy(), anonymous.to_numpy(zero_copy_only=False))
    table = pa.table(
        {
            "session_id": hex_ids(visits.key),
            "anonymous_id": anonymous,
            "household_id": nullable(journey.households[visits.household], visits.household < 0),
            "resolvable": devices["resolvable"].take(pa.array(place)),
            "kind": labels(visits.kind, KINDS),
            **_times(events, carts, len(visits)),
            "product_views": pa.array(views),
            **{f"is_{name}": pa.array(flag) for name, flag in flags.items()},
            "rule": labels(_first_rule(flags), RULES),
        }
    )
    return table.sort_by([("started_at", "ascending"), ("session_id", "ascending")])


def _carts(events: Events, visits: Visits, journey: Journey) -> _Carts:
    rows = np.flatnonzero(events.kind == ADD)
    visit, epoch = events.visit[rows], events.epoch[rows]
    household, buys = visits.household[visit], visits.basket >= 0
    return _Carts(
        visit=visit,
        epoch=epoch,
        decided=_decided(events, rows),
        next_purchase=_next(timeline(visits.household[buys], visits.epoch[buys]), household, epoch),
        next_order=_next(timeline(journey.basket_household, journey.basket_epoch), household, epoch),
    )


def _decided(events: Events, carts: Integers) -> Flags:
    """Carts within ten minutes after the last of three product views within ten minutes, in one visit."""
    views = np.flatnonzero(events.kind == VIEW)
    visit, epoch = events.visit[views], events.epoch[views]
    quick = (visit[2:] == visit[:-2]) & (epoch[2:] - epoch[:-2] <= TEN_MINUTES)
    third = np.sort(timeline(visit[2:][quick], epoch[2:][quick]))
    cart = timeline(events.visit[carts], events.epoch[carts])
    return np.asarray(np.searchsorted(third, cart, side="right") > np.searchsorted(third, cart - TEN_MINUTES))


def _next(times: Integers, household: Integers, after: Integers) -> Integers:
    """The first of `times` (household and time as one number) of each household at or after `after`."""
    times = np.append(np.sort(times), np.iinfo(np.int64).max)
    found = times[np.searchsorted(times, timeline(household, after))]
    return np.where((household >= 0) & (found >> 33 == household), found & ((1 << 33) - 1), NEVER)


def _times(events: Events, carts: _Carts, count: int) -> dict[str, pa.Array]:
    """Begin and end of each visit, its last cart, and what the household bought next."""
    first = np.searchsorted(events.visit, np.arange(count + 1))
    found = {
        "last_cart_at": carts.epoch,
        "next_purchase_event_at": carts.next_purchase,
        "next_order_at": carts.next_order,
    }
    columns = {"started_at": timestamps(events.epoch[first[:-1]]), "ended_at": timestamps(events.epoch[first[1:] - 1])}
    for name, epoch in found.items():
        of_visit = np.full(count, NEVER)
        of_visit[carts.visit] = epoch  # carts are in order of time: the last one of a visit stays
        columns[name] = timestamps(of_visit, of_visit == NEVER)
    return columns


def _flags(carts: _Carts, visits: Visits, views: Integers) -> dict[str, Flags]:
    bot, bought = visits.kind == BOT, visits.basket >= 0

    def left(next_purchase: Integers, hours: int, among: Flags) -> Flags:
        waited = among & (next_purchase - carts.epoch >= hours * HOUR)
        return np.asarray((np.bincount(carts.visit[waited], minlength=len(visits)) > 0) & ~bot)

    every = np.ones(len(carts.visit), dtype=bool)
    return {
        "bot": bot,
        "converted": bought,
        "high_intent_abandon": left(carts.next_purchase, 24, carts.decided),
        "cart_abandon_48h": left(carts.next_purchase, 48, every),
        "browser": (views >= 5) & (np.bincount(carts.visit, minlength=len(visits)) == 0) & ~bought & ~bot,
        "high_intent_abandon_any_channel": left(carts.next_order, 24, carts.decided),
        "cart_abandon_48h_any_channel": left(carts.next_order, 48, every),
    }


def _first_rule(flags: dict[str, Flags]) -> Integers:
    """Position of the first rule that holds, -1 for none."""
    held = np.column_stack([flags[name] for name in RULES])
    return np.where(held.any(axis=1), held.argmax(axis=1), -1)
