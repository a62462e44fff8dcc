"""Conditions on what a customer is: features, scores, attributes, lifecycle, other segments, consent."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ml.config import did_you_mean
from ml.segments.durations import Duration
from ml.segments.forms import Bounds, Comparison, Flag, Form, Portion, Positive, Scalar, Text, Texts, Unit, refuse, said

Stage = Literal["new", "active", "at_risk", "dormant", "churned", "reactivated"]
STAGES: tuple[str, ...] = get_args(Stage)


class Valued(Comparison):
    """A value of the customer, compared."""

    equals: Scalar | None = Field(None, description="Exactly this.")
    in_: tuple[Scalar, ...] | None = Field(None, alias="in", min_length=1, description="One of these.")
    is_missing: Flag | None = Field(None, description="true: has no value; false: has one.")


class FeatureCondition(Valued):
    """A feature of the customer, compared."""

    feature: Text = Field(description="A column of `customer_features`.")
    top: Portion | None = Field(None, description="Among the highest values.")
    bottom: Portion | None = Field(None, description="Among the lowest values.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.bounds or said(self, "equals", "in_", "is_missing", "top", "bottom")):
            raise refuse(f"say how {self.feature} compares: {', '.join(k for k in self.keys() if k != 'feature')}")
        return self


class AttributeCondition(Valued):
    """An attribute of the customer's profile as it stands today (it is never looked up in the past)."""

    attribute: Text = Field(
        description="A column of `customer_profiles`, declared usable in `config/segmentation.yaml`."
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.bounds or said(self, "equals", "in_", "is_missing")):
            raise refuse(f"say how {self.attribute} compares: {', '.join(k for k in self.keys() if k != 'attribute')}")
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
    """A model's score of the customer."""

    score: Text = Field(description="A model of `config/models`.")
    probability: Unit | None = Field(None, description="The calibrated probability.")
    break_even: BreakEven | None = Field(None, description="The probability is at least cost over value.")
    expected_value: Bounds | None = Field(None, description="The expected value, in cents.")
    percentile: Unit | None = Field(None, description="Place among everybody scored; 0.8 and above is the top fifth.")
    rank: Bounds | None = Field(
        None,
        description="Place of this offer among the customer's offers (targets of one propensity file); 1 is best.",
    )
    top: Portion | None = Field(None, description="Among the highest scores.")
    bottom: Portion | None = Field(None, description="Among the lowest scores.")
    max_age: Duration | None = Field(None, description="Scores up to this much older than as_of will do.")
    stale: Literal["error", "skip"] | None = Field(
        None,
        description="When there is no score that young. error, the default: the segment fails. skip: its members stand "
        "as its last run left them.",
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        keys = self.keys()[1:-2]
        if not said(self, *keys):
            raise refuse(f"say how {self.score} compares: {', '.join(keys)}")
        return self


class Span(Form):
    """A stretch of time up to as_of, or up to some time before it."""

    last: Duration | None = Field(None, description="Since this long ago.")
    between: tuple[Duration, Duration] | None = Field(None, description="From the first (longer ago) to the second.")

    @property
    def seconds(self) -> tuple[int, int]:
        """How long before as_of it begins and ends."""
        return (self.between[0].seconds, self.between[1].seconds) if self.between else (self._last.seconds, 0)

    @property
    def words(self) -> str:
        """The stretch as a person says it."""
        if self.between:
            return f"between {self.between[0].words} and {self.between[1].words} ago"
        return f"in the last {self._last.words}"

    @property
    def _last(self) -> Duration:
        if self.last is None:
            raise TypeError("a span has last or between")
        return self.last

    @model_validator(mode="before")
    @classmethod
    def _length(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Form) else {"last": value}

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(said(self, "last", "between")) != 1:
            raise refuse("say when, once: 7d, or between: [30d, 7d]")
        if self.between and self.between[0].seconds <= self.between[1].seconds:
            raise refuse("write the longer time first, such as [30d, 7d]; this span is empty", "between")
        return self


class Moving(Form):
    """Something a customer is in, comes into and leaves."""

    entered: Span | None = Field(None, description="Came in within this time, such as 7d.")
    left: Span | None = Field(None, description="Went out within this time.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.entered and self.left:
            raise refuse("entered and left are two conditions; put each in a list below all or any", "left")
        return self


def _stages(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_ONE_OR_SEVERAL = BeforeValidator(_stages, json_schema_input_type=Stage | list[Stage])


class LifecycleCondition(Moving):
    """The customer's stage by its orders, by the bounds of `config/features.yaml`; now, or a change of it."""

    lifecycle: Annotated[tuple[Text, ...], Field(min_length=1), _ONE_OR_SEVERAL] = Field(
        description=f"One stage or a list: {', '.join(STAGES)}. Who is reactivated is new or active, too."
    )

    @field_validator("lifecycle")
    @classmethod
    def _known(cls, stages: tuple[str, ...]) -> tuple[str, ...]:
        for stage in stages:
            if stage not in STAGES:
                raise refuse(f"there is no stage {stage!r}{did_you_mean(stage, STAGES)}")
        return stages


class ClusterCondition(Form):
    """The customer's cluster: the nearest centre of a clustering."""

    cluster: Text = Field(description="A clustering of `config/clusters.yaml`.")
    in_: Texts = Field(alias="in", description="Its clusters; a single name will do.")


class SegmentCondition(Moving):
    """Membership of another segment at the same as_of, or a change of it that its runs saw."""

    segment: Text = Field(description="Name of the other segment.")


class Consent(Form):
    """A purpose and a channel; without a record that grants both, the answer is no."""

    purpose: Text = Field(description="What the customer agreed to, such as marketing.")
    channel: Text = Field(description="Over which channel, such as email.")


class ConsentCondition(Form):
    """Consent as it stands today (it is never looked up in the past)."""

    consent: Consent = Field(description="Purpose and channel.")
