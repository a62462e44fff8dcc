"""What one query must compute for a definition: sources, values and tests. The SQL itself is in `sql/`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ml.segments.events import EventKind, Stream
from ml.segments.forms import Form


@dataclass(frozen=True)
class Check:
    """A comparison of a column: `operator` is one that `sql/macros/segments.sql` knows."""

    column: str
    operator: str
    value: Any = None


@dataclass(frozen=True)
class Window:
    """Seconds since 1970: from `start` (None: from the beginning) up to `end`, which is excluded."""

    start: int | None
    end: int


@dataclass(frozen=True)
class Happening:
    """Events of one kind with certain properties."""

    kind: EventKind
    tests: tuple[Check, ...]


@dataclass(frozen=True)
class Rank:
    """A ranking of a column; `place` is 1 for the first, `ranked` is how many have a value."""

    column: str
    descending: bool
    place: str
    ranked: str


@dataclass(frozen=True)
class ShareOf:
    """A share in millionths of how many have a value (the column `ranked`)."""

    millionths: int
    ranked: str


@dataclass(frozen=True)
class Scores:
    """One model's scores."""

    name: str
    model: str
    ranks: tuple[Rank, ...]


@dataclass(frozen=True)
class Count:
    """How often something happened in a window."""

    column: str
    what: Happening
    window: Window


@dataclass(frozen=True)
class Counts:
    """All counts over one stream, taken in one scan."""

    name: str
    stream: Stream
    counts: tuple[Count, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The values of the stream's kind that any count needs."""
        return tuple(sorted({count.what.kind.value for count in self.counts}))

    @property
    def window(self) -> Window:
        """The window that holds every count's."""
        starts = [count.window.start for count in self.counts]
        known = [start for start in starts if start is not None]
        return Window(min(known) if len(known) == len(starts) else None, max(c.window.end for c in self.counts))


@dataclass(frozen=True)
class SequenceStep:
    """A step: `count` events within `within` seconds, ending at most `no_later_than` after the step before."""

    what: Happening
    count: int
    within: int | None
    no_later_than: int | None


@dataclass(frozen=True)
class Sequence:
    """Steps in a window, and what must not follow the last one within `silence` seconds."""

    name: str
    steps: tuple[SequenceStep, ...]
    closing: Happening | None
    silence: int
    window: Window
    as_of_epoch: int

    @property
    def happenings(self) -> list[tuple[str, Happening, int]]:
        """Each flag of the stream: its column, what it marks, and where its window ends."""
        flags = [(f"is_step_{i}", step.what, self.window.end) for i, step in enumerate(self.steps, start=1)]
        if self.closing:
            flags.append(("is_closing", self.closing, self.ends))
        return flags

    @property
    def streams(self) -> list[tuple[Stream, tuple[str, ...]]]:
        """Each stream it needs, with the kinds."""
        found: dict[str, tuple[Stream, set[str]]] = {}
        for _, what, _ in self.happenings:
            found.setdefault(what.kind.stream.table, (what.kind.stream, set()))[1].add(what.kind.value)
        return [(stream, tuple(sorted(kinds))) for stream, kinds in found.values()]

    @property
    def ends(self) -> int:
        """Where the last event that matters lies, excluded."""
        return min(self.window.end + self.silence, self.as_of_epoch)


@dataclass(frozen=True)
class Membership:
    """Members of another segment at the same as_of."""

    name: str
    segment: str


@dataclass(frozen=True)
class Granted:
    """Who granted a purpose on a channel."""

    name: str
    purpose: str
    channel: str


@dataclass(frozen=True)
class Value:
    """A column of the result and where it comes from; a count that is absent is 0."""

    column: str
    source: str
    of: str
    zero: bool = False


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
class Node:
    """`all`, `any` or `not` over parts, or `leaf`."""

    kind: Literal["all", "any", "not", "leaf"]
    parts: tuple[Node, ...] = ()
    leaf: Leaf | None = None


@dataclass
class Plan:
    """Everything one segment's query computes."""

    features: list[str] = field(default_factory=list)
    feature_ranks: list[Rank] = field(default_factory=list)
    scores: list[Scores] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    sequences: list[Sequence] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)
    consents: list[Granted] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    root: Node = Node("all")

    @property
    def sources(self) -> list[str]:
        """The subqueries to join to everybody, in order."""
        activity = [*(of.name for of in self.counts), *(of.name for of in self.sequences)]
        states = [*(of.name for of in self.memberships), *(of.name for of in self.consents)]
        return [*(of.name for of in self.scores), *activity, *states]

    @property
    def models(self) -> list[str]:
        """The models whose scores it uses."""
        return [scores.model for scores in self.scores]
