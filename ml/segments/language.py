"""What a segment is: the frozen object behind one file of `config/segments`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from ml.errors import ConfigError
from ml.segments.conditions import AllOf, Condition, WeightOf
from ml.segments.forms import Form, Text, refuse
from ml.segments.outcomes import Backtest, Outcome
from ml.segments.reading import Lines, at, parse
from ml.segments.standing import Consent, ScoreCondition
from ml.segments.templates import load_filled
from ml.times import AsOf, parse_as_of

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Refresh = Literal["daily", "weekly", "monthly"]
PERIOD_DAYS: dict[Refresh, int] = {"daily": 1, "weekly": 7, "monthly": 28}


class Limits(Form):
    """Sizes outside which the segment is halted: it is built and shown, but not synced."""

    minimum_size: int = Field(1, ge=0, description="Fewer members halt it; 1 halts an empty segment.")
    maximum_size: int | None = Field(None, ge=1, description="More members halt it.")
    maximum_share: Share | None = Field(None, description="A greater share of all customers halts it.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.maximum_size is not None and self.maximum_size < self.minimum_size:
            raise refuse("maximum_size is below minimum_size", "maximum_size")
        return self

    def broken(self, size: int, everybody: int) -> str:
        """Return which limit a segment of this size is outside of; empty text when it is within all of them."""
        if size < self.minimum_size:
            return f"{size:,} members, fewer than minimum_size {self.minimum_size:,}"
        if self.maximum_size is not None and size > self.maximum_size:
            return f"{size:,} members, more than maximum_size {self.maximum_size:,}"
        if self.maximum_share is not None and size > self.maximum_share * everybody:
            return f"{size:,} of {everybody:,} customers, more than maximum_share {self.maximum_share:g}"
        return ""


class Guard(Form):
    """Changes beyond which a push is refused before its first request, and a changed definition waits for a person."""

    maximum_removal_share: Share = Field(0.5, description="Largest share of the members removed at once.")
    maximum_size_change: float = Field(2.0, ge=0, description="Largest growth or shrinkage, as a share of the members.")
    minimum_overlap: Share = Field(
        0.0, description="Smallest share of those who are members before or after (Jaccard) who must be both."
    )
    minimum_members: int = Field(20, ge=1, description="Fewer members, before the change and after it, are not judged.")
    on_empty: Literal["error", "skip", "send"] = Field(
        "error", description="What nobody to send means: refuse, leave the audience as it is, or empty it."
    )


def _named(value: object) -> object:
    return {"segment": value} if isinstance(value, str) else value


Excluded = Annotated[Condition, BeforeValidator(_named, json_schema_input_type=Text | Condition)]


class Segment(Form):
    """One segment: who is in it, why it exists, and what may be done with it."""

    name: Name = Field(description="The file's name without `.yaml`.")
    description: Text = Field(description="Who they are, in a sentence.")
    goal: Text = Field(description="What the business wants from them.")
    outcome: Outcome | None = Field(
        None,
        description="What the goal comes down to: what a backtest looks up after each as_of. Left out, it is what the "
        "model in `who` predicts, else an order within 28 days.",
    )
    owner: Text = Field(description="Who answers for it.")
    action: Text = Field(description="What the campaign does.")
    who: Condition = Field(description="The condition; see below.")
    parent: Name | None = Field(None, description="A segment that every member must be in as well.")
    exclude: tuple[Excluded, ...] = Field(
        (), description="Names of segments, or conditions, whose customers are never members."
    )
    exclusive_group: Name | None = Field(
        None, description="Of the segments of a group, a customer is in the first by priority whose condition it meets."
    )
    priority: int | None = Field(None, ge=1, description="Place in the exclusive group; 1 comes first.")
    membership: Literal["rule", "probability"] = Field(
        "rule",
        description="probability: each member carries a degree from 0 to 1, which is the probability of the score, or "
        "the share of the points, that `who` is made of.",
    )
    expires: date | None = Field(None, description="From this day on (in the settings' time zone) nobody is a member.")
    refresh: Refresh = Field("daily", description="How often it is built: daily, weekly or monthly.")
    holdout: float = Field(
        0.0, ge=0, le=0.5, description="Share of the members kept back from every platform, for measurement."
    )
    limits: Limits = Field(Limits(), description="Sizes outside which it is not synced.")
    guard: Guard | None = Field(
        None, description="Changes beyond which a push is refused (else the destination's) and a new definition waits."
    )
    backtest: Backtest = Field(Backtest(), description="How it is proven on the past before it is activated.")
    consent: Consent = Field(description="What a member must have agreed to before it is synced.")
    destinations: tuple[Name, ...] = Field((), description="Platforms of `config/destinations.yaml`.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for index, name in enumerate(self.destinations):
            if name in self.destinations[:index]:
                raise refuse(f"{name} is there twice; drop one", "destinations", index)
        return self

    @model_validator(mode="after")
    def _waterfall(self) -> Self:
        if (self.exclusive_group is None) != (self.priority is None):
            given = "exclusive_group" if self.exclusive_group else "priority"
            raise refuse("exclusive_group and priority go together: which group, and which place in it", given)
        return self

    @model_validator(mode="after")
    def _degree(self) -> Self:
        if self.membership == "probability" and self.graded is None:
            words = "a degree needs one score or one weight in `who`, alone or in its topmost all"
            raise refuse(words, "membership")
        return self

    @property
    def graded(self) -> ScoreCondition | WeightOf | None:
        """The part of `who` that gives a degree: the one score or weight, alone or in the topmost `all`."""
        parts = self.who.all if isinstance(self.who, AllOf) else (self.who,)
        found = [part for part in parts if isinstance(part, ScoreCondition | WeightOf)]
        return found[0] if len(found) == 1 else None

    def is_expired(self, at: AsOf) -> bool:
        """Whether nobody is a member any more."""
        return self.expires is not None and at >= parse_as_of(self.expires.isoformat())


def read_segment(path: Path) -> tuple[Segment, Lines]:
    """Return one file's segment, its template filled in, and where its keys are written.

    Raises `ConfigError` naming file, line, key and nearest name.
    """
    content, lines = load_filled(path)
    segment = parse(content, path, lines, Segment)
    if segment.name != path.stem:
        raise ConfigError(f"{at(path, lines, ('name',))}: {segment.name!r} must be the file's name, {path.stem!r}")
    return segment, lines
