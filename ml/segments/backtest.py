"""Prove segments on the past: replay them at dates whose outcome is known, and keep what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ml.errors import ConfigError
from ml.segments.backtest_proof import definition_hash, untested
from ml.segments.backtest_replay import Replay
from ml.segments.backtest_store import keep
from ml.segments.backtest_study import Case, Study, day
from ml.segments.catalogue import Catalogue, load_catalogue
from ml.segments.durations import Duration
from ml.segments.inspect import latest_as_of
from ml.segments.outcomes import outcome_of
from ml.segments.rules import segments_in
from ml.segments.vocabulary import Vocabulary, load_vocabulary
from ml.times import DAY, AsOf, parse_as_of
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    from ml.segments.rules import Rule

log = logging.getLogger(__name__)

_DATES = 6
_MOST_DATES = 400
_NEW_DATES = 2  # of definitions that a run tests by itself: enough to see who comes and goes


def backtest(
    names: Sequence[str],
    *,
    first: str = "",
    last: str = "",
    every: str = "7d",
    against: str = "",
    warehouse: Warehouse | None = None,
) -> list[dict[str, Any]]:
    """Replay segments at past dates; write what came of it to the warehouse, MLflow and a page each.

    Args:
        names: segments.
        first: the earliest date; default: six dates in all.
        last: the latest date, from which the others are counted back; default: the latest whose outcome is known.
        every: time from date to date.
        against: another segment, whose lift over the same base on the same dates is compared.
        warehouse: default: the settings'.

    Returns one dict a segment: its row of `segment_backtest_runs`, `headline`, and under `days` its rows of
    `segment_backtests`.

    Raises:
        ConfigError: an unknown segment, or dates that are none.
        NotEnoughData: no features were ever built.
        RegistryUnavailable: MLflow does not answer.
    """
    house = warehouse or Warehouse()
    past = _past(house, latest_as_of(house))
    cases = [past.case(name, past.catalogue[against].name if against else "") for name in dict.fromkeys(names)]
    return past.prove([(case, past.dates(case, first, last, _step(every))) for case in cases])


def backtest_new(
    as_of: str, names: Sequence[str] | None = None, warehouse: Warehouse | None = None
) -> list[dict[str, str]]:
    """Backtest definitions (all, or those of `names`) that never were, on the last two dates a horizon apart.

    Those whose files say why they need not be, and those that have expired, are left out. Returns one dict a segment:
    name, headline and report.
    """
    past = _past(warehouse or Warehouse(), parse_as_of(as_of))
    rules = [
        past.catalogue.rules[name] for name in past.catalogue.segments if name in (names or past.catalogue.segments)
    ]
    live = (rule for rule in rules if not rule.segment.is_expired(past.until))
    cases = [past.case(rule.name) for rule in live if untested(rule, past.warehouse)]
    found = past.prove([(case, past.latest(case)) for case in cases])
    return [{"name": one["segment"], "headline": one["headline"], "report": one["report_path"]} for one in found]


def _step(every: str) -> Duration:
    try:
        return Duration(every)
    except ValidationError as error:
        raise ConfigError(f"--every: {error.errors()[0]['msg']}") from error


def _past(house: Warehouse, until: AsOf) -> _Past:
    known = load_vocabulary()
    return _Past(house, known, load_catalogue(known=known), until)


@dataclass(frozen=True)
class _Past:
    """The past as it is known at `until`."""

    warehouse: Warehouse
    known: Vocabulary
    catalogue: Catalogue
    until: AsOf

    def case(self, name: str, against: str = "") -> Case:
        """Return what is to be proven. Raises `ConfigError` for an unknown segment."""
        from ml.models.spec import load_specs

        rule = self.catalogue.rules[self.catalogue[name].name]
        return Case(rule, definition_hash(rule), outcome_of(rule, load_specs()), against)

    def dates(self, case: Case, first: str, last: str, step: Duration) -> tuple[AsOf, ...]:
        """Return the dates asked for, the earliest first. Raises `ConfigError` when there are none."""
        days = step.seconds / DAY
        end = parse_as_of(last) if last else self.until.minus(case.outcome.horizon.seconds / DAY)
        begin = parse_as_of(first) if first else end.minus(days * (_DATES - 1))
        count = (end.epoch - begin.epoch) // step.seconds + 1
        if not 0 < count <= _MOST_DATES or end > self.until:
            raise ConfigError(
                f"{case.name}: {max(count, 0)} dates from {begin} to {end}: begin before the end, end no later than "
                f"the data ({self.until}), and take {_MOST_DATES} dates at most"
            )
        return tuple(end.minus(days * back) for back in reversed(range(count)))

    def latest(self, case: Case) -> tuple[AsOf, ...]:
        """Return the last dates whose outcome is known, its horizon apart, so that their windows do not overlap."""
        days = case.outcome.horizon.seconds / DAY
        return tuple(self.until.minus(days * back) for back in range(_NEW_DATES, 0, -1))

    def prove(self, asked: Sequence[tuple[Case, tuple[AsOf, ...]]]) -> list[dict[str, Any]]:
        """Replay and keep each case, those of the same dates together."""
        groups: dict[tuple[AsOf, ...], list[Case]] = {}
        for case, dates in asked:
            groups.setdefault(dates, []).append(case)
        with self.warehouse.held():
            studies = [study for dates, cases in groups.items() for study in self._studies(cases, dates)]
            found = keep(studies, self.known, self.warehouse)
        for one in found:
            log.info("%s: %s", one["segment"], one["headline"])
        return found

    def _studies(self, cases: Sequence[Case], dates: Sequence[AsOf]) -> Iterable[Study]:
        replay = Replay(self.warehouse, self.known, self.until, *self._rules(cases))
        moments = replay.run(dates)
        days = [[day(case, moment, self.until, self.warehouse) for case in cases] for moment in moments]
        apart = (dates[1].epoch - dates[0].epoch) / DAY if len(dates) > 1 else 1.0
        return [Study(case, tuple(found), apart) for case, found in zip(cases, zip(*days, strict=True), strict=True)]

    def _rules(self, cases: Sequence[Case]) -> tuple[list[Rule], set[str]]:
        """Return every rule in the order of evaluation, and which of them the cases need."""
        bases = [case.base for case in cases if case.base]
        names = [name for case in cases for name in (case.name, case.against) if name]
        names += [name for base in bases for name in segments_in([base.segment.who])]
        wanted = {rule.name for rule in [*self.catalogue.needed(*names), *bases]}
        return [*self.catalogue.rules.values(), *bases], wanted
