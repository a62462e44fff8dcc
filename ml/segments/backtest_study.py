"""What the replayed dates say of one segment: size, coming and going, company, and how often its outcome came true."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from ml.segments.backtest_measures import Date, Gain, Measured, compare, measure
from ml.segments.backtest_outcomes import look_up
from ml.segments.guards import exceeded
from ml.segments.language import Guard, Segment
from ml.segments.rules import Rule
from ml.settings import settings
from ml.times import DAY, AsOf
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    from ml.segments.backtest_replay import Moment, Replayed
    from ml.segments.outcomes import Outcome

Status = Literal["measured", "open", "not known"]


@dataclass(frozen=True)
class Case:
    """What is to be proven: a segment's rule with its hash, its outcome, and the segment that it is compared with."""

    rule: Rule
    digest: str
    outcome: Outcome
    against: str = ""

    @property
    def name(self) -> str:
        """The segment's name."""
        return self.rule.name

    @cached_property
    def base(self) -> Rule | None:
        """The customers of whom the outcome is asked, as a rule of its own; None for everybody."""
        if self.outcome.among is None:
            return None
        alone = {"parent": None, "exclude": (), "exclusive_group": None, "priority": None, "membership": "rule"}
        whom = {"name": f"base of {self.name}", "who": self.outcome.among, "expires": None, **alone}
        return Rule(self.rule.segment.model_copy(update=whom))


@dataclass(frozen=True)
class Company:
    """Another segment on the same date: members that both have, as a share of this one's and of both (Jaccard)."""

    shared: int
    share: float
    jaccard: float


@dataclass(frozen=True)
class Money:
    """Cents of the asked members: spent in the horizon before and after, and the money in the outcome."""

    before: int
    after: int
    outcome: int


@dataclass(frozen=True, eq=False)
class Day:
    """A segment at one date. What became of its members is only known when `status` is measured."""

    as_of: AsOf
    status: Status
    reason: str = ""
    size: int | None = None
    base: int | None = None
    previous: AsOf | None = None
    entered: int | None = None
    left: int | None = None
    stayed: float | None = None
    model_versions: str = "{}"
    warning: str = ""
    company: Mapping[str, Company] = field(default_factory=dict)
    date: Date | None = None
    measured: Measured | None = None
    money: Money | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """A segment over all of its dates."""

    case: Case
    days: tuple[Day, ...]
    every_days: float

    @property
    def known(self) -> list[Day]:
        """The dates on which its members are known."""
        return [day for day in self.days if day.size is not None]

    @property
    def told(self) -> list[Day]:
        """The dates on which its outcome is known as well."""
        return [day for day in self.days if day.measured is not None]

    @cached_property
    def measured(self) -> Measured | None:
        """All dates together."""
        dates = [day.date for day in self.told if day.date]
        return measure(dates, settings().seed) if dates else None

    @cached_property
    def gain(self) -> Gain | None:
        """The comparison with another segment, if one was asked for."""
        dates = [day.date for day in self.told if day.date and day.date.others is not None]
        return compare(dates, settings().seed) if dates else None


def day(case: Case, moment: Moment, until: AsOf, warehouse: Warehouse) -> Day:
    """Return what one replayed date says of a segment."""
    missing = [rule.name for rule in (case.rule, case.base) if rule and rule.name in moment.refused]
    if missing:
        return Day(moment.as_of, "not known", moment.refused[missing[0]], base=moment.base)
    found, segment = moment.replayed[case.name], case.rule.segment
    size, before = found.changes.members.num_rows, found.previous.members.num_rows if found.previous else None
    shown = {
        "size": size,
        "base": moment.base,
        "previous": AsOf(found.previous.as_of) if found.previous and found.previous.as_of else None,
        "entered": found.changes.entered if before is not None else None,
        "left": found.changes.left if before is not None else None,
        "stayed": (before - found.changes.left) / before if before else None,
        "model_versions": found.model_versions,
        "warning": _warning(segment, size, moment.base, found),
        "company": _company(case, moment),
    }
    closes = moment.as_of.plus(case.outcome.horizon.seconds / DAY)
    if closes > until:
        return Day(moment.as_of, "open", f"its outcome is known from {closes} on", **shown)
    return _judged(case, moment, warehouse, shown)


def _judged(case: Case, moment: Moment, warehouse: Warehouse, shown: dict[str, Any]) -> Day:
    among = moment.replayed[case.base.name].keys if case.base else None
    seen = look_up(case.outcome, moment.as_of, warehouse, among)
    other = moment.replayed.get(case.against)
    members = seen.holds(moment.replayed[case.name].keys)
    date = Date(seen, members, seen.holds(other.keys) if other else None)
    money = Money(*(int(cents[members].sum()) for cents in (seen.before, seen.after, seen.cents)))
    return Day(moment.as_of, "measured", date=date, measured=measure([date], settings().seed), money=money, **shown)


def _warning(segment: Segment, size: int, base: int, found: Replayed) -> str:
    """Return which limits and guards would have held the segment up, had it been pushed on every date."""
    counts = {"members": found.previous.members.num_rows, "removes": found.changes.left} if found.previous else {}
    guard = segment.guard or Guard()
    tripped = exceeded(guard, desired=size, who="members", what="the segment", **counts) if counts else ""
    return "; ".join(text for text in (segment.limits.broken(size, base), tripped) if text)


def _company(case: Case, moment: Moment) -> dict[str, Company]:
    """Return the other segments of that date that share members, the most alike first."""
    mine = moment.replayed[case.name].keys
    found = {name: _beside(mine, other.keys) for name, other in _others(case, moment)}
    alike = sorted(found, key=lambda name: (-found[name].jaccard, name))
    return {name: found[name] for name in alike}


def _others(case: Case, moment: Moment) -> Iterable[tuple[str, Replayed]]:
    return ((name, one) for name, one in moment.replayed.items() if name != case.name and " " not in name)


def _beside(mine: pa.ChunkedArray, theirs: pa.ChunkedArray) -> Company:
    shared = len(np.intersect1d(mine.to_numpy(), theirs.to_numpy(), assume_unique=True))
    union = len(mine) + len(theirs) - shared
    return Company(shared, shared / len(mine) if len(mine) else 0.0, shared / union if union else 0.0)


def company_json(company: Mapping[str, Company]) -> str:
    """Return the other segments as a JSON object."""
    return json.dumps({name: [one.shared, round(one.share, 4), round(one.jaccard, 4)] for name, one in company.items()})
