"""Plan the visits to the web shop: who comes when, on which device, and what for.

Three rules keep the future out. Ordinary visits depend on fixed traits and on the baskets of the 28
days before the day. A basket makes events of its own visit only, which begins at most two hours before
it. Whether a basket is a web order depends on fixed traits and on carts left in the 48 hours before it.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ml.sources.demo.households import DESKTOP, KIOSK, MOBILE, Traits
from ml.sources.demo.journey import DAY, DAYS, Journey, activity, midnights, timeline
from ml.sources.demo.messages import Clicks
from ml.sources.demo.randomness import Bits, Draws, Floats, Integers

KINDS = ("household", "kiosk", "prospect", "bot")
HOUSEHOLD, KIOSK_VISIT, PROSPECT, BOT = range(4)
REFERRERS = ("direct", "search", "email", "social", "affiliate")
COUNTRIES = ("US", "CA", "GB", "MX", "DE")

EVENT_TYPES = ("page_view", "login", "search", "product_view", "add_to_cart", "checkout_start", "purchase")
PAGE, LOGIN, SEARCHED, VIEW, ADD, CHECKOUT_START, PURCHASE = range(7)

# What people come for, and how often in a hundred visits.
GLANCE, SKIM, BROWSE, SEARCH, CART, INTENT, CHECKOUT, BUY, SCRAPE, LOOKUP = range(10)
VISIT_SHARES = (30, 24, 24, 9, 8, 3, 2)
# (pages, searches, product views, carts, checkouts): least and most of each
SHAPES = np.array(
    [
        [[1, 2], [0, 0], [0, 0], [0, 0], [0, 0]],
        [[1, 3], [0, 0], [1, 3], [0, 0], [0, 0]],
        [[1, 3], [0, 1], [5, 11], [0, 0], [0, 0]],
        [[1, 1], [1, 3], [1, 4], [0, 0], [0, 0]],
        [[1, 2], [0, 1], [1, 3], [1, 2], [0, 0]],
        [[1, 1], [0, 1], [3, 7], [1, 2], [0, 0]],
        [[1, 2], [0, 0], [2, 5], [1, 3], [1, 1]],
        [[1, 2], [0, 2], [2, 6], [1, 5], [1, 1]],
        [[5, 20], [0, 0], [60, 200], [0, 2], [0, 0]],
        [[1, 1], [0, 2], [1, 5], [0, 0], [0, 0]],
    ]
)
SECONDS_BETWEEN = np.array([40, 45, 50, 40, 55, 25, 50, 45, 1, 20])
ONLINE_AFTER_CART = 0.3
PROSPECTS, BOTS, BOT_VISITS = 2500, 20, 8
KIOSKS, KIOSK_HOUSEHOLDS = 2, 60


@dataclass(frozen=True)
class Visits:
    """One element per visit. `household` is -1 for strangers; `basket` is -1 without a purchase.

    `epoch` is the first event's time, or the last one's (the purchase) where `basket` >= 0.
    """

    key: Bits
    kind: Integers
    intent: Integers
    household: Integers
    device: Bits
    platform: Integers
    logs_in: NDArray[np.bool_]
    epoch: Integers
    basket: Integers
    referrer: Integers
    campaign: Integers

    def __len__(self) -> int:
        return len(self.key)

    def where(self, mask: NDArray[np.bool_]) -> "Visits":
        """The visits of a mask."""
        return Visits(*(getattr(self, field.name)[mask] for field in fields(self)))


def plan_visits(journey: Journey, traits: Traits, clicks: Clicks, draws: Draws) -> Visits:
    """All visits of 2017: of households, at kiosks, of prospects and of bots."""
    ordinary = _join(
        _ordinary(journey, traits, draws),
        _from_clicks(traits, clicks, draws),
    )
    return _join(
        ordinary,
        _purchases(journey, traits, ordinary, draws),
        _at_kiosks(journey, draws),
        _prospects(draws),
        _bots(draws),
    )


def _join(*parts: Visits) -> Visits:
    return Visits(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Visits)))


def _visits(key: Bits, epoch: Integers, **known: NDArray[np.generic]) -> Visits:
    """Visits with the usual values for whatever is not `known`."""
    none = np.full(len(key), -1)
    usual = {
        "kind": np.zeros_like(none), "intent": np.zeros_like(none), "household": none, "basket": none,
        "device": key, "platform": np.zeros_like(none), "logs_in": np.zeros(len(key), dtype=bool),
        "referrer": np.zeros_like(none), "campaign": none,
    }  # fmt: skip
    return Visits(key=key, epoch=epoch, **(usual | known))


def _on_a_device(visits: Visits, traits: Traits, draws: Draws) -> Visits:
    """Choose one of the household's devices; the first is used most. A login needs one that logs in."""
    who = visits.household
    rank = (draws.uniform("which device", visits.key) ** 1.7 * traits.device_count[who]).astype(np.int64)
    rank = np.where((visits.basket >= 0) & ~traits.device_logs_in[who, rank], 0, rank)
    wants = draws.uniform("login", visits.key) < traits.login_share[who]
    return replace(
        visits,
        device=traits.device_id[who, rank],
        platform=traits.device_platform[who, rank],
        logs_in=traits.device_logs_in[who, rank] & (wants | (visits.basket >= 0)),
    )


