"""What a segment may call an event: web behaviour, orders, order lines, messages and offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ml.config import read_yaml
from ml.settings import settings


@dataclass(frozen=True)
class Stream:
    """A table of things that happened: its clock, its tie-breaker, its kinds, its properties.

    What a visit is: the rows of one `session`, or each row of the kind `visit`.
    """

    table: str
    clock: str
    id: str
    kind: str
    properties: Mapping[str, str] = field(compare=False)
    session: str = ""
    visit: str = ""


@dataclass(frozen=True)
class EventKind:
    """One kind of event: the stream it is in, the value that marks it, and what a person calls it."""

    name: str
    stream: Stream
    value: str
    label: str

    def counted(self, n: int | None = None) -> str:
        """Return the label in the singular for 1, else in the plural."""
        return self.label if n == 1 else plural(self.label)


WEB = Stream(
    "customer_events",
    "event_epoch",
    "event_id",
    "event_type",
    {
        "category": "category",
        "product": "product_id",
        "device": "device",
        "country": "country",
        "region": "region",
        "referrer": "referrer",
        "campaign": "campaign_id",
        "value": "value_cents",
        "duration_seconds": "duration_seconds",
        "scroll_depth": "scroll_depth",
    },
    session="session_id",
)
ORDERS = Stream(
    "customer_orders",
    "ordered_epoch",
    "order_id",
    "status",
    {"channel": "channel", "store": "store_id", "value": "total_cents"},
    visit="placed",
)
LINES = Stream(
    "customer_order_lines",
    "ordered_epoch",
    "line_id",
    "status",
    {
        "category": "category",
        "product": "product_id",
        "department": "department",
        "brand": "brand",
        "value": "amount_cents",
    },
)
MESSAGES = Stream(
    "customer_messages",
    "event_epoch",
    "message_event_id",
    "event_type",
    {"channel": "channel", "campaign": "campaign_id", "message": "message_id"},
)
OFFERS = Stream(
    "customer_offer_responses",
    "responded_epoch",
    "response_id",
    "response",
    {"campaign": "campaign_id", "offer": "offer_id"},
)
_ALWAYS = (
    EventKind("order", ORDERS, "placed", "order"),
    EventKind("order_returned", ORDERS, "returned", "returned order"),
    EventKind("order_cancelled", ORDERS, "cancelled", "cancelled order"),
    EventKind("order_line", LINES, "placed", "order line"),
    *(
        EventKind(f"message_{done}", MESSAGES, done, f"message {done}")
        for done in ("sent", "delivered", "opened", "clicked", "unsubscribed", "bounced")
    ),
    EventKind("offer_targeted", OFFERS, "targeted", "offer received"),
    EventKind("offer_redeemed", OFFERS, "redeemed", "offer redeemed"),
)


class _EventsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    web: dict[str, str]


def load_events(config_dir: Path | None = None) -> dict[str, EventKind]:
    """Return every kind of event by name: those of `config/events.yaml` and those that are always known."""
    path = (config_dir or settings().config_dir) / "events.yaml"
    web = (EventKind(name, WEB, name, label) for name, label in read_yaml(path, _EventsFile).web.items())
    return {kind.name: kind for kind in (*web, *_ALWAYS)}


def plural(label: str) -> str:
    """Return an English label in the plural: `cart` becomes `carts`, `message sent` becomes `messages sent`."""
    head, _, tail = label.partition(" ")
    if tail in _PAST:
        return f"{plural(head)} {tail}"
    return label + ("es" if label.endswith(("s", "x", "ch", "sh")) else "s")


_PAST = {"sent", "delivered", "opened", "clicked", "unsubscribed", "bounced", "received", "redeemed"}
