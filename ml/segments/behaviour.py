"""Conditions on what a customer did: events, sequences of them, and the circumstances of visits."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ml.segments.durations import Duration
from ml.segments.forms import Bounds, Flag, Form, Positive, Text, Texts, Whole, refuse, said


class Where(Form):
    """Properties that an event must have; a list means any of them."""

    category: Texts | None = Field(None, description="Category of the page or product.")
    product: Texts | None = Field(None, description="Product id.")
    department: Texts | None = Field(None, description="Department of the product.")
    brand: Texts | None = Field(None, description="Brand of the product.")
    device: Texts | None = Field(None, description="Kind of device, such as desktop or mobile.")
    country: Texts | None = Field(None, description="Country code, in quotes.")
    region: Texts | None = Field(None, description="Region within the country.")
    referrer: Texts | None = Field(None, description="Where the visit came from.")
    campaign: Texts | None = Field(None, description="Campaign id.")
    message: Texts | None = Field(None, description="Message id: what was sent, opened and clicked shares it.")
    channel: Texts | None = Field(None, description="Channel of the order or message.")
    store: Texts | None = Field(None, description="Store id.")
    offer: Texts | None = Field(None, description="Offer id.")
    value: Bounds | None = Field(None, description="Value in cents.")
    duration_seconds: Bounds | None = Field(None, description="Seconds spent.")
    scroll_depth: Bounds | None = Field(None, description="Deepest scroll, in percent of the page.")


NUMBERS = ("value", "duration_seconds", "scroll_depth")


class Happened(Form):
    """A kind of event, with properties."""

    event: Text = Field(description="A kind of event.")
    where: Where | None = Field(None, description="Only events with these properties.")


class Anchor(Happened):
    """The latest event of a kind; its name alone will do."""

    @model_validator(mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return {"event": value} if isinstance(value, str) else value


class Windowed(Form):
    """The time in which something must have happened, counted back from as_of. Exactly one of these."""

    windows: ClassVar[tuple[str, ...]] = ("last", "between", "more_than", "ever")

    last: Duration | None = Field(None, description="Since this long ago.")
    between: tuple[Duration, Duration] | None = Field(
        None, description="From the first (longer ago) to the second; `[60d, 30d]` is the month before the last."
    )
    more_than: Duration | None = Field(None, description="Longer ago than this; `14d` or `14d ago`.")
    ever: Flag | None = Field(None, description="true: at any time before as_of.")

    @field_validator("more_than", mode="before")
    @classmethod
    def _ago(cls, value: object) -> object:
        return re.sub(r"\s+ago\s*$", "", value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if len(said(self, *self.windows)) != 1 or self.ever is False:
            since = ", since: order" if "since" in self.windows else ""
            raise refuse(f"say when, once: last: 30d, between: [60d, 30d], more_than: 14d{since} or ever: true")
        if self.between and self.between[0].seconds <= self.between[1].seconds:
            raise refuse("write the longer time first, such as [60d, 30d]; this window is empty", "between")
        return self


class EventCondition(Windowed, Happened):
    """How often something happened within a window, how much it adds up to, or when it happened for the nth time."""

    windows = (*Windowed.windows, "since")

    since: Anchor | None = Field(
        None, description="After the customer's latest event of another kind; who has none does not meet the condition."
    )
    sum: Text | None = Field(None, description="Compare the sum of this property (such as value) instead of the count.")
    distinct: Text | None = Field(None, description="Compare how many values of this property there were.")
    at_least: Positive | None = Field(None, description="This often or more; 1 if nothing is said.")
    at_most: Whole | None = Field(None, description="This often or less, never included.")
    exactly: Whole | None = Field(None, description="Exactly this often; 0 is never.")
    first_time: Flag | None = Field(None, description="true: the first one ever lies in the window.")
    nth: Positive | None = Field(None, description="The nth one ever lies in the window.")

    @property
    def number(self) -> int | None:
        """Which one must lie in the window; None when they are counted."""
        return 1 if self.first_time else self.nth

    @property
    def bounds(self) -> list[tuple[str, int]]:
        """The bounds on the count or sum as (`at_least` | `at_most` | `equals`, number)."""
        found = [("at_least", self.at_least), ("at_most", self.at_most), ("equals", self.exactly)]
        return [(key, value) for key, value in found if value is not None] or [("at_least", 1)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.exactly is not None and said(self, "at_least", "at_most"):
            raise refuse("exactly stands alone; drop at_least and at_most", "exactly")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise refuse(f"nothing happens at least {self.at_least} and at most {self.at_most} times", "at_most")
        return self

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        counts, asked = said(self, "at_least", "at_most", "exactly"), said(self, "sum", "distinct")
        if len(asked) == 2:
            raise refuse("sum and distinct are two conditions; put each in a list below all", "distinct")
        if asked and not counts:
            raise refuse(f"say how the {asked[0]} compares: at_least, at_most or exactly", asked[0])
        if self.number is not None and (counts or asked or len(said(self, "first_time", "nth")) == 2):
            raise refuse("first_time and nth stand alone: they look for one event, they do not count")
        if self.number is not None and self.since:
            raise refuse("first_time and nth count from the customer's beginning; since begins later", "since")
        if self.first_time is False:
            raise refuse("write first_time: true, or leave it out", "first_time")
        return self


class Step(Happened):
    """One step of a sequence: an event, or a run of several of its kind."""

    count: Positive = Field(1, description="How many of them make the step.")
    within: Duration | None = Field(None, description="The longest time from the first to the last of `count`.")
    no_later_than: Duration | None = Field(
        None, description="The longest time from the end of the step before to the end of this one."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.within and self.count == 1:
            raise refuse("within spans a count of 2 or more; after the step before, write no_later_than", "within")
        return self


class Closing(Happened):
    """What must not follow the last step, in a time that must have passed before as_of."""

    within: Duration = Field(description="How long after the last step.")

    @model_validator(mode="before")
    @classmethod
    def _sentence(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = re.fullmatch(r"\s*(\w+) within (\w+)\s*", value)
        if not found:
            raise refuse(f"{value!r} does not read as `purchase within 24h`")
        return {"event": found[1], "within": found[2]}


class SequenceCondition(Windowed):
    """Steps that happened one after another, all of them within the window."""

    sequence: tuple[Step, ...] = Field(min_length=1, max_length=8, description="The steps, in order.")
    same: Texts | None = Field(
        None, description="Properties that all steps, and then_not, share: `product` follows each product on its own."
    )
    then_not: Closing | None = Field(None, description="`purchase within 24h`, or event, where and within as keys.")

    @field_validator("sequence")
    @classmethod
    def _first_step(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if steps[0].no_later_than:
            raise refuse("the first step follows nothing; drop no_later_than", 0, "no_later_than")
        return steps

    @field_validator("same")
    @classmethod
    def _links(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return tuple(dict.fromkeys(names)) if names else names

    @model_validator(mode="after")
    def _decided_in_time(self) -> Self:
        window = self.last or (self.between[0] if self.between else None)
        if self.then_not and window and self.then_not.within.seconds > window.seconds:
            words = f"nobody can be in: {self.then_not.within.words} must have passed since a step of the last"
            raise refuse(f"{words} {window.words}; make the window longer", "then_not", "within")
        return self


class ContextCondition(Windowed):
    """The circumstances of visits: of the last one in the window, or of more than half of them.

    A visit is a session of web events and has the properties of its first event in the window; the channel is that
    of orders.
    """

    context: Literal["device", "country", "region", "referrer", "channel"] = Field(description="Which circumstance.")
    in_: Texts = Field(alias="in", description="One of these; a single value will do.")
    of: Literal["last", "most"] = Field("last", description="`last`: the last visit. `most`: more than half of them.")
