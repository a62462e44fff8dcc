"""Which version of a segment its members are built by: the active one, or the file where it may take its place."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa

from ml.errors import NotEnoughData
from ml.segments.backtest_proof import untested
from ml.segments.catalogue import Catalogue
from ml.segments.evaluate import Batch, Evaluator, StaleScores
from ml.segments.history import MEMBERS, Previous
from ml.segments.language import PERIOD_DAYS, Segment
from ml.segments.rules import Rule
from ml.segments.versions import Proposal, Version, Versions
from ml.segments.versions_diff import difference
from ml.segments.versions_pin import Cause, Pin, definition, named, restored
from ml.times import AsOf

log = logging.getLogger(__name__)

_RULE, _MODEL = {"rule", "both"}, {"model", "both"}
_NOBODY = MEMBERS.empty_table().drop(["entered_at"])


@dataclass(frozen=True)
class Case:
    """A segment to build: the rule in force, its run before, whether that one still stands, and what would change it.

    `file` is the rule as it is written; `cause` is None while it is the one in force. Once a segment `is_over`, nobody
    is a member and nothing is asked.
    """

    rule: Rule
    file: Rule
    before: Previous
    stands: bool
    active: Version | None
    cause: Cause | None
    is_over: bool = False

    @property
    def rules(self) -> list[Rule]:
        """The rules to evaluate."""
        if self.is_over:
            return []
        changed = [named(self.file, self.tried)] if self.cause in _RULE else []
        bar = self.rule.bar if self.stands or self.cause in _MODEL else None
        return [*([] if self.stands else [self.rule]), *changed, *([bar] if bar else [])]

    @property
    def needs(self) -> set[str]:
        """The segments without which it cannot be built."""
        if self.stands and self.cause is None:
            return {*self.rule.bar.references} if self.rule.bar else set()
        return set() if self.is_over else {*self.rule.references, *self.file.references}

    @property
    def tried(self) -> str:
        """What the file is called while the version in force has the segment's name."""
        return f"{self.rule.name}@file"


@dataclass(frozen=True)
class Chosen:
    """Members (customer_key, reason, degree) with what made them.

    `waits` says which version may not make them yet, `untested` why nobody may be told of them.
    """

    members: pa.Table
    digest: str
    model_versions: str
    evaluated_at: datetime | None
    waits: str = ""
    untested: str = ""


