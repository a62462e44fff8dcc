"""What a run must compute: facts of customers, each once for all segments of the run, and what each rule asks of them.

The SQL itself is in `sql/6_segments/queries`; these are its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ml.segments.events import EventKind, Stream
from ml.segments.forms import Form
from ml.times import AsOf


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
    tests: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Rank:
    """A ranking of a column; `place` is 1 for the first, `ranked` is how many have a value."""

    column: str
    descending: bool

    @property
    def place(self) -> str:
        """The column of the place."""
        return f"{self.column}_{'top' if self.descending else 'bottom'}_place"

    @property
    def ranked(self) -> str:
        """The column of how many are ranked."""
        return f"{self.column}_{'top' if self.descending else 'bottom'}_ranked"


@dataclass(frozen=True)
class ShareOf:
    """A share in millionths of how many have a value (the column `ranked`)."""

    millionths: int
    ranked: str


@dataclass
class Scores:
    """One model's scores at one point in time."""

    name: str
    model: str
    as_of: AsOf
    ranks: list[Rank] = field(default_factory=list)


@dataclass(frozen=True)
class Tally:
    """One number a customer from the events of one kind in a window."""

    what: Happening
    window: Window


@dataclass
class Tallies:
    """All tallies over one stream, taken in one scan."""

    name: str
    stream: Stream
    columns: dict[Tally, str] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The values of the stream's kind that any tally needs."""
        return tuple(sorted({tally.what.kind.value for tally in self.columns}))

    @property
    def window(self) -> Window:
        """The window that holds every tally's."""
        return spanning([tally.window for tally in self.columns])


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

    steps: tuple[SequenceStep, ...]
    closing: Happening | None
    silence: int
    window: Window
    now: int

    @property
    def happenings(self) -> tuple[Happening, ...]:
        """What it looks at."""
        steps = tuple(step.what for step in self.steps)
        return (*steps, self.closing) if self.closing else steps

    @property
    def ends(self) -> int:
        """Where the last event that matters lies, excluded."""
        return min(self.window.end + self.silence, self.now)


@dataclass
class Happened:
    """The events that any sequence of the run looks at, each with a flag for what it is."""

    flags: dict[Happening, str] = field(default_factory=dict)
    windows: dict[str, list[Window]] = field(default_factory=dict)

    def add(self, sequence: Sequence) -> None:
        """Look at what a sequence looks at, as far back and forth as it does."""
        for what in sequence.happenings:
            self.flags.setdefault(what, f"is_{len(self.flags) + 1}")
            self.windows.setdefault(what.kind.stream.table, []).append(Window(sequence.window.start, sequence.ends))

    @property
    def streams(self) -> list[tuple[Stream, tuple[str, ...], Window]]:
        """Each stream it needs, with the kinds and the window."""
        found: dict[str, tuple[Stream, set[str]]] = {}
        for what in self.flags:
            found.setdefault(what.kind.stream.table, (what.kind.stream, set()))[1].add(what.kind.value)
        return [
            (stream, tuple(sorted(kinds)), spanning(self.windows[table])) for table, (stream, kinds) in found.items()
        ]


@dataclass(frozen=True)
class Granted:
    """Who granted a purpose on a channel."""

    purpose: str
    channel: str


@dataclass(frozen=True)
class Value:
    """A column of a result and where it comes from; a count that is absent is 0."""

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
    """What one rule asks of what was measured, and of the members of other segments."""

    values: list[Value] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    memberships: dict[str, str] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    root: Node = Node("all")


def spanning(windows: list[Window]) -> Window:
    """Return the window that holds all of them."""
    starts = [window.start for window in windows]
    known = [start for start in starts if start is not None]
    return Window(min(known) if len(known) == len(starts) else None, max(window.end for window in windows))