def _hour_of_day(stream: str, draws: Draws, key: Bits) -> Integers:
    """Seconds after local midnight: a morning and a larger evening crowd."""
    evening = draws.uniform(f"{stream}/evening", key) < 0.6
    centre, width = np.where(evening, 20.0, 12.0), np.where(evening, 2.0, 2.8)
    hour = centre + width * draws.normal(stream, key)
    return (np.clip(hour, 5.0, 23.6) * 3600).astype(np.int64)


def _ordinary(journey: Journey, traits: Traits, draws: Draws) -> Visits:
    """At most two visits per web household and day."""
    web = np.flatnonzero(traits.is_web)
    who, day, copy = (grid.ravel() for grid in np.meshgrid(web, np.arange(DAYS), np.arange(2), indexing="ij"))
    key = draws.bits("visit", journey.households[who], day, copy)
    chance = np.minimum(traits.visits_a_day[who] * np.where(copy == 0, 1.0, 0.15), 0.95)
    maybe = draws.uniform("comes", key) < chance
    who, day, key, chance = who[maybe], day[maybe], key[maybe], chance[maybe]
    comes = draws.uniform("comes", key) < chance * activity(journey, who, midnights()[day])
    who, day, key = who[comes], day[comes], key[comes]
    visits = _visits(
        key,
        midnights()[day] + _hour_of_day("hour", draws, key),
        household=who,
        intent=draws.pick("intent", VISIT_SHARES, key),
        referrer=draws.pick("referrer", (45, 36, 0, 14, 5), key),
    )
    return _on_a_device(visits, traits, draws)


def _from_clicks(traits: Traits, clicks: Clicks, draws: Draws) -> Visits:
    """Four clicks in five of web households arrive."""
    arrives = traits.is_web[clicks.household] & (draws.uniform("arrives", clicks.key) < 0.8)
    key = draws.bits("visit by click", clicks.key[arrives])
    visits = _visits(
        key,
        clicks.epoch[arrives] + draws.integers("load", 1, 8, key),
        household=clicks.household[arrives],
        intent=draws.pick("intent by click", (25, 38, 18, 2, 10, 5, 2), key),
        referrer=np.full(len(key), REFERRERS.index("email")),
        campaign=clicks.campaign[arrives],
    )
    return _on_a_device(visits, traits, draws)


def _purchases(journey: Journey, traits: Traits, ordinary: Visits, draws: Draws) -> Visits:
    """The visits that end in a real basket."""
    who = journey.basket_household
    after_cart = _cart_left(ordinary, who, journey.basket_epoch)
    chance = traits.online_share[who] + ONLINE_AFTER_CART * after_cart
    online = traits.is_web[who] & (journey.basket_cents > 0)
    online &= draws.uniform("ordered online", journey.basket_id) < chance
    basket = np.flatnonzero(online)
    key = draws.bits("visit that buys", journey.basket_id[basket])
    visits = _visits(
        key,
        journey.basket_epoch[basket],
        household=who[basket],
        basket=basket,
        intent=np.full(len(key), BUY),
        referrer=draws.pick("referrer of purchase", (60, 30, 0, 6, 4), key),
    )
    return _on_a_device(visits, traits, draws)


