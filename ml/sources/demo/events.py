"""Turn planned visits into events: what happens in which order, when, and with which product."""

from dataclasses import dataclass

import numpy as np

from ml.sources.demo.journey import Journey
from ml.sources.demo.randomness import Bits, Draws, Floats, Integers
from ml.sources.demo.shelf import Shelf
from ml.sources.demo.visits import (
    ADD,
    CHECKOUT_START,
    INTENT,
    LOGIN,
    PAGE,
    PURCHASE,
    SEARCHED,
    VIEW,
    Visits,
    counts,
    pace,
)

LONGEST_VISIT = 6_600  # seconds; a purchase's visit begins less than two hours before it


@dataclass(frozen=True)
class Events:
    """One element per event, sorted by visit and time; `visit` is a position in the visits."""

    visit: Integers
    seq: Integers
    kind: Integers
    epoch: Integers
    product: Integers  # -1 without one
    seconds: Integers  # on the page, until the next event
    key: Bits


@dataclass(frozen=True)
class _Steps:
    """Events before they have a time; `nth` counts within visit and kind."""

    visit: Integers
    kind: Integers
    nth: Integers

    def take(self, rows: Integers) -> "_Steps":
        return _Steps(self.visit[rows], self.kind[rows], self.nth[rows])


def make_events(journey: Journey, visits: Visits, draws: Draws) -> Events:
    """Expand each visit into its events."""
    amounts = counts(visits, draws)
    shelf = Shelf(journey, visits, views=amounts[VIEW], adds=amounts[ADD], draws=draws)
    steps = _steps(len(visits), amounts)
    steps = steps.take(_sequence(steps, shelf))
    first = np.searchsorted(steps.visit, np.arange(len(visits)))
    seq = np.arange(len(steps.visit)) - first[steps.visit]
    key = draws.bits("event", visits.key[steps.visit], seq)
    epoch, seconds = _clock(visits, steps.visit, first, draws.normal("pause", key))
    return Events(steps.visit, seq, steps.kind, epoch, _products(steps, shelf), seconds, key)


def _steps(visits: int, amounts: dict[int, Integers]) -> _Steps:
    """Every event of every visit, kind by kind."""
    visit = [np.repeat(np.arange(visits), amount) for amount in amounts.values()]
    nth = [
        np.arange(len(of)) - np.repeat(np.cumsum(amount) - amount, amount)
        for of, amount in zip(visit, amounts.values(), strict=True)
    ]
    kind = [np.full(len(of), kind) for kind, of in zip(amounts, visit, strict=True)]
    return _Steps(np.concatenate(visit), np.concatenate(kind), np.concatenate(nth))


def _sequence(steps: _Steps, shelf: Shelf) -> Integers:
    """The order within each visit: land, sign in, search, view, and a cart right after the view it is for."""
    visit, kind, nth = steps.visit, steps.kind, steps.nth
    views = shelf.views[visit]
    wander = shelf.draws.uniform("page place", shelf.visits.key[visit], nth)
    places = {
        PAGE: np.where(nth == 0, 0.0, 4 + views * wander),
        LOGIN: np.ones(len(visit)),
        SEARCHED: 2 + nth / 10,
        VIEW: 4.0 + nth,
        ADD: 4.5 + shelf.viewed_by_cart(visit, nth) + nth / 100,
        CHECKOUT_START: 5.0 + views,
        PURCHASE: 6.0 + views,
    }
    place = np.select([kind == k for k in places], list(places.values()))
    return np.asarray(np.lexsort((place, visit)), dtype=np.int64)


def _clock(visits: Visits, visit: Integers, first: Integers, pause: Floats) -> tuple[Integers, Integers]:
    """Time of each event and seconds until the next; a purchase ends its visit at the basket's second."""
    decided = visits.intent[visit] == INTENT
    longest = np.where(decided, 110, 900)
    gap = np.clip(np.rint(pace(visits)[visit] * np.exp(0.8 * pause)), 1, longest).astype(np.int64)
    total = np.cumsum(gap) - gap
    since = np.minimum(total - total[first][visit], LONGEST_VISIT)
    last = np.append(first[1:], len(visit)) - 1
    start = visits.epoch - np.where(visits.basket >= 0, since[last], 0)
    return start[visit] + since, gap


def _products(steps: _Steps, shelf: Shelf) -> Integers:
    """The product of each view and cart, -1 elsewhere; a cart holds the product of the view it follows."""
    rows = np.flatnonzero(np.isin(steps.kind, (VIEW, ADD)))
    visit, slot = steps.visit[rows], steps.nth[rows]
    slot = np.where(steps.kind[rows] == ADD, shelf.viewed_by_cart(visit, slot), slot)
    shown = np.full(len(steps.visit), -1)
    shown[rows] = shelf.product(visit, slot)
    return shown
