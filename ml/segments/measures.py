"""The facts that the segments of a run need of each customer: every one is asked for by name and computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ml.features.config import Lifecycle
from ml.segments.clusters import Clustering
from ml.segments.events import ORDERS, EventKind, Stream
from ml.segments.quantities import (
    Check,
    Granted,
    Happened,
    Happening,
    InStage,
    Rank,
    Scores,
    Sequence,
    Source,
    Stage,
    Tallies,
    Tally,
    Value,
    Visits,
    Window,
)
from ml.times import DAY, AsOf

PLACED = Happening(EventKind("order", ORDERS, "placed", "order"))


@dataclass
class Measures:
    """Collects facts; each method returns the fact's column in `run_measured`.

    `scored` says of models when they scored last; others are taken to have scored at `as_of`.
    """

    as_of: AsOf
    scored: Mapping[str, AsOf] = field(default_factory=dict)
    scores_table: str = "customer_scores"
    features: list[str] = field(default_factory=list)
    feature_ranks: list[Rank] = field(default_factory=list)
    scores: dict[tuple[str, AsOf], Scores] = field(default_factory=dict)
    tallies: dict[str, Tallies] = field(default_factory=dict)
    happened: Happened = field(default_factory=Happened)
    sequences: dict[Sequence, str] = field(default_factory=dict)
    visits: dict[tuple[str, Window], Visits] = field(default_factory=dict)
    clusterings: dict[str, Clustering] = field(default_factory=dict)
    consents: dict[Granted, str] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)
    stages: dict[Stage | InStage, str] = field(default_factory=dict)
    values: dict[tuple[Source, Source | None], Value] = field(default_factory=dict)

    @property
    def sources(self) -> list[str]:
        """What is joined to everybody, in order."""
        scores = [of.name for of in self.scores.values()]
        activity = [of.name for made in (self.tallies, self.visits) for of in made.values()]
        profile = ["profiles"] if self.attributes else []
        groups = [f"cluster_{name}" for name in self.clusterings]
        return [*scores, *activity, *self.sequences.values(), *self.consents.values(), *profile, *groups]

    def feature(self, name: str) -> str:
        """A column of `customer_features`."""
        return self._value("everybody", _added(self.features, name))

    def feature_rank(self, name: str, *, descending: bool) -> tuple[str, str]:
        """Everybody's place by a feature, and how many have a value."""
        rank = _added(self.feature_ranks, Rank(name, descending))
        return self._value("everybody", rank.place), self._value("everybody", rank.ranked)

    def attribute(self, name: str) -> str:
        """A column of `customer_profiles`."""
        return self._value("profiles", _added(self.attributes, name))

    def score(self, model: str, column: str, as_of: AsOf) -> str:
        """A column of a model's `customer_scores`."""
        return self._value(self._scores(model, as_of).name, column)

    def score_rank(self, model: str, as_of: AsOf, *, descending: bool) -> tuple[str, str]:
        """The place by score among everybody scored, and how many those are."""
        scores = self._scores(model, as_of)
        rank = _added(scores.ranks, Rank("score", descending))
        return self._value(scores.name, rank.place), self._value(scores.name, rank.ranked)

    def tally(self, tally: Tally) -> str:
        """A number made of events; counts and sums are 0 where there are none."""
        found, after = self.source(tally), tally.window.after
        given = self.source(after) if after else None
        return self._value(found.table, found.column, zero=tally.of in {"count", "sum", "distinct"}, given=given)

    def source(self, tally: Tally) -> Source:
        """Where a tally is found."""
        stream, after = tally.what.kind.stream, tally.window.after
        which = tally.column if tally.of == "distinct" else None
        name = "_".join(["run_tallies", stream.table, *(["since"] if after else []), *([which] if which else [])])
        tallies = self.tallies.setdefault(name, Tallies(name, stream, which))
        if after:
            tallies.anchors.setdefault(after, self.source(after))
        return Source(name, tallies.columns.setdefault(tally, f"tally_{len(tallies.columns) + 1}"))

    def sequence(self, sequence: Sequence) -> tuple[str, str]:
        """How often a sequence was completed, and the second of the last time."""
        if sequence not in self.sequences:
            self.happened.add(sequence)
        name = self.sequences.setdefault(sequence, f"run_sequence_{len(self.sequences) + 1}")
        return self._value(name, "times", zero=True), self._value(name, "latest_epoch")

    def visit(self, stream: Stream, window: Window, column: str) -> str:
        """A property of the last visit in a window."""
        visits = self._visits(stream, window)
        return self._value(visits.name, visits.last.setdefault(column, f"last_{column}"))

    def visits_having(self, stream: Stream, window: Window, check: Check) -> tuple[str, str]:
        """How many visits in a window meet a check, and how many there are."""
        visits = self._visits(stream, window)
        having = visits.having.setdefault(check, f"having_{len(visits.having) + 1}")
        return self._value(visits.name, having, zero=True), self._value(visits.name, "visits", zero=True)

    def stage(self, at: int, bounds: Lifecycle) -> tuple[Stage, str]:
        """The lifecycle stage at a second, and its column."""
        back_from = at - (bounds.active + 1) * DAY + 1
        limits = {name: (days + 1) * DAY for name, days in bounds.model_dump().items()}
        found = Stage(
            at,
            first=self.source(Tally(PLACED, Window(None, at), "earliest")),
            last=self.source(Tally(PLACED, Window(None, at), "latest")),
            before=self.source(Tally(PLACED, Window(None, back_from), "latest")),
            back=self.source(Tally(PLACED, Window(back_from, at), "earliest")),
            **limits,
        )
        return found, self._derived(found)

    def in_stage(self, stage: Stage, names: tuple[str, ...]) -> str:
        """Whether a stage is one of `names`; never missing."""
        return self._derived(InStage(stage, names))

    def cluster(self, name: str, clustering: Clustering) -> str:
        """The cluster whose centre is nearest."""
        clustering = clustering.wordless
        same = (made for made, found in self.clusterings.items() if found == clustering)
        # Two versions of a segment may know a clustering by the same name. No name begins with a digit.
        made = next(same, name if name not in self.clusterings else f"{len(self.clusterings)}_{name}")
        self.clusterings[made] = clustering
        for feature in clustering.features:
            _added(self.features, feature)
        return self._value(f"cluster_{made}", "cluster")

    def consent(self, asked: Granted) -> str:
        """True where a purpose was granted on a channel, else missing."""
        name = self.consents.setdefault(asked, f"consent_{len(self.consents) + 1}")
        return self._value(name, "granted")

    def _derived(self, made: Stage | InStage) -> str:
        return self.stages.setdefault(made, f"stage_{len(self.stages) + 1}")

    def _scores(self, model: str, as_of: AsOf) -> Scores:
        key = (model, as_of)
        return self.scores.setdefault(key, Scores(f"score_{len(self.scores) + 1}", *key))

    def _visits(self, stream: Stream, window: Window) -> Visits:
        key = (stream.table, window)
        return self.visits.setdefault(key, Visits(f"run_visits_{len(self.visits) + 1}", stream, window))

    def _value(self, source: str, of: str, *, zero: bool = False, given: Source | None = None) -> str:
        value = Value(f"fact_{len(self.values) + 1}", Source(source, of), zero, given)
        return self.values.setdefault((value.of, given), value).column


Item = TypeVar("Item")


def _added(items: list[Item], item: Item) -> Item:
    if item not in items:
        items.append(item)
    return item
