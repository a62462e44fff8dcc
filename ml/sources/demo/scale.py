"""The scale knob: millions of rows in the shape of the `customer_*` tables, for the bench.

Nothing here pretends to be behaviour: only row counts, types, cardinalities and skew are life-like (a
few customers do most, sessions hold about five events, purchases agree with web orders). Rows are made
and written a chunk at a time, so memory does not grow with `n_events`.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.settings import settings
from ml.sources.demo.files import ParquetTables, hex_ids, nullable, timestamps
from ml.sources.demo.randomness import Integers, mix

START, YEAR = 1_483_246_800, 365 * 86_400  # 2017 by New York's clock, like the panel
CHUNK = 500_000
EVENTS_PER_SESSION, EVENTS_PER_ORDER, EVENTS_PER_MESSAGE = 5, 8, 5
PRODUCTS, CATEGORIES, DEPARTMENTS, CAMPAIGNS = 20_000, 300, 20, 30

EVENT_TYPES = ("page_view", "product_view", "search", "add_to_cart", "checkout_start", "login", "purchase")
EVENT_SHARES = (0.24, 0.5, 0.1, 0.09, 0.03, 0.04)
MESSAGE_TYPES = ("sent", "delivered", "opened", "clicked", "unsubscribed", "bounced")
MESSAGE_SHARES = (0.39, 0.38, 0.19, 0.03, 0.005, 0.005)
DEVICES, COUNTRIES = ("mobile", "desktop", "tablet"), ("US", "CA", "GB", "MX", "DE")
REFERRERS = ("direct", "search", "email", "social", "affiliate")
STATUSES, CHANNELS = ("placed", "returned", "cancelled"), ("store", "web")
Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class _Knob:
    """What a chunk needs to know."""

    seed: int
    n_customers: int
    lines_per_order: int
    campaigns: tuple[str, ...] = tuple(str(number) for number in range(1, CAMPAIGNS + 1))
    products: tuple[str, ...] = tuple(str(1_000_000 + number) for number in range(PRODUCTS))
    categories: tuple[str, ...] = tuple(f"CATEGORY {number:03d}" for number in range(CATEGORIES))
    departments: tuple[str, ...] = tuple(f"DEPARTMENT {number:02d}" for number in range(DEPARTMENTS))

    def keys(self, customers: Integers) -> Integers:
        """62-bit keys, like those that profiles give."""
        bits = mix(customers.astype(np.uint64) + np.uint64(self.seed << 32))
        return (bits >> np.uint64(2)).astype(np.int64)


@dataclass(frozen=True)
class _Slice:
    """A chunk of the year: random numbers of its own, row numbers that no other chunk uses."""

    knob: _Knob
    number: int
    events: int
    begin: int
    seconds: int
    random: np.random.Generator = field(repr=False)

    def customers(self, count: int) -> Integers:
        """Customers with a heavy head: the busiest fifth does over half."""
        return np.asarray(self.random.random(count) ** 1.8 * self.knob.n_customers, dtype=np.int64)

    def times(self, count: int) -> Integers:
        """Sorted seconds within the chunk."""
        return self.begin + np.sort(self.random.integers(0, self.seconds, count))

    def ids(self, rows: Integers | int) -> pa.Array:
        """16 characters each, unique over all chunks and rising with the row."""
        rows = np.arange(rows) if isinstance(rows, int) else rows
        return hex_ids((rows + (self.number << 32)).astype(np.uint64))

    def codes(self, count: int, shares: tuple[float, ...]) -> Integers:
        """Positions drawn by their shares."""
        edges = np.cumsum(shares) / np.sum(shares)
        return np.searchsorted(edges[:-1], self.random.random(count), side="right")


def generate_scale(
    n_events: int = 10_000_000,
    n_customers: int = 500_000,
    out_dir: Path | str | None = None,
    *,
    lines_per_order: int = 3,
    seed: int | None = None,
) -> dict[str, Any]:
    """Write `customer_orders`, `customer_order_lines`, `customer_events`, `customer_messages` as Parquet.

    One file per table under `out_dir` (default `<home>/bench`), in the columns and types of
    `sql/2_profiles/`; an order for 8 events and a message event for 5. `lines_per_order=0` leaves the lines out.
    The bytes depend on the arguments only. Returns `{tables: {name: {path, rows}}, seconds}`.
    """
    started = time.perf_counter()
    folder = Path(out_dir) if out_dir else settings().home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    knob = _Knob(settings().seed if seed is None else seed, n_customers, lines_per_order)
    with ParquetTables(folder) as writers:
        for part in _slices(n_events, knob):
            for name, columns in _tables(part):
                writers.write(name, pa.table(columns))
    return {"tables": writers.written(), "seconds": round(time.perf_counter() - started, 2)}


def _slices(n_events: int, knob: _Knob) -> Iterator[_Slice]:
    count = -(-n_events // CHUNK)
    edges = START + np.arange(count + 1) * YEAR // count
    for number in range(count):
        events = min(CHUNK, n_events - number * CHUNK)
        random = np.random.Generator(np.random.SFC64([knob.seed, number]))
        begin, end = edges[number : number + 2].tolist()
        yield _Slice(knob, number, events, begin, end - begin, random)


def _tables(part: _Slice) -> Iterator[tuple[str, Columns]]:
    events, web_customer, web_epoch = _events(part)
    yield "customer_events", events
    store = part.events // EVENTS_PER_ORDER - len(web_epoch)
    customer = np.append(web_customer, part.customers(max(store, 0)))
    epoch = np.append(web_epoch, part.times(max(store, 0)))
    channel = (np.arange(len(epoch)) < len(web_epoch)).astype(np.int64)
    yield "customer_orders", _orders(part, customer, epoch, channel)
    if part.knob.lines_per_order:
        yield "customer_order_lines", _lines(part, customer, epoch)
    yield "customer_messages", _messages(part)


def _events(part: _Slice) -> tuple[Columns, Integers, Integers]:
    """The chunk's events, and the customers and times of its purchases in order."""
    session, first = _sessions(part)
    count = int(session[-1]) + 1
    visitor, begun = part.customers(count), part.times(count)
    total = np.cumsum(part.random.integers(3, 120, part.events))
    epoch = begun[session] + total - total[first][session]
    kind = np.where(first, 0, part.codes(part.events, EVENT_SHARES))
    buys = np.append(first[1:], True) & ~first & (part.random.random(part.events) < 0.15)
    kind[buys] = EVENT_TYPES.index("purchase")
    columns = {
        "event_id": part.ids(part.events),
        "customer_key": pa.array(part.knob.keys(visitor)[session]),
        "session_id": part.ids(session),
        "event_type": _coded(kind, EVENT_TYPES),
        "event_at": timestamps(epoch),
        "event_epoch": pa.array(epoch),
    }
    columns |= _shown(part, kind) | _visit(part, session) | _read(part, kind) | _bought(part, kind, buys)
    return columns, visitor[session[buys]], epoch[buys]


