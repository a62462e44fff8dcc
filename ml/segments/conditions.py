"""The conditions of the segment language. Every condition is true or false: a missing value meets none of them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from ml.config import did_you_mean
from ml.segments.durations import Duration
from ml.segments.forms import (
    Bounds,
    Comparison,
    Flag,
    Form,
    Portion,
    Positive,
    Scalar,
    Text,
    Texts,
    Unit,
    Whole,
    refuse,
    said,
)


class FeatureCondition(Comparison):
    """A feature of the customer, compared."""

    feature: Text = Field(description="A column of `customer_features`.")
    equals: Scalar | None = Field(None, description="Exactly this.")
    in_: tuple[Scalar, ...] | None = Field(None, alias="in", min_length=1, description="One of these.")
    is_missing: Flag | None = Field(None, description="true: has no value; false: has one.")
    top: Portion | None = Field(None, description="Among the highest values.")
    bottom: Portion | None = Field(None, description="Among the lowest values.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.bounds or said(self, "equals", "in_", "is_missing", "top", "bottom")):
            raise refuse(f"say how {self.feature} compares: {', '.join(self.keys()[:-1])}")
        return self


class BreakEven(Form):
    """The probability from which a contact pays: what it costs over what it saves (Elkan, 2001)."""

    cost_cents: Positive = Field(description="Cost of contacting one customer, in cents.")
    value_cents: Positive = Field(
        description="What one contact earns when the prediction is right, in cents: margin x chance that it helps."
    )

    @property
    def probability(self) -> float:
        """Cost over value; meaningful because the scores are calibrated."""
        return self.cost_cents / self.value_cents

    @model_validator(mode="after")
    def _pays(self) -> Self:
        if self.cost_cents >= self.value_cents:
            raise refuse("a contact that costs at least what it earns never pays; check the two amounts")
        return self


class ScoreCondition(Form):
    """A model's score of the customer at the same as_of."""

    score: Text = Field(description="A model of `config/models`.")
    probability: Unit | None = Field(None, description="The calibrated probability.")
    break_even: BreakEven | None = Field(None, description="The probability is at least cost over value.")
    expected_value: Bounds | None = Field(None, description="The expected value, in cents.")
    percentile: Unit | None = Field(None, description="Place among everybody scored; 0.8 and above is the top fifth.")
    top: Portion | None = Field(None, description="Among the highest scores.")
    bottom: Portion | None = Field(None, description="Among the lowest scores.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not said(self, *self.keys()[1:]):
            raise refuse(f"say how {self.score} compares: {', '.join(self.keys()[1:])}")
        return self


class Where(Form):
    """Properties that an event must have; a list means any of them."""

    category: Texts | None = Field(None, description="Category of the page or product.")
    product: Texts | None = Field(None, description="Product id.")
    department: Texts | None = Field(None, description="Department of the product.")
    brand: Texts | None = Field(None, description="Brand of the product.")
    device: Texts | None = Field(None, description="desktop, mobile or tablet.")
    country: Texts | None = Field(None, description="Country code, in quotes.")
    region: Texts | None = Field(None, description="Region within the country.")
    referrer: Texts | None = Field(None, description="Where the visit came from.")
    campaign: Texts | None = Field(None, description="Campaign id.")
    channel: Texts | None = Field(None, description="Channel of the order or message.")
    store: Texts | None = Field(None, description="Store id.")
    offer: Texts | None = Field(None, description="Offer id.")
    value: Bounds | None = Field(None, description="Value in cents.")
    duration_seconds: Bounds | None = Field(None, description="Seconds spent.")
    scroll_depth: Bounds | None = Field(None, description="Share of the page seen, 0 to 1.")


class Windowed(Form):
    """The time in which something must have happened, counted back from as_of. Exactly one of three."""

    last: Duration | None = Field(None, description="Since this long ago.")
    between: tuple[Duration, Duration] | None = Field(
        None, description="From the first (longer ago) to the second; `[60d, 30d]` is the month before the last."
    )
    ever: Flag | None = Field(None, description="true: at any time before as_of.")

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if len(said(self, "last", "between", "ever")) != 1 or self.ever is False:
            raise refuse("say when, once: last: 30d, between: [60d, 30d] or ever: true")
        if self.between and self.between[0].seconds <= self.between[1].seconds:
            raise refuse("write the longer time first, such as [60d, 30d]; this window is empty", "between")
        return self


class EventCondition(Windowed):
    """How often something happened within a window."""

    event: Text = Field(description="A kind of event.")
    where: Where | None = Field(None, description="Only events with these properties.")
    at_least: Positive | None = Field(None, description="This often or more; 1 if nothing is said.")
    at_most: Whole | None = Field(None, description="This often or less, never included.")
    exactly: Whole | None = Field(None, description="Exactly this often; 0 is never.")

    @property
    def bounds(self) -> list[tuple[str, int]]:
        """The bounds on the count as (`at_least` | `at_most` | `equals`, number)."""
        found = [("at_least", self.at_least), ("at_most", self.at_most), ("equals", self.exactly)]
        return [(key, value) for key, value in found if value is not None] or [("at_least", 1)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.exactly is not None and said(self, "at_least", "at_most"):
            raise refuse("exactly stands alone; drop at_least and at_most", "exactly")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise refuse(f"nothing happens at least {self.at_least} and at most {self.at_most} times", "at_most")
        return self


class Step(Form):
    """One step of a sequence: an event, or a run of several of its kind."""

    event: Text = Field(description="A kind of event.")
    where: Where | None = Field(None, description="Only events with these properties.")
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


class Closing(Form):
    """What must not follow the last step, in a time that must have passed before as_of."""

    event: Text = Field(description="A kind of event.")
    where: Where | None = Field(None, description="Only events with these properties.")
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
    then_not: Closing | None = Field(None, description="`purchase within 24h`, or event, where and within as keys.")

    @field_validator("sequence")
    @classmethod
    def _first_step(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if steps[0].no_later_than:
            raise refuse("the first step follows nothing; drop no_later_than", "no_later_than")
        return steps


class SegmentCondition(Form):
    """Membership of another segment at the same as_of."""

    segment: Text = Field(description="Name of the other segment.")


class Consent(Form):
    """A purpose and a channel; without a record that grants both, the answer is no."""

    purpose: Text = Field(description="What the customer agreed to, such as marketing.")
    channel: Text = Field(description="Over which channel, such as email.")


class ConsentCondition(Form):
    """Consent as it stands today (it is never looked up in the past)."""

    consent: Consent = Field(description="Purpose and channel.")


class AllOf(Form):
    """Every condition holds."""

    all: tuple[Condition, ...] = Field(min_length=1, description="Conditions.")


class AnyOf(Form):
    """At least one condition holds."""

    any: tuple[Condition, ...] = Field(min_length=1, description="Conditions.")


class NotOf(Form):
    """The condition does not hold; a value that is missing makes the `not` true."""

    not_: Condition = Field(alias="not", description="A condition.")


KINDS: dict[str, type[Form]] = {
    "all": AllOf,
    "any": AnyOf,
    "not": NotOf,
    "feature": FeatureCondition,
    "score": ScoreCondition,
    "event": EventCondition,
    "sequence": SequenceCondition,
    "segment": SegmentCondition,
    "consent": ConsentCondition,
}
_TAGS = {kind: f"<{name}>" for name, kind in KINDS.items()}


def _one_kind(value: Any) -> Any:
    """Refuse what is not one condition, before pydantic chooses among the kinds."""
    if isinstance(value, Form):
        return value
    if not isinstance(value, dict):
        raise refuse(f"a condition is a mapping that starts with one of {', '.join(KINDS)}, not {value!r}")
    found = [name for name in KINDS if name in value]
    if len(found) > 1:
        raise refuse(f"{' and '.join(found)} are two conditions; put each in a list below all or any", found[1])
    if not found:
        key = str(next(iter(value), ""))
        raise refuse(f"{key!r} starts no condition{did_you_mean(key, KINDS)}", key)
    return value


def _tag(value: Any) -> str:
    if isinstance(value, Form):
        return _TAGS[type(value)]
    return next(f"<{name}>" for name in KINDS if name in value)


Condition = Annotated[
    Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[NotOf, Tag("<not>")]
    | Annotated[FeatureCondition, Tag("<feature>")]
    | Annotated[ScoreCondition, Tag("<score>")]
    | Annotated[EventCondition, Tag("<event>")]
    | Annotated[SequenceCondition, Tag("<sequence>")]
    | Annotated[SegmentCondition, Tag("<segment>")]
    | Annotated[ConsentCondition, Tag("<consent>")],
    Discriminator(_tag),
    BeforeValidator(_one_kind),
]

for _form in (AllOf, AnyOf, NotOf):
    _form.model_rebuild()


def leaves(condition: Form) -> list[Form]:
    """Return the conditions below `all`, `any` and `not`, in the order they are written."""
    match condition:
        case AllOf(all=parts) | AnyOf(any=parts):
            return [leaf for part in parts for leaf in leaves(part)]
        case NotOf(not_=part):
            return leaves(part)
    return [condition]
