"""How a model is judged beyond its metrics: at which share of customers, and for which groups of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ml.sql import table

_PEOPLE = ("customer_features", "customer_profiles")


class Judging(BaseModel):
    """What the evaluation page shows besides the metrics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contact_share: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.1, description="Share of the scored customers that marketing will contact."
    )
    slices: tuple[str, ...] = Field(
        ("country", "last_country", "last_device", "lifecycle_stage", "monetary_score"),
        description="Columns of customer_features and customer_profiles by which groups are told apart; what is "
        "marked sensitive there is always added.",
    )
    slice_customers: Annotated[int, Field(ge=10)] = Field(30, description="Smaller groups are put together.")

    @property
    def shares(self) -> tuple[float, float, float]:
        """The contact share, with its half before and its double after it."""
        return (self.contact_share / 2, self.contact_share, self.contact_share * 2)

    @property
    def attributes(self) -> dict[str, bool]:
        """Every attribute that groups are told apart by, and whether it is sensitive."""
        named = {name: is_sensitive(name) for name in self.slices}
        return named | {column.name: True for t in _PEOPLE for column in table(t).columns if column.sensitive}


def source_of(attribute: str) -> str | None:
    """Return the table that holds an attribute of customers, or None."""
    return next((name for name in _PEOPLE if attribute in table(name).column_names), None)


def attributes() -> set[str]:
    """Return every column by which groups may be told apart."""
    return {column.name for name in _PEOPLE for column in table(name).columns} - {"customer_key", "as_of"}


def is_sensitive(attribute: str) -> bool:
    """Return whether an attribute is marked sensitive where it is described."""
    return any(column.name == attribute and column.sensitive for name in _PEOPLE for column in table(name).columns)