def _sessions(part: _Slice) -> tuple[Integers, NDArray[np.bool_]]:
    """The session of each event, of one to nine events each, and whether the event begins it."""
    enough = part.events // EVENTS_PER_SESSION + part.events // 20 + 100
    sizes = part.random.integers(1, 2 * EVENTS_PER_SESSION, enough)
    session = np.repeat(np.arange(enough), sizes)[: part.events]
    return session, np.append(True, np.diff(session) != 0)


def _shown(part: _Slice, kind: Integers) -> Columns:
    """Product of each event that has one."""
    product = (part.random.random(len(kind)) ** 2 * PRODUCTS).astype(np.int64)
    product[~np.isin(kind, (1, 3))] = -1
    return {
        "product_id": _coded(product, part.knob.products),
        "category": _coded(np.where(product < 0, -1, product % CATEGORIES), part.knob.categories),
    }


def _read(part: _Slice, kind: Integers) -> Columns:
    """How long and how far each page was read."""
    reads = kind <= 1
    return {
        "duration_seconds": nullable(part.random.integers(1, 300, len(kind)), ~reads),
        "scroll_depth": nullable(part.random.integers(0, 101, len(kind)), ~reads),
    }


def _visit(part: _Slice, session: Integers) -> Columns:
    """What all events of a session share."""
    count = int(session[-1]) + 1
    campaign = part.random.integers(0, CAMPAIGNS * 8, count)
    campaign[campaign >= CAMPAIGNS] = -1
    states = tuple(f"S{number:02d}" for number in range(50))
    return {
        "device": _coded(part.codes(count, (58, 34, 8))[session], DEVICES),
        "country": _coded(part.codes(count, (95, 2, 1, 1, 1))[session], COUNTRIES),
        "region": _coded(part.random.integers(0, 50, count)[session], states),
        "referrer": _coded(part.codes(count, (45, 32, 8, 11, 4))[session], REFERRERS),
        "campaign_id": _coded(campaign[session], part.knob.campaigns),
    }


