"""What one rule asks of the facts of a run, and of the members of other segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ml.segments.forms import Form
from ml.segments.quantities import Check, Rank, Value


@dataclass(frozen=True)
class Leaf:
    """One condition: the column that says whether it holds, and its tests, all of which must.

    `number` ends the names of its values: `value_<number>` and, by kind, `percentile_`, `top_place_`, `latest_`.
    """

    column: str
    number: int
    condition: Form
    tests: tuple[Check, ...]


@dataclass(frozen=True)
class Points:
    """What a part of a weighted sum earns, in thousandths; times the probability in the column `share`, if any."""

    thousandths: int
    share: str | None = None


@dataclass(frozen=True)
class Node:
    """`all`, `any` or `not` over parts, a `weight` of parts, or `leaf`.

    What is silent is asked of a member and not told as a reason.
    """

    kind: Literal["all", "any", "not", "weight", "leaf"]
    parts: tuple[Node, ...] = ()
    leaf: Leaf | None = None
    points: tuple[Points, ...] = ()
    threshold: int = 0
    column: str = ""
    condition: Form | None = None
    silent: bool = False


@dataclass(frozen=True)
class Moves:
    """Who entered or left a segment in a span of time: from `start`, excluded, up to `end`, included."""

    segment: str
    change: str
    start: int
    end: int


@dataclass(frozen=True)
class Within:
    """A ranking of a measured column among the members of a segment."""

    segment: str
    rank: Rank


@dataclass
class Plan:
    """What one rule asks of what was measured, and of the members of other segments."""

    values: list[Value] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    members: dict[str, str] = field(default_factory=dict)
    moves: dict[Moves, str] = field(default_factory=dict)
    rankings: dict[Within, str] = field(default_factory=dict)
    weights: list[Node] = field(default_factory=list)
    root: Node = Node("all")

    @property
    def segments(self) -> set[str]:
        """The segments whose members it needs."""
        return {*self.members, *(of.segment for of in self.moves), *(of.segment for of in self.rankings)}
