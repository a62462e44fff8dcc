"""A segment's whole rule: its own condition with everything around it that decides who is in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from ml.segments.conditions import AllOf, NotOf, Weighted, leaves
from ml.segments.forms import Form
from ml.segments.language import Segment
from ml.segments.meanings import Meanings
from ml.segments.standing import FeatureCondition, ScoreCondition, SegmentCondition

_ASIDE = ("description", "goal", "owner", "action", "outcome", "backtest")


@dataclass(frozen=True)
class Rule:
    """A segment as it is evaluated: `who` within the parent, without those who are excluded.

    `everywhere` are conditions that keep a customer out of every segment; `rivals` are the segments of the same
    exclusive group that come first. `meanings` are bounds and centres that it is read with, before the vocabulary's.
    A bar (`is_bar`) asks for nothing: everybody meets it who is not barred.
    """

    segment: Segment
    everywhere: tuple[Form, ...] = ()
    rivals: tuple[str, ...] = ()
    meanings: Meanings = field(default_factory=Meanings)
    is_bar: bool = False

    @property
    def name(self) -> str:
        """The segment's name."""
        return self.segment.name

    @cached_property
    def asked(self) -> tuple[Form, ...]:
        """What makes a member."""
        if self.is_bar:
            return ()
        parent = self.segment.parent
        return (*([SegmentCondition(segment=parent)] if parent else []), self.segment.who)

    @cached_property
    def barred(self) -> tuple[Form, ...]:
        """What a member must not be."""
        rivals = (SegmentCondition(segment=name) for name in self.rivals)
        return tuple(NotOf(not_=condition) for condition in (*self.segment.exclude, *self.everywhere, *rivals))

    @cached_property
    def bar(self) -> Rule | None:
        """The rule of who may stay where members are carried over; None where nobody is barred."""
        name = f"{self.name}@bar"
        segment = self.segment.model_copy(update={"name": name, "membership": "rule"})
        return replace(self, segment=segment, is_bar=True) if self.barred else None

    @cached_property
    def condition(self) -> Form:
        """All of it as one condition."""
        parts = (*self.asked, *self.barred)
        return parts[0] if len(parts) == 1 else AllOf(all=parts)

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The segments it names, in the order it names them."""
        return tuple(dict.fromkeys(segments_in([self.condition])))

    @cached_property
    def scores(self) -> tuple[ScoreCondition | Weighted, ...]:
        """The conditions that need a model's scores."""
        return tuple(leaf for leaf in leaves(self.condition) if isinstance(leaf, ScoreCondition | Weighted))

    @property
    def models(self) -> list[str]:
        """The models it uses."""
        return sorted({str(leaf.score) for leaf in self.scores})

    def digest(self, others: Mapping[str, Rule]) -> str:
        """Return a hash of what the definition does, including the segments it names.

        Words do not count, nor how it is proven.
        """
        said = self.segment.model_dump(mode="json", by_alias=True, exclude_none=True)
        for key in _ASIDE:
            said.pop(key, None)
        said["meanings"] = self.meanings.of([self.condition]).dump()
        said["everywhere"] = [c.model_dump(mode="json", by_alias=True, exclude_none=True) for c in self.everywhere]
        said["references"] = {name: others[name].digest(others) for name in self.references}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def segments_in(conditions: Iterable[Form]) -> Iterator[str]:
    """Yield the segments that conditions name."""
    for condition in conditions:
        for leaf in leaves(condition):
            if isinstance(leaf, SegmentCondition):
                yield leaf.segment
            elif isinstance(leaf, FeatureCondition | ScoreCondition):
                yield from (portion.within for portion in (leaf.top, leaf.bottom) if portion and portion.within)
