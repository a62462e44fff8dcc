"""What a propensity is about: a part of the range, an offer or a channel, as a model file lists it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Names = dict[str, list[str]]

# How a reason says what somebody does with a target: `{target} last {done} 9 days ago`.
_DONE = {
    **dict.fromkeys(("department", "category", "brand", "product"), "bought"),
    **dict.fromkeys(("campaign", "campaign_type", "offer"), "redeemed"),
    "channel": "used",
}
KINDS = tuple(_DONE)
_PLAIN = ("department", "category")


class Target(BaseModel):
    """One target: exactly one kind with its value, as the warehouse spells it, and a name for its model if wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    department: Text | None = Field(None, description="Buys from this department.")
    category: Text | None = Field(None, description="Buys from this category.")
    brand: Text | None = Field(None, description="Buys something of this brand.")
    product: Text | None = Field(None, description="Buys this product (its id).")
    campaign: Text | None = Field(None, description="Redeems an offer of this campaign, given that it targets them.")
    campaign_type: Text | None = Field(None, description="Redeems an offer of such a campaign, given that one does.")
    offer: Text | None = Field(None, description="Redeems this offer (its id), given any campaign that targets them.")
    channel: Text | None = Field(None, description="Orders through this channel, or clicks a message that came by it.")
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = Field(
        None, description="What the model is called after the file's name; else made from the value."
    )

    @model_validator(mode="before")
    @classmethod
    def _said(cls, given: Any) -> Any:
        if isinstance(given, str):
            raise ValueError(f"say what it is, such as {{category: {given}}}; one of {', '.join(KINDS)}")  # noqa: TRY004
        return given

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._kinds()) != 1:
            raise ValueError(f"a target has exactly one of {', '.join(KINDS)}")
        return self

    def _kinds(self) -> list[str]:
        return [kind for kind in KINDS if getattr(self, kind) is not None]

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self._kinds()[0]

    @property
    def value(self) -> str:
        """The value, as the warehouse spells it."""
        return str(getattr(self, self.kind))

    @property
    def id(self) -> str:
        """Kind and value, as `propensity_labels.target` and `target_history.target` name it."""
        return f"{self.kind}:{self.value}"

    @property
    def slug(self) -> str:
        """The target as part of a model's name: `BEERS/ALES` is `beers_ales`, product `7` is `product_7`."""
        return self.name or slug(self.value if self.kind in _PLAIN else f"{self.kind} {self.value}")

    @property
    def words(self) -> dict[str, str]:
        """What the templates of a reason call the target, and what is done with it."""
        return {"target": f"offer of {self.value}" if _DONE[self.kind] == "redeemed" else self.value, "done": self.done}

    @property
    def done(self) -> str:
        """What a customer does with it, as a participle: bought, redeemed or used."""
        return _DONE[self.kind]


def slug(text: str) -> str:
    """Return a text as part of a name: lower case, one underscore for whatever is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def by_kind(targets: Iterable[Target]) -> Names:
    """Return every kind with the values wanted of it: what `sql/macros/targets.sql` reads."""
    wanted: Names = {kind: [] for kind in KINDS}
    for target in targets:
        wanted[target.kind].append(target.value)
    return {kind: sorted(set(values)) for kind, values in wanted.items()}
