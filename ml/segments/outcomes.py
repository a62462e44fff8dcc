"""What a segment's goal comes down to: something that customers then do, or leave, so that a replay can look it up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from ml.features.targets import KINDS, Names, Target, by_kind
from ml.segments.conditions import Condition, Weighted, leaves
from ml.segments.durations import Duration
from ml.segments.forms import Form, Text, refuse, said
from ml.segments.standing import ScoreCondition
from ml.times import DAY

if TYPE_CHECKING:
    from ml.models.spec import ModelSpec
    from ml.segments.rules import Rule

Kind = Literal["churn", "collapse", "order", "redemption", "top_spend"]
_DEFAULT = "28d"
_LINES = ("department", "category", "brand", "product", "channel")
_SCORES = (ScoreCondition, Weighted)


class Within(Form):
    """Something done within a time; the time alone may stand for it."""

    within: Duration = Field(description="How long from as_of on.")

    @model_validator(mode="before")
    @classmethod
    def _time(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Form) else {"within": value}

    @property
    def target(self) -> Target | None:
        """The one thing that it is about, if it names one."""
        named = {kind: getattr(self, kind) for kind in KINDS if getattr(self, kind, None) is not None}
        return Target(**named) if named else None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        named = said(self, *(kind for kind in KINDS if kind in type(self).model_fields))
        if len(named) > 1:
            raise refuse(f"name one of them: {' or '.join(named)}", named[1])
        return self


class Ordered(Within):
    """Places an order: for anything, or for something of one part of the range."""

    department: Text | None = Field(None, description="From this department.")
    category: Text | None = Field(None, description="From this category.")
    brand: Text | None = Field(None, description="Of this brand.")
    product: Text | None = Field(None, description="This product (its id).")
    channel: Text | None = Field(None, description="Through this channel; a click on a message that came by it counts.")


class Redemption(Within):
    """Redeems: any offer, or one of a campaign. Asked of those whom a campaign targets in that time."""

    campaign: Text | None = Field(None, description="An offer of this campaign.")
    campaign_type: Text | None = Field(None, description="An offer of a campaign of this type.")
    offer: Text | None = Field(None, description="This offer (its id).")


class TopSpend(Within):
    """Is among those who spend most in that time."""

    share: float = Field(0.2, gt=0, lt=1, description="Which part of the customers counts as those who spend most.")


class Outcome(Form):
    """What the goal comes down to: one of these, looked up after each as_of of a backtest."""

    churn: Duration | None = Field(
        None, description="Places no order in this time. Asked of those who ordered in as long a time before."
    )
    collapse: Duration | None = Field(
        None,
        description="Places no order in this time, or spends less than half of what it spent in as long a time before; "
        "asked as churn is.",
    )
    order: Ordered | None = Field(None, description="Places an order in this time.")
    redemption: Redemption | None = Field(None, description="Redeems an offer in this time.")
    top_spend: TopSpend | None = Field(None, description="Is among those who spend most in this time.")
    among: Condition | None = Field(
        None, description="Of whom it is asked: the base that members are compared with. Left out, everybody known."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(said(self, *self.keys()[:-1])) != 1:
            raise refuse(f"say one of {', '.join(self.keys()[:-1])}")
        if self.horizon.seconds > 3660 * DAY:
            raise refuse("ten years are the longest time", self.kind)
        return self

    @property
    def kind(self) -> Kind:
        """Which of them it is."""
        found: list[Any] = said(self, *self.keys()[:-1])
        kind: Kind = found[0]
        return kind

    @property
    def horizon(self) -> Duration:
        """How long after as_of it is looked up."""
        found: Duration | Within = getattr(self, self.kind)
        return found if isinstance(found, Duration) else found.within

    @property
    def target(self) -> Target | None:
        """The one thing that an order or redemption is about, if it names one."""
        found: Duration | Within = getattr(self, self.kind)
        return None if isinstance(found, Duration) else found.target

    @property
    def targets(self) -> Names | None:
        """The same as `sql/macros/targets.sql` reads it."""
        return by_kind([self.target]) if self.target else None

    @property
    def is_loss(self) -> bool:
        """Whether it is something that the business fears."""
        return self.kind in {"churn", "collapse"}

    @property
    def words(self) -> str:
        """What happens, as a sentence without its subject."""
        time, of = self.horizon.words, f" ({self.target.kind} {self.target.value})" if self.target else ""
        share = f"{self.top_spend.share:.0%}" if self.top_spend else ""
        return {
            "churn": f"places no order within {time}",
            "collapse": f"places no order within {time}, or spends less than half as much as in the {time} before",
            "order": f"orders{of} within {time}",
            "redemption": f"redeems an offer{of} within {time}",
            "top_spend": f"is among the {share} who spend most in the next {time}",
        }[self.kind]


def outcome_of(rule: Rule, specs: Mapping[str, ModelSpec]) -> Outcome:
    """Return what a segment's file says, else what the first model that its rule uses predicts, else an order.

    Of several models a probability comes before an expected value.
    """
    if rule.segment.outcome is not None:
        return rule.segment.outcome
    by_score = {name: spec for spec in specs.values() for name in spec.score_names}
    named = [str(leaf.score) for part in rule.asked for leaf in leaves(part) if isinstance(leaf, _SCORES)]
    used = [(score, by_score[score]) for score in named if score in by_score]
    first = next(iter(sorted(used, key=lambda one: one[1].kind == "cents")), None)
    return _predicted(*first) if first else Outcome.model_validate({"order": _DEFAULT})


def _predicted(score: str, spec: ModelSpec) -> Outcome:
    """Return what a score predicts."""
    within = f"{spec.horizon_days}d"
    if spec.task == "survival":
        return Outcome.model_validate({"churn": score.rpartition("_")[2]})
    if spec.task in {"churn", "clv"}:
        return Outcome.model_validate({{"churn": "churn", "clv": "top_spend"}[spec.task]: within})
    target = {spec.target.kind: spec.target.value} if spec.target else {}
    kind = "order" if spec.target and spec.target.kind in _LINES else "redemption"
    return Outcome.model_validate({kind: {"within": within, **target}})


class Backtest(Form):
    """How the segment is proven on the past before it is activated."""

    skip: Text | None = Field(None, description="Why it may be activated without a backtest.")
