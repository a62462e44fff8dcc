"""The event stream as a shop would deliver it: late, out of order, a few rows twice, with bots."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.sources.demo.events import Events
from ml.sources.demo.files import hex_ids, labels, nullable, timestamps
from ml.sources.demo.households import PLATFORMS, REGIONS, Traits
from ml.sources.demo.journey import DAY, Journey
from ml.sources.demo.randomness import Draws, Integers
from ml.sources.demo.shelf import list_price
from ml.sources.demo.visits import (
    ADD,
    BOT,
    COUNTRIES,
    EVENT_TYPES,
    LOGIN,
    PAGE,
    PURCHASE,
    REFERRERS,
    VIEW,
    Visits,
    declares_itself,
)

LATE_HOURS, LATE_DAYS, REDELIVERED = 0.02, 0.003, 0.001
ABROAD = 0.015

USER_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 11_2 like Mac OS X) AppleWebKit/604.4.7 Mobile/15C114 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/63.0.3239.84 Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 11_2 like Mac OS X) AppleWebKit/604.4.7 Mobile/15C114 Safari/604.1",
    "StoreKiosk/2.4 (terminal)",
    "ExampleBot/1.0 (+https://example.com/bot)",
)
BOT_AGENT = 4
COLUMNS = (
    "event_id", "anonymous_id", "household_id", "session_id", "event_type", "event_at", "received_at",
    "product_id", "device", "country", "region", "referrer", "campaign_id", "duration_seconds", "scroll_depth",
    "value", "order_id", "user_agent", "synthetic",
)  # fmt: skip


def event_table(events: Events, visits: Visits, journey: Journey, traits: Traits, draws: Draws) -> pa.Table:
    """The stream as the shop would deliver it, in order of arrival, a few rows twice."""
    columns = _identity(events, visits, journey)
    columns |= _page(events, visits, draws)
    columns |= _place(events, visits, traits, draws)
    columns |= _deal(events, visits, journey, draws)
    received = _arrival(events, draws)
    twice = np.flatnonzero(draws.uniform("redelivered", events.key) < REDELIVERED)
    again = received[twice] + draws.integers("redelivered after", 30, 7200, events.key[twice])
    rows, received = np.append(np.arange(len(received)), twice), np.append(received, again)
    order = np.lexsort((events.key[rows], received))
    table = pa.table(columns).take(pa.array(rows[order]))
    return table.append_column("received_at", timestamps(received[order])).select(COLUMNS)


def _arrival(events: Events, draws: Draws) -> Integers:
    """Seconds after the event mostly; hours or days after for phones that were offline."""
    chance = draws.uniform("late", events.key)
    wait = draws.integers("arrival", 0, 4, events.key)
    hours = draws.integers("hours late", 3600, 30 * 3600, events.key)
    days = draws.integers("days late", 2 * DAY, 6 * DAY, events.key)
    return events.epoch + np.where(chance < LATE_DAYS, days, np.where(chance < LATE_DAYS + LATE_HOURS, hours, wait))


def _identity(events: Events, visits: Visits, journey: Journey) -> dict[str, pa.Array]:
    who = visits.household[events.visit]
    signed = (who >= 0) & np.isin(events.kind, (LOGIN, PURCHASE))
    return {
        "event_id": hex_ids(events.key),
        "anonymous_id": hex_ids(visits.device[events.visit]),
        "household_id": nullable(journey.households[who], ~signed),
        "session_id": hex_ids(visits.key[events.visit]),
        "event_type": labels(events.kind, EVENT_TYPES),
        "event_at": timestamps(events.epoch),
    }


def _page(events: Events, visits: Visits, draws: Draws) -> dict[str, pa.Array]:
    reads = np.isin(events.kind, (PAGE, VIEW))
    depth = np.rint(100 * np.sqrt(draws.uniform("scroll", events.key))) / 100
    return {
        "product_id": nullable(events.product, events.product < 0),
        "device": labels(visits.platform[events.visit], PLATFORMS),
        "duration_seconds": nullable(events.seconds, ~reads),
        "scroll_depth": nullable(depth, ~reads),
    }


def _place(events: Events, visits: Visits, traits: Traits, draws: Draws) -> dict[str, pa.Array]:
    """Country and, at home, region; one visit in seventy comes from abroad."""
    abroad = draws.uniform("abroad", visits.key) < ABROAD
    country = np.where(abroad, draws.integers("country", 1, len(COUNTRIES) - 1, visits.key), 0)
    stranger = draws.integers("stranger's region", 0, len(REGIONS) - 1, visits.device)
    region = np.where(visits.household >= 0, traits.region[visits.household], stranger)
    return {
        "country": labels(country[events.visit], COUNTRIES),
        "region": labels(np.where(country == 0, region, -1)[events.visit], REGIONS),
    }


def _deal(events: Events, visits: Visits, journey: Journey, draws: Draws) -> dict[str, pa.Array]:
    """Where the visit came from, who says so, and what was bought."""
    of, basket = events.visit, visits.basket[events.visit]
    buys, adds = events.kind == PURCHASE, events.kind == ADD
    value = np.where(buys, journey.basket_cents[basket] / 100, list_price(events.product, draws))
    agent = np.where(_is_declared_bot(visits), BOT_AGENT, visits.platform)
    names = [str(number) for number in journey.campaign_id.tolist()]
    return {
        "referrer": labels(visits.referrer[of], REFERRERS),
        "campaign_id": labels(visits.campaign[of], names),
        "value": nullable(value, ~(buys | adds)),
        "order_id": nullable(journey.basket_id[basket], ~buys),
        "user_agent": labels(agent[of], USER_AGENTS),
        "synthetic": pa.array(np.ones(len(of), dtype=bool)),
    }


def _is_declared_bot(visits: Visits) -> NDArray[np.bool_]:
    return np.asarray((visits.kind == BOT) & declares_itself(visits.device))
