"""The facts that the segments of a run need of each customer: every one is asked for by name and computed once."""

from __future__ import annotations

from dataclasses import dataclass, field

from ml.segments.plan import Granted, Happened, Rank, Scores, Sequence, Tallies, Tally, Value
from ml.times import AsOf


@dataclass
class Measures:
    """Collects facts; each method returns the fact's column in `run_measured`."""

    as_of: AsOf
    features: list[str] = field(default_factory=list)
    feature_ranks: list[Rank] = field(default_factory=list)
    scores: dict[tuple[str, AsOf], Scores] = field(default_factory=dict)
    tallies: dict[str, Tallies] = field(default_factory=dict)
    happened: Happened = field(default_factory=Happened)
    sequences: dict[Sequence, str] = field(default_factory=dict)
    consents: dict[Granted, str] = field(default_factory=dict)
    values: dict[tuple[str, str], Value] = field(default_factory=dict)

    @property
    def sources(self) -> list[str]:
        """What is joined to everybody, in order."""
        activity = [*(of.name for of in self.tallies.values()), *self.sequences.values()]
        return [*(of.name for of in self.scores.values()), *activity, *self.consents.values()]

    def feature(self, name: str) -> str:
        """A column of `customer_features`."""
        if name not in self.features:
            self.features.append(name)
        return self._value("everybody", name)

    def feature_rank(self, name: str, *, descending: bool) -> tuple[str, str]:
        """Everybody's place by a feature, and how many have a value."""
        rank = _added(self.feature_ranks, Rank(name, descending))
        return self._value("everybody", rank.place), self._value("everybody", rank.ranked)

    def score(self, model: str, column: str) -> str:
        """A column of a model's `customer_scores`."""
        return self._value(self._scores(model).name, column)

    def score_rank(self, model: str, *, descending: bool) -> tuple[str, str]:
        """The place by score among everybody scored, and how many those are."""
        scores = self._scores(model)
        rank = _added(scores.ranks, Rank("score", descending))
        return self._value(scores.name, rank.place), self._value(scores.name, rank.ranked)

    def tally(self, tally: Tally) -> str:
        """A number made of events; 0 where there are none."""
        table = tally.what.kind.stream.table
        tallies = self.tallies.setdefault(table, Tallies(f"run_tallies_{table}", tally.what.kind.stream))
        column = tallies.columns.setdefault(tally, f"tally_{len(tallies.columns) + 1}")
        return self._value(tallies.name, column, zero=True)

    def sequence(self, sequence: Sequence) -> tuple[str, str]:
        """How often a sequence was completed, and the second of the last time."""
        if sequence not in self.sequences:
            self.happened.add(sequence)
        name = self.sequences.setdefault(sequence, f"run_sequence_{len(self.sequences) + 1}")
        return self._value(name, "times", zero=True), self._value(name, "latest_epoch")

    def consent(self, asked: Granted) -> str:
        """True where a purpose was granted on a channel, else missing."""
        name = self.consents.setdefault(asked, f"consent_{len(self.consents) + 1}")
        return self._value(name, "granted")

    def _scores(self, model: str) -> Scores:
        key = (model, self.as_of)
        return self.scores.setdefault(key, Scores(f"score_{len(self.scores) + 1}", *key))

    def _value(self, source: str, of: str, *, zero: bool = False) -> str:
        value = Value(f"fact_{len(self.values) + 1}", source, of, zero)
        return self.values.setdefault((source, of), value).column


def _added(ranks: list[Rank], rank: Rank) -> Rank:
    if rank not in ranks:
        ranks.append(rank)
    return rank
