"""The conditions of the segment language. Every condition is true or false: a missing value meets none of them."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from ml.config import did_you_mean
from ml.segments.behaviour import ContextCondition, EventCondition, SequenceCondition
from ml.segments.forms import Form, Number, Text, refuse
from ml.segments.standing import (
    AttributeCondition,
    ClusterCondition,
    ConsentCondition,
    FeatureCondition,
    LifecycleCondition,
    ScoreCondition,
    SegmentCondition,
)

# Points are added up as whole thousandths, and probabilities as whole millionths: alike on every engine.
MILLI, MILLION = 1_000, 1_000_000


class AllOf(Form):
    """Every condition holds."""

    all: tuple[Condition, ...] = Field(min_length=1, description="Conditions.")


class AnyOf(Form):
    """At least one condition holds."""

    any: tuple[Condition, ...] = Field(min_length=1, description="Conditions.")


class NotOf(Form):
    """The condition does not hold; a value that is missing makes the `not` true."""

    not_: Condition = Field(alias="not", description="A condition.")


class Weighted(Form):
    """Points for a condition that holds, or for a probability: points times the probability."""

    points: Number = Field(description="How many; below zero they count against. At most three decimals.")
    if_: Condition | None = Field(None, alias="if", description="The condition.")
    score: Text | None = Field(None, description="A model whose probability earns its share of the points.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.if_ is None) == (self.score is None):
            raise refuse("points are for a condition (if:) or for a probability (score:), one of them")
        if self.points == 0:
            raise refuse("0 points change nothing; leave the line out", "points")
        _decimals(self.points, "points")
        return self


class WeightOf(Form):
    """The points of what holds add up to a threshold."""

    weight: tuple[Weighted, ...] = Field(min_length=1, description="What earns points.")
    at_least: Number = Field(description="The points that make a member.")

    @property
    def most(self) -> float:
        """The points of somebody for whom everything counts."""
        return sum(part.points for part in self.weight if part.points > 0)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        _decimals(self.at_least, "at_least")
        if not self.most:
            raise refuse("no line earns points; give at least one of them more than 0", "weight")
        if self.at_least > self.most:
            words = f"nobody reaches {self.at_least:g} points; everything together gives {self.most:g}"
            raise refuse(words, "at_least")
        return self


def _decimals(points: float, key: str) -> None:
    if abs(points * MILLI - round(points * MILLI)) > 1e-6:
        raise refuse(f"write {points!r} with at most three decimals", key)


KINDS: dict[str, type[Form]] = {
    "all": AllOf,
    "any": AnyOf,
    "not": NotOf,
    "weight": WeightOf,
    "feature": FeatureCondition,
    "score": ScoreCondition,
    "event": EventCondition,
    "sequence": SequenceCondition,
    "lifecycle": LifecycleCondition,
    "context": ContextCondition,
    "segment": SegmentCondition,
    "cluster": ClusterCondition,
    "attribute": AttributeCondition,
    "consent": ConsentCondition,
}
_TAGS = {kind: f"<{name}>" for name, kind in KINDS.items()}


def _one_kind(value: Any) -> Any:
    """Refuse what is not one condition, before pydantic chooses among the kinds."""
    if isinstance(value, Form):
        return value
    if isinstance(value, list):
        raise refuse("write all: or any: before a list of conditions")
    if not isinstance(value, dict):
        raise refuse(f"a condition is a mapping that starts with one of {', '.join(KINDS)}, not {value!r}")
    found = [name for name in KINDS if name in value]
    if len(found) > 1:
        raise refuse(f"{' and '.join(found)} are two conditions; put each in a list below all or any", found[1])
    if not value:
        raise refuse(f"a condition is a mapping that starts with one of {', '.join(KINDS)}")
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
    | Annotated[WeightOf, Tag("<weight>")]
    | Annotated[FeatureCondition, Tag("<feature>")]
    | Annotated[ScoreCondition, Tag("<score>")]
    | Annotated[EventCondition, Tag("<event>")]
    | Annotated[SequenceCondition, Tag("<sequence>")]
    | Annotated[LifecycleCondition, Tag("<lifecycle>")]
    | Annotated[ContextCondition, Tag("<context>")]
    | Annotated[SegmentCondition, Tag("<segment>")]
    | Annotated[ClusterCondition, Tag("<cluster>")]
    | Annotated[AttributeCondition, Tag("<attribute>")]
    | Annotated[ConsentCondition, Tag("<consent>")],
    Discriminator(_tag),
    BeforeValidator(_one_kind),
]

for _form in (AllOf, AnyOf, NotOf, Weighted, WeightOf):
    _form.model_rebuild()


def leaves(condition: Form) -> list[Form]:
    """Return the conditions below `all`, `any`, `not` and `weight`, in the order they are written."""
    match condition:
        case AllOf(all=parts) | AnyOf(any=parts):
            return [leaf for part in parts for leaf in leaves(part)]
        case NotOf(not_=part):
            return leaves(part)
        case WeightOf(weight=parts):
            return [leaf for part in parts for leaf in (leaves(part.if_) if part.if_ else [part])]
    return [condition]