def _bought(part: _Slice, kind: Integers, buys: NDArray[np.bool_]) -> Columns:
    """Value of carts and purchases; the purchases are the chunk's first orders."""
    order = np.cumsum(buys) - 1
    return {
        "value_cents": nullable(part.random.integers(99, 20_000, len(kind)), ~(buys | (kind == 3))),
        "order_id": _masked(part.ids(order), ~buys),
    }


def _coded(codes: Integers, names: Sequence[str]) -> pa.Array:
    """Codes as dictionary-encoded strings, null for -1: Parquet takes them as they are."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), pa.array(names))


def _masked(values: pa.Array, missing: NDArray[np.bool_]) -> pa.Array:
    return values.take(pa.array(np.arange(len(missing)), mask=missing))


def _orders(part: _Slice, customer: Integers, epoch: Integers, channel: Integers) -> Columns:
    count = len(epoch)
    store = np.where(channel == 0, part.random.integers(0, 400, count), -1)
    return {
        "order_id": part.ids(count),
        "customer_key": pa.array(part.knob.keys(customer)),
        "ordered_at": timestamps(epoch),
        "ordered_epoch": pa.array(epoch),
        "status": _coded(part.codes(count, (96, 3, 1)), STATUSES),
        "channel": _coded(channel, CHANNELS),
        "store_id": _coded(store, [str(number) for number in range(400)]),
        "currency": _coded(np.zeros(count, dtype=np.int64), ["USD"]),
        "total_cents": pa.array(part.random.integers(99, 20_000, count)),
        "line_count": pa.array(np.full(count, part.knob.lines_per_order)),
    }


def _lines(part: _Slice, customer: Integers, epoch: Integers) -> Columns:
    each = part.knob.lines_per_order
    order = np.repeat(np.arange(len(epoch)), each)
    count = len(order)
    product = (part.random.random(count) ** 2 * PRODUCTS).astype(np.int64)
    discount = np.where(part.random.random(count) < 0.4, part.random.integers(1, 200, count), 0)
    return {
        "line_id": part.ids(np.arange(count) + (1 << 31)),
        "order_id": part.ids(order),
        "customer_key": pa.array(part.knob.keys(customer)[order]),
        "product_id": _coded(product, part.knob.products),
        "department": _coded(product % DEPARTMENTS, part.knob.departments),
        "category": _coded(product % CATEGORIES, part.knob.categories),
        "brand": _coded((product % 4 == 0).astype(np.int64), ("National", "Private")),
        "ordered_epoch": pa.array(epoch[order]),
        "quantity": pa.array(part.random.integers(1, 5, count)),
        "amount_cents": pa.array(part.random.integers(50, 3_000, count)),
        "retail_discount_cents": pa.array(discount),
        "coupon_discount_cents": pa.array(np.where(discount % 20 == 1, 100, 0)),
        "status": _coded(np.zeros(count, dtype=np.int64), STATUSES),
    }


def _messages(part: _Slice) -> Columns:
    count = part.events // EVENTS_PER_MESSAGE
    epoch = part.times(count)
    return {
        "message_event_id": part.ids(count),
        "message_id": part.ids(part.random.integers(0, max(count // 3, 1), count)),
        "customer_key": pa.array(part.knob.keys(part.customers(count))),
        "event_type": _coded(part.codes(count, MESSAGE_SHARES), MESSAGE_TYPES),
        "event_at": timestamps(epoch),
        "event_epoch": pa.array(epoch),
        "channel": _coded(np.zeros(count, dtype=np.int64), ["email"]),
        "campaign_id": _coded(part.random.integers(-1, CAMPAIGNS, count), part.knob.campaigns),
    }
