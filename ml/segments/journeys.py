"""Journeys: a made-up customer's events on a timeline, and when the customer should be in a segment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from ml.config import did_you_mean
from ml.errors import ConfigError
from ml.segments.behaviour import Where
from ml.segments.durations import Duration
from ml.segments.forms import Flag, Form, Number, Positive, Scalar, Text, Whole, refuse, said
from ml.segments.reading import Place, at, read_definition
from ml.segments.standing import Consent
from ml.segments.vocabulary import IDENTIFIERS, Vocabulary

FOLDER = "journeys"
_GIVEN = ("scores", "places", "ranks", "features", "profile", "consent")
OFFSET = r"^(0|[0-9]{1,6}[smhdw]( +[0-9]{1,6}[smhdw])*)$"
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def _offset(value: object) -> object:
    text = str(value).strip()
    if not re.fullmatch(OFFSET, text):
        raise refuse(f"{value!r} is no place on the timeline: write days and times from its start, such as 2d 18h 30m")
    return sum(Duration(part).seconds for part in text.split() if int(part.rstrip("smhdw")))


Offset = Annotated[int, BeforeValidator(_offset, json_schema_input_type=str | int)]


class Line(Form):
    """A line of an order."""

    product: Text | None = Field(None, description="Product id.")
    department: Text = Field("UNKNOWN", description="Department of the product.")
    category: Text = Field("UNKNOWN", description="Category of the product.")
    brand: Text = Field("UNKNOWN", description="Brand of the product.")
    value: Whole = Field(1000, description="Paid for it, in cents.")
    discount: Whole = Field(0, description="Loyalty discount on it, in cents.")
    coupon: Whole = Field(0, description="Coupon discount on it, in cents.")


class Entry(Form):
    """What happens at a time, or what is known of the customer from then on."""

    at: Offset = Field(description="From the start of the journey: `0`, `90m`, `2d 18h 30m`.")
    event: Text | None = Field(None, description="A kind of event.")
    times: Positive = Field(1, description="How often it happens.")
    every: Duration | None = Field(None, description="The time from one to the next; needed with `times`.")
    lines: tuple[Line, ...] = Field((), description="The lines of an order.")
    value: Whole | None = Field(None, description="Value in cents; of an order, the sum of its lines if left out.")
    category: Text | None = Field(None, description="Category of the page or product.")
    product: Text | None = Field(None, description="Product id.")
    device: Text | None = Field(None, description="desktop, mobile or tablet.")
    country: Text | None = Field(None, description="Country code, in quotes.")
    region: Text | None = Field(None, description="Region within the country.")
    referrer: Text | None = Field(None, description="Where the visit came from.")
    campaign: Text | None = Field(None, description="Campaign id.")
    message: Text | None = Field(None, description="Message id; left out, a campaign has one message.")
    channel: Text | None = Field(None, description="Channel of the order or message.")
    store: Text | None = Field(None, description="Store id.")
    offer: Text | None = Field(None, description="Offer id.")
    duration_seconds: Whole | None = Field(None, description="Seconds spent.")
    scroll_depth: Whole | None = Field(None, description="Deepest scroll, in percent of the page.")
    scores: dict[Text, Number] = Field({}, description="What models expect from then on: a probability, or cents.")
    places: dict[Text, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description="By a score or a feature, the share of everybody who has less; 0.9 is in the top tenth."
    )
    ranks: dict[Text, Positive] = Field({}, description="Place of an offer among the customer's offers; 1 is the best.")
    features: dict[Text, Scalar] = Field({}, description="Features that are given, instead of made from the events.")
    profile: dict[Text, Scalar] = Field({}, description="Attributes of the profile.")
    consent: Consent | None = Field(None, description="What the customer is asked, and agrees to.")
    granted: Flag = Field(True, description="false: withdraws it.")

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = [key for key in _GIVEN if getattr(self, key)]
        if bool(given) == (self.event is not None):
            raise refuse(f"say what happens (event:), or what is known from then on ({', '.join(_GIVEN)})")
        stray = [*self.properties, *(["lines"] if self.lines else [])]
        if given and stray:
            raise refuse(f"{stray[0]} belongs to an event; write event: beside it", stray[0])
        if (self.times > 1) != (self.every is not None):
            raise refuse("times and every go together: how often, and how long from one to the next")
        return self

    @property
    def properties(self) -> list[str]:
        """The properties that its event has."""
        return said(self, *(name for name in Where.model_fields if name in type(self).model_fields))

    @property
    def moments(self) -> list[int]:
        """When it happens, in seconds from the start."""
        step = self.every.seconds if self.every else 0
        return [self.at + number * step for number in range(self.times)]


class Expectation(Form):
    """Whether the customer should be a member at a time."""

    at: Offset = Field(description="From the start of the journey; what happens at that very second is not yet known.")
    member: Flag = Field(description="true or false.")


class Journey(Form):
    """One file: the timeline of a made-up customer."""

    description: Text = Field(description="What the customer does, in a sentence.")
    timeline: tuple[Entry, ...] = Field(min_length=1, description="What happens, in any order.")
    expect: tuple[Expectation, ...] = Field((), description="When the customer should be in, and when not.")
    horizon: Duration = Field(Duration("30d"), description="How long to look on after the last entry.")

    @property
    def end(self) -> int:
        """The last second of it that somebody wrote."""
        return max([moment for entry in self.timeline for moment in entry.moments] + [one.at for one in self.expect])


def read_journey(path: Path, known: Vocabulary) -> Journey:
    """Return a journey's file. Raises `ConfigError` naming file, line, key and nearest name."""
    journey, lines = read_definition(path, Journey)
    wrong = [f"{at(path, lines, place)}: {words}" for place, words in _problems(journey, known)]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return journey


