"""A segment's whole rule: its own condition with everything around it that decides who is in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ml.segments.conditions import AllOf, SegmentCondition, leaves
from ml.segments.forms import Form
from ml.segments.language import Segment

_WORDS = ("description", "goal", "owner", "action")


@dataclass(frozen=True)
class Rule:
    """A segment as it is evaluated: `who` within the parent."""

    segment: Segment

    @property
    def name(self) -> str:
        """The segment's name."""
        return self.segment.name

    @cached_property
    def condition(self) -> Form:
        """What a member meets."""
        if self.segment.parent is None:
            return self.segment.who
        return AllOf(all=(SegmentCondition(segment=self.segment.parent), self.segment.who))

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The segments it names, in the order it names them."""
        named = [leaf.segment for leaf in leaves(self.condition) if isinstance(leaf, SegmentCondition)]
        return tuple(dict.fromkeys(named))

    def digest(self, others: Mapping[str, Rule]) -> str:
        """Return a hash of what the definition does, including the segments it names; words do not count."""
        said = self.segment.model_dump(mode="json", by_alias=True, exclude_none=True)
        for words in _WORDS:
            said.pop(words)
        said["references"] = {name: others[name].digest(others) for name in self.references}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
