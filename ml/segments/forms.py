"""The ground every part of a definition stands on: frozen, no unknown keys, errors that name the nearest one."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError


def refuse(message: str, *keys: str | int) -> PydanticCustomError:
    """Return an error for a person; `keys` lead from this place to what it is about."""
    return PydanticCustomError("segment", "{message}", {"message": message, "keys": keys})


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refuse(f"write a number here, not {value!r}")
    return value


def _scalar(value: object) -> object:
    return value if isinstance(value, str) and value else _number(value)


def _several(value: object) -> object:
    return (value,) if isinstance(value, str | int | float) else value


Text = Annotated[str, StringConstraints(min_length=1)]
Texts = Annotated[
    tuple[Text, ...], Field(min_length=1), BeforeValidator(_several, json_schema_input_type=Text | list[Text])
]
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict(), Field(ge=0)]
Positive = Annotated[int, Strict(), Field(gt=0)]
Number = Annotated[int | float, BeforeValidator(_number)]
Scalar = Annotated[int | float | str, BeforeValidator(_scalar)]


class Form(BaseModel):
    """A part of a definition."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @classmethod
    def keys(cls) -> list[str]:
        """Return the keys a person may write here."""
        return [field.alias or name for name, field in cls.model_fields.items()]


def said(form: Form, *keys: str) -> list[str]:
    """Return those of `keys` that have a value."""
    return [key for key in keys if getattr(form, key) is not None]


class Comparison(Form):
    """Bounds on a number; several hold together."""

    above: Number | None = Field(None, description="Greater than this.")
    at_least: Number | None = Field(None, description="This or greater.")
    below: Number | None = Field(None, description="Less than this.")
    at_most: Number | None = Field(None, description="This or less.")
    between: tuple[Number, Number] | None = Field(None, description="From the first to the second, both included.")

    @property
    def bounds(self) -> list[tuple[str, int | float]]:
        """The bounds as (`above` | `at_least` | `below` | `at_most`, number)."""
        found = [(key, getattr(self, key)) for key in ("above", "at_least", "below", "at_most")]
        if self.between:
            found += [("at_least", self.between[0]), ("at_most", self.between[1])]
        return [(key, value) for key, value in found if value is not None]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        low = max((v for k, v in self.bounds if k in {"above", "at_least"}), default=None)
        high = min((v for k, v in self.bounds if k in {"below", "at_most"}), default=None)
        if low is not None and high is not None and low > high:
            raise refuse(f"nothing is above {low} and below {high} at once; swap the bounds")
        return self


class Bounds(Comparison):
    """Bounds on a number, at least one of them."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.bounds:
            raise refuse("say how it compares: above, at_least, below, at_most or between")
        return self


class Unit(Bounds):
    """Bounds on a number from 0 to 1."""

    @model_validator(mode="after")
    def _unit(self) -> Self:
        for key, value in self.bounds:
            if not 0 <= value <= 1:
                raise refuse(f"{value} is outside 0 to 1; 80 percent is 0.8", key)
        return self


class Portion(Form):
    """How many of a ranking: a share of everybody who has a value, or a number of customers."""

    share: Annotated[float, Strict(), Field(gt=0, le=1)] | None = Field(
        None, description="Share of the customers who have a value, above 0 and up to 1; rounded up."
    )
    count: Positive | None = Field(None, description="Number of customers.")
    within: Text | None = Field(None, description="A segment: rank its members only. Left out, everybody is ranked.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(said(self, "share", "count")) != 1:
            raise refuse("say share or count, one of them")
        return self