def journey_files(folder: Path, segment: str) -> list[Path]:
    """Return the journeys of a segment that lie beside the segments of a folder."""
    return sorted((folder / FOLDER / segment).glob("*.yaml"))


def clock(seconds: int) -> str:
    """Return a place on the timeline as a person writes it: `2d 18h 30m`."""
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or "0"


def _problems(journey: Journey, known: Vocabulary) -> Iterator[tuple[Place, str]]:
    for index, entry in enumerate(journey.timeline):
        place: Place = ("timeline", index)
        yield from (((*place, *where), words) for where, words in _unknown(entry, known))
        if entry.event is not None and entry.event in known.events:
            yield from (((*place, *where), words) for where, words in _improper(entry, known))


def _unknown(entry: Entry, known: Vocabulary) -> Iterator[tuple[Place, str]]:
    if entry.event is not None and entry.event not in known.events:
        yield ("event",), f"there is no event {entry.event!r}{did_you_mean(entry.event, known.events)}"
    names: dict[str, tuple[str, Iterable[str]]] = {
        "scores": ("model", known.scores),
        "ranks": ("offer", known.offers),
        "places": ("model or feature", {**known.scores, **known.features}),
        "features": ("feature", known.features),
        "profile": ("attribute", known.attributes),
    }
    for key, (what, allowed) in names.items():
        for name in getattr(entry, key):
            if name not in allowed:
                private = "; it names a person, and no segment is about one" if name in IDENTIFIERS else ""
                yield (key, name), f"there is no {what} {name!r}{private or did_you_mean(name, allowed)}"


def _improper(entry: Entry, known: Vocabulary) -> Iterator[tuple[Place, str]]:
    kind = known.events[str(entry.event)]
    for name in entry.properties:
        if name not in kind.stream.properties:
            yield (name,), f"{kind.name} has no {name}{did_you_mean(name, kind.stream.properties)}"
    if kind.name == "order_line":
        yield ("event",), "order lines come with their order: write event: order and its lines:"
    if entry.lines and kind.stream.table != "customer_orders":
        yield ("lines",), f"{kind.name} has no lines; an order has"