def _cart_left(ordinary: Visits, household: Integers, epoch: Integers) -> NDArray[np.bool_]:
    """Whether the household began a visit with a cart in the 48 hours before."""
    carts = ordinary.where(np.isin(ordinary.intent, (CART, INTENT, CHECKOUT)))
    begun = np.sort(timeline(carts.household, carts.epoch))
    until = np.searchsorted(begun, timeline(household, epoch))
    return np.asarray(until > np.searchsorted(begun, timeline(household, epoch - 2 * DAY)))


def _at_kiosks(journey: Journey, draws: Draws) -> Visits:
    """Two in-store terminals where sixty households each look things up while signed in."""
    users = np.argsort(draws.order("kiosk user", journey.households))[: KIOSKS * KIOSK_HOUSEHOLDS]
    rank, day = (grid.ravel() for grid in np.meshgrid(np.arange(len(users)), np.arange(DAYS), indexing="ij"))
    key = draws.bits("kiosk visit", rank, day)
    comes = draws.uniform("comes to kiosk", key) < 0.025
    rank, day, key = rank[comes], day[comes], key[comes]
    return _visits(
        key,
        midnights()[day] + 9 * 3600 + (draws.uniform("kiosk hour", key) * 12 * 3600).astype(np.int64),
        kind=np.full(len(key), KIOSK_VISIT),
        household=users[rank],
        intent=np.full(len(key), LOOKUP),
        device=draws.bits("kiosk", rank % KIOSKS),
        platform=np.full(len(key), KIOSK),
        logs_in=np.ones(len(key), dtype=bool),
    )


def _prospects(draws: Draws) -> Visits:
    """People who look around and are nobody's customer yet."""
    who, copy = (grid.ravel() for grid in np.meshgrid(np.arange(PROSPECTS), np.arange(4), indexing="ij"))
    key = draws.bits("prospect visit", who, copy)
    comes = (copy == 0) | (draws.uniform("prospect returns", key) < 0.4)
    who, key = who[comes], key[comes]
    day = draws.integers("prospect day", 0, DAYS - 1, key)
    return _visits(
        key,
        midnights()[day] + _hour_of_day("prospect hour", draws, key),
        kind=np.full(len(key), PROSPECT),
        intent=draws.pick("prospect intent", (40, 28, 18, 6, 5, 2, 1), key),
        device=draws.bits("prospect", who),
        platform=np.where(draws.uniform("prospect platform", who) < 0.65, MOBILE, DESKTOP),
        referrer=draws.pick("prospect referrer", (20, 45, 0, 25, 10), key),
    )


def _bots(draws: Draws) -> Visits:
    """Crawlers: more than half announce themselves, the others only behave like nobody else."""
    who, copy = (grid.ravel() for grid in np.meshgrid(np.arange(BOTS), np.arange(BOT_VISITS), indexing="ij"))
    key = draws.bits("bot visit", who, copy)
    return _visits(
        key,
        midnights()[draws.integers("bot day", 0, DAYS - 1, key)] + draws.integers("bot time", 0, DAY - 1, key),
        kind=np.full(len(key), BOT),
        intent=np.full(len(key), SCRAPE),
        device=draws.bits("bot", who),
        platform=np.full(len(key), DESKTOP),
    )


def declares_itself(device: Bits) -> NDArray[np.bool_]:
    """Whether a bot's device names itself in its user agent."""
    return np.asarray(device % np.uint64(5) < 3)


def counts(visits: Visits, draws: Draws) -> dict[int, Integers]:
    """How many events of each kind each visit has."""
    bounds = SHAPES[visits.intent]
    drawn = {
        kind: draws.integers(f"count {step}", bounds[:, step, 0], bounds[:, step, 1], visits.key)
        for step, kind in enumerate((PAGE, SEARCHED, VIEW, ADD, CHECKOUT_START))
    }
    return drawn | {LOGIN: visits.logs_in.astype(np.int64), PURCHASE: (visits.basket >= 0).astype(np.int64)}


def pace(visits: Visits) -> Floats:
    """Median seconds between two events of each visit."""
    return SECONDS_BETWEEN[visits.intent].astype(np.float64)
