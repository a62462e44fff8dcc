"""What a journey leaves in the tables of profiles: its events, moved so that a moment of it is one point in time.

Everything that a segment asks is counted back from `as_of`. So a journey at another moment is the same customer with
all events moved, and many moments of many journeys are many customers at one `as_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ml.schema import arrow_schema
from ml.segments.events import EventKind
from ml.segments.journeys import Entry, Journey
from ml.segments.placing import place_of
from ml.sql import table
from ml.times import AsOf

AS_OF = AsOf(datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None))
_VISIT = 1_800  # web events less than half an hour apart are one visit
_FILLED = {"line_count": 0, "department": "UNKNOWN", "category": "UNKNOWN", "brand": "UNKNOWN"}
TABLES = (
    *("customer_events", "customer_orders", "customer_order_lines", "customer_messages"),
    *("customer_offer_responses", "customer_profiles", "customer_consents"),
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Copy:
    """A journey as it stands at one moment of it, in seconds from its start, and the customer who stands for it."""

    customer_key: int
    journey: Journey
    moment: int

    def entries(self) -> list[Entry]:
        """What was said by then, in order of time; what happens at the moment itself is not yet known."""
        return sorted((entry for entry in self.journey.timeline if entry.at < self.moment), key=lambda one: one.at)

    def given(self, what: str) -> dict[str, Any]:
        """Return scores, places, ranks, features or profile as last given by then."""
        return {name: value for entry in self.entries() for name, value in getattr(entry, what).items()}

    def at(self, epoch: int) -> int:
        """Return the moment of the journey that a time is."""
        return self.moment - (AS_OF.epoch - epoch)

    def epoch(self, moment: int) -> int:
        """Return when a moment of the journey is, seen from this one at `AS_OF`."""
        return AS_OF.epoch - (self.moment - moment)


@dataclass
class Rows:
    """Rows by table, numbered as they come."""

    found: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in TABLES})

    def add(self, name: str, **row: Any) -> str:
        """Take a row; return what identifies it."""
        known_as = f"{len(self.found[name]):08d}"
        self.found[name].append({table(name).key[0]: known_as, **row})
        return known_as

    def arrow(self, name: str) -> pa.Table:
        """Return a table's rows with every column."""
        columns = {
            column.name: [row.get(column.name, _FILLED.get(column.name)) for row in self.found[name]]
            for column in table(name).columns
        }
        return pa.table(columns, schema=arrow_schema(table(name)))


def enact(copies: Iterable[Copy], events: Mapping[str, EventKind]) -> Rows:
    """Return what the journeys of copies leave in the tables."""
    rows = Rows()
    for copy in copies:
        for moment, entry in sorted(_happenings(copy), key=lambda one: one[0]):
            _happen(rows, copy, moment, entry, events[str(entry.event)])
        _visit(rows.found["customer_events"], copy)
        _profile(rows, copy)
    return rows


def _happenings(copy: Copy) -> Iterator[tuple[int, Entry]]:
    for entry in copy.entries():
        if entry.event is not None:
            yield from ((moment, entry) for moment in entry.moments if moment < copy.moment)


def _happen(rows: Rows, copy: Copy, moment: int, entry: Entry, kind: EventKind) -> None:
    stream, epoch = kind.stream, copy.epoch(moment)
    row = {stream.kind: kind.value, stream.clock: epoch, "customer_key": copy.customer_key}
    row |= {stream.properties[name]: getattr(entry, name) for name in entry.properties}
    at = stream.clock.replace("_epoch", "_at")
    row |= {at: _time(epoch)} if at in table(stream.table).column_names else {}
    if stream.table == "customer_orders":
        _order(rows, row, entry)
    elif stream.table == "customer_messages":
        # One message in each campaign, unless they are told apart: what is opened is what was sent.
        sent = f"{copy.customer_key}-{entry.message or entry.campaign or ''}"
        rows.add(stream.table, **{**row, "message_id": sent})
    else:
        rows.add(stream.table, **row)


def _order(rows: Rows, row: Row, entry: Entry) -> None:
    paid = sum(line.value for line in entry.lines)
    order = rows.add("customer_orders", **{"total_cents": paid, **row, "line_count": len(entry.lines)})
    of = {name: row[name] for name in ("customer_key", "ordered_epoch", "status")}
    for line in entry.lines:
        made: Row = {"product_id": line.product, "department": line.department, "category": line.category}
        made |= {"brand": line.brand, "amount_cents": line.value, "quantity": 1}
        made |= {"retail_discount_cents": line.discount, "coupon_discount_cents": line.coupon}
        rows.add("customer_order_lines", order_id=order, **made, **of)


def _visit(events: list[Row], copy: Copy) -> None:
    """Name the visit of each of a copy's events."""
    last, number = 0, 0
    for event in events:
        if event["customer_key"] == copy.customer_key:
            number += event["event_epoch"] - last >= _VISIT
            last, event["session_id"] = event["event_epoch"], f"{copy.customer_key}-{number}"


def _profile(rows: Rows, copy: Copy) -> None:
    counted = dict.fromkeys(("email_shared_by", "record_count", "source_count"), 0)
    rows.found["customer_profiles"].append({"customer_key": copy.customer_key, **counted, **copy.given("profile")})
    asked = {(e.consent.purpose, e.consent.channel): e for e in copy.entries() if e.consent is not None}
    for (purpose, channel), entry in asked.items():
        epoch = copy.epoch(entry.at)
        row = {"purpose": purpose, "channel": channel, "granted": entry.granted, "recorded_epoch": epoch}
        rows.found["customer_consents"].append({"customer_key": copy.customer_key, "recorded_at": _time(epoch), **row})


def scores(copies: Iterable[Copy]) -> pa.Table:
    """Return rows of `customer_scores`: what models are said to expect, and the scores that stand for places."""
    rows = [row for copy in copies for row in _scores(copy)]
    return pa.Table.from_pylist(rows, schema=arrow_schema(table("customer_scores")))


def _scores(copy: Copy) -> Iterator[Row]:
    places, ranks = copy.given("places"), copy.given("ranks")
    same = {"customer_key": copy.customer_key, "as_of": AS_OF.at, "model_version": "given"}
    for model, score in copy.given("scores").items():
        placed = {"percentile": places.get(model), "offer_rank": ranks.get(model)}
        yield {**same, "model": model, "score": float(score), **placed}
    for name, place in places.items():
        yield {**same, "model": place_of(name), "score": place, "percentile": place}


def _time(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, tz=UTC).replace(tzinfo=None)