class Cases:
    """Finds the case of each segment, in dependency order, and chooses its members once they are evaluated."""

    def __init__(self, evaluator: Evaluator, catalogue: Catalogue, versions: Versions) -> None:
        self._evaluator, self._versions = evaluator, versions
        self._order = list(catalogue.rules)
        self._rules = dict(catalogue.rules)  # those in force; segments that name others are built by these
        self._unsettled = set[str]()

    def case(self, rule: Rule, provided: list[str]) -> Case:
        """Return how a segment is to be built; `provided` are those built before it in this run."""
        self._evaluator.base  # noqa: B018 - raises when there is nobody
        before, active = self._evaluator.history.previous(rule.name), self._versions.active(rule.name)
        if rule.segment.is_expired(self._evaluator.as_of):
            return Case(rule, rule, before, stands=False, active=active, cause=None, is_over=True)
        current = self._current(rule, active)
        self._rules[rule.name] = current or rule
        stands = self._is_carried(current, rule, before, provided)
        cause = self._cause(rule, current, active, stands=stands)
        if cause in _RULE:
            self._evaluator.check(rule, provided)
        if cause or not self._unsettled.isdisjoint(rule.references):
            self._unsettled.add(rule.name)
        return Case(current or rule, rule, before, stands, active, cause)

    def chosen(self, case: Case, batch: Batch) -> Chosen:
        """Return the members, and let the file's version in where it may take the place of the active one."""
        if case.is_over:
            return Chosen(_NOBODY, case.rule.digest(self._rules), "{}", self._evaluator.as_of.at)
        today = self._kept(case, batch) if case.stands else self._evaluated(case.rule, batch.members(case.rule.name))
        refused = untested(case.file, self._evaluator.warehouse) if case.active is None or case.cause in _RULE else ""
        if case.active is None and refused:
            return replace(today, untested=refused)
        if case.active is None:
            self._versions.begin(case.rule, Pin(definition(case.rule), today.model_versions), today.members.num_rows)
        if case.active is None or case.cause is None:
            return today
        # by the scores of another model nobody is a member yet
        stays = today if case.cause == "rule" else self._kept(case, batch)
        if refused:
            return replace(stays, waits=f"{refused}; version {case.active.version} goes on")
        now = today if case.cause == "model" else self._evaluated(case.file, batch.members(case.tried))
        diff = difference(now.members, stays.members.drop(["degree"]), today.members, self._evaluator.as_of)
        pin = Pin(definition(case.file), now.model_versions)
        waits = self._versions.weigh(Proposal(case.file, pin, case.cause, diff))
        if waits:
            return Chosen(stays.members, stays.digest, stays.model_versions, stays.evaluated_at, waits)
        self._rules[case.rule.name] = case.file
        return self._evaluated(case.file, now.members)

    def _current(self, rule: Rule, active: Version | None) -> Rule | None:
        """Return the rule in force; None when it names segments that are not built before it any more."""
        found = restored(rule, active.definition) if active else rule
        earlier = self._order[: self._order.index(rule.name)]
        return found if found is not None and set(found.references) <= {*earlier} else None

    def _is_carried(self, current: Rule | None, file: Rule, before: Previous, provided: list[str]) -> bool:
        if current is None:
            self._evaluator.check(file, provided, is_carried=True)
            return True
        rule, is_quiet = current, self._unsettled.isdisjoint(current.references)
        stands = is_quiet and _stands(before, rule.segment, rule.digest(self._rules), self._evaluator.as_of)
        try:
            self._evaluator.check(rule, provided, is_carried=stands)
        except StaleScores as error:
            if not error.is_skip or before.as_of is None:
                raise
            self._evaluator.check(rule, provided, is_carried=True)
            log.warning("%s; its members stand as they were at %s", error, before.as_of)
            stands = True
        return stands

    def _cause(self, rule: Rule, current: Rule | None, active: Version | None, *, stands: bool) -> Cause | None:
        if active is None or self._versions.is_past(rule.name):
            return None
        by_rule = definition(rule) != active.definition
        by_model = not stands and self._evaluator.model_versions(current or rule) != active.model_versions
        if not (by_rule or by_model or stands):
            self._versions.withdraw(rule.name)
        if by_rule:
            return "both" if by_model else "rule"
        return "model" if by_model else None

    def _evaluated(self, rule: Rule, members: pa.Table) -> Chosen:
        rules = {**self._rules, rule.name: rule}
        versions = self._evaluator.model_versions(rule)
        return Chosen(members, rule.digest(rules), versions, self._evaluator.as_of.at)

    def _kept(self, case: Case, batch: Batch) -> Chosen:
        before = case.before
        digest = before.definition_hash or case.rule.digest(self._rules)
        # Who is to be left out is left out at once, however long the others stand.
        members = batch.unbarred(case.rule, before.members.drop(["entered_at"]))
        return Chosen(members, digest, before.model_versions, before.evaluated_at or self._evaluator.as_of.at)


def _stands(before: Previous, segment: Segment, digest: str, as_of: AsOf) -> bool:
    """Whether the run before is still good: the definition is the same and its refresh is not due."""
    if before.evaluated_at is None or before.definition_hash != digest or segment.refresh == "daily":
        return False
    # An hour's grace: a week in local time is an hour short once a year.
    return as_of.at < before.evaluated_at + timedelta(days=PERIOD_DAYS[segment.refresh], hours=-1)


def needed_but_failed(case: Case, failed: dict[str, str]) -> None:
    """Raise `NotEnoughData` when a segment that a case names could not be built."""
    broken = sorted(name for name in case.needs if name in failed)
    if broken:
        raise NotEnoughData(f"Segment {case.rule.name}: {broken[0]}, which it names, could not be built")
