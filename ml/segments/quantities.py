"""What a run must compute: facts of customers, each once for all segments of the run.

The SQL itself is in `sql/6_segments/queries`; these are its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ml.segments.events import EventKind, Stream
from ml.times import AsOf

Of = Literal["count", "sum", "latest", "earliest", "distinct"]


@dataclass(frozen=True)
class Check:
    """A comparison of a column: `operator` is one that `sql/macros/segments.sql` knows."""

    column: str
    operator: str
    value: Any = None


@dataclass(frozen=True)
class Happening:
    """Events of one kind with certain properties."""

    kind: EventKind
    tests: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Window:
    """Seconds since 1970: from `start` (None: from the beginning) up to `end`, which is excluded.

    `after` is the latest event of another kind: only what came later counts, and nothing where there is none.
    """

    start: int | None
    end: int
    after: Tally | None = None


@dataclass(frozen=True)
class Tally:
    """One number a customer from the events of one kind in a window: how many, or something of a property or clock."""

    what: Happening
    window: Window
    of: Of = "count"
    column: str | None = None


@dataclass
class Tallies:
    """Tallies over one stream in one scan; distinct values of a property, and counts since an event, take their own."""

    name: str
    stream: Stream
    distinct: str | None = None
    columns: dict[Tally, str] = field(default_factory=dict)
    anchors: dict[Tally, Source] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The values of the stream's kind that any tally needs."""
        return tuple(sorted({tally.what.kind.value for tally in self.columns}))

    @property
    def window(self) -> Window:
        """The window that holds every tally's."""
        return spanning([tally.window for tally in self.columns])

    def anchor(self, tally: Tally) -> str:
        """The column of the second after which a tally begins."""
        return f"anchor_{[*self.anchors].index(tally) + 1}"


@dataclass(frozen=True)
class SequenceStep:
    """A step: `count` events within `within` seconds, ending at most `no_later_than` after the step before."""

    what: Happening
    count: int
    within: int | None
    no_later_than: int | None


@dataclass(frozen=True)
class Sequence:
    """Steps in a window, and what must not follow the last one within `silence` seconds.

    `links` are properties that all of it shares: each of their values is followed on its own.
    """

    steps: tuple[SequenceStep, ...]
    closing: Happening | None
    silence: int
    window: Window
    now: int
    links: tuple[str, ...] = ()

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
    links: dict[str, str] = field(default_factory=dict)

    def add(self, sequence: Sequence) -> None:
        """Look at what a sequence looks at, as far back and forth as it does."""
        for what in sequence.happenings:
            self.flags.setdefault(what, f"is_{len(self.flags) + 1}")
            self.windows.setdefault(what.kind.stream.table, []).append(Window(sequence.window.start, sequence.ends))
        for link in sequence.links:
            self.links.setdefault(link, f"link_{len(self.links) + 1}")

    @property
    def streams(self) -> list[tuple[Stream, tuple[str, ...], Window]]:
        """Each stream it needs, with the kinds and the window."""
        found: dict[str, tuple[Stream, set[str]]] = {}
        for what in self.flags:
            found.setdefault(what.kind.stream.table, (what.kind.stream, set()))[1].add(what.kind.value)
        return [
            (stream, tuple(sorted(kinds)), spanning(self.windows[table])) for table, (stream, kinds) in found.items()
        ]


@dataclass
class Visits:
    """The visits of a window and what any condition asks of them: the last one's values, or how many have some."""

    name: str
    stream: Stream
    window: Window
    last: dict[str, str] = field(default_factory=dict)
    having: dict[Check, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The properties that are looked at."""
        return list(dict.fromkeys([*self.last, *(check.column for check in self.having)]))


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
class Granted:
    """Who granted a purpose on a channel."""

    purpose: str
    channel: str


@dataclass(frozen=True)
class Source:
    """A column of a table."""

    table: str
    column: str


@dataclass(frozen=True)
class Stage:
    """A customer's stage at a second, from its orders before it; bounds are in seconds, excluded.

    `first` and `last` are orders before `at`; `back` is the first one of its active time and `before` the last one
    ahead of that: who is back after `gap` is reactivated.
    """

    at: int
    new: int
    active: int
    at_risk: int
    dormant: int
    first: Source
    last: Source
    before: Source
    back: Source


@dataclass(frozen=True)
class InStage:
    """Whether a stage is one of several."""

    stage: Stage
    names: tuple[str, ...]


@dataclass(frozen=True)
class Value:
    """A column of a result and where it comes from; what is absent counts as 0 where `zero` says so.

    Where `given` is missing, so is the value.
    """

    column: str
    of: Source
    zero: bool = False
    given: Source | None = None


def spanning(windows: list[Window]) -> Window:
    """Return the window that holds all of them."""
    starts = [window.start for window in windows]
    known = [start for start in starts if start is not None]
    return Window(min(known) if len(known) == len(starts) else None, max(window.end for window in windows))
