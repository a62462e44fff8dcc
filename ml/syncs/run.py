"""One sync from end to end: desired, plan, guard, push, report."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml.errors import AudienceflowError, ConfigError, GuardTripped, RetriableError
from ml.masking import mask
from ml.syncs.audience import Audience, audience
from ml.syncs.desired import Desired, load_desired
from ml.syncs.ledger import Ledger, now
from ml.syncs.plan import Plan, plan_sync
from ml.syncs.push import Push, Tally
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    from ml.segments.language import Guard
    from ml.syncs.platform import Platform

log = logging.getLogger(__name__)


NEW_ACCOUNT = (
    "%s: %s was never told of this audience; the ledger's %s records are another account's and do not count here"
)


class Incomplete(RetriableError):
    """Some records failed; everything else was sent."""


@dataclass
class Report:
    """What one sync planned and what came of it; `error` is why it did not end well."""

    destination: str
    segment: str
    dry_run: bool
    adds: int = 0
    updates: int = 0
    removes: int = 0
    tally: Tally = field(default_factory=Tally)
    suppressed_by: dict[str, int] = field(default_factory=dict)
    status: str = "running"
    error: AudienceflowError | None = None

    def counts(self) -> dict[str, Any]:
        """Return the numbers as JSON-able values."""
        return {
            "destination": self.destination,
            "segment": self.segment,
            "adds": self.adds,
            "updates": self.updates,
            "removes": self.removes,
            "confirmed": self.tally.confirmed,
            "failed": self.tally.failed,
            "terminal": self.tally.terminal,
            "suppressed": sum(self.suppressed_by.values()),
            "suppressed_by": self.suppressed_by,
            "dry_run": self.dry_run,
            "status": self.status,
        }

    def raise_for_error(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.error:
            raise self.error


class Sync:
    """A segment's way to one destination at `as_of`; what goes wrong on the way is in the report it returns."""

    def __init__(self, segment: str, as_of: str | AsOf, destination: str, warehouse: Warehouse | None = None) -> None:
        self.audience = audience(segment, destination)
        self._as_of = parse_as_of(as_of)
        self._warehouse = warehouse or Warehouse()
        self._run_id = uuid.uuid4().hex
        self._started_at = now()

    def run(self, platform: Platform, *, dry_run: bool = False, override_guards: bool = False) -> Report:
        """Plan and, unless it is a dry run, push. The same plan is made either way.

        `override_guards` is for a person who has read why a guard tripped and wants the push all the same.
        """
        report = Report(self.audience.destination, self.audience.segment, dry_run)
        try:
            self._run(platform, report, override_guards=override_guards)
        except AudienceflowError as error:
            report.error, report.status = error, _status(error)
        self._save(report)
        log.info("%s", json.dumps(report.counts()))
        return report

    def _run(self, platform: Platform, report: Report, *, override_guards: bool) -> None:
        with self._warehouse.held():
            desired = load_desired(self._warehouse, self.audience, self._as_of)
        account = _account(platform, needed=not report.dry_run)
        with self._warehouse.held():
            ledger = Ledger(self._warehouse, self.audience, account, self._run_id)
            if account and (elsewhere := ledger.known_elsewhere()):
                log.warning(NEW_ACCOUNT, self.audience, account, f"{elsewhere:,}")
            plan = self._plan(desired, ledger, None if override_guards else self.audience.guard_at(self._as_of))
            _note(report, plan, desired)
            if report.dry_run or plan.is_empty:
                report.status = "planned" if report.dry_run else "done"
                return
            self._save(report)
        self._push(platform, ledger, desired, plan, report)

    def _plan(self, desired: Desired, ledger: Ledger, guard: Guard | None) -> Plan:
        try:
            return plan_sync(desired.contacts, ledger.rows, guard)
        except GuardTripped as error:
            raise GuardTripped(f"{self.audience}: nothing was sent: {error}") from error

    def _push(self, platform: Platform, ledger: Ledger, desired: Desired, plan: Plan, report: Report) -> None:
        list_id = open_audience(platform, self.audience)
        forgotten = ledger.forget_other_lists(list_id)
        if forgotten:
            log.warning("%s: %s members were on a list that is gone; all are sent again", self.audience, forgotten)
            plan = self._plan(desired, ledger, None)
            _note(report, plan, desired)
        push = Push(platform, ledger, self.audience, list_id)
        report.tally = push.tally
        push.run(plan)
        retriable = push.tally.failed - push.tally.terminal
        if retriable:
            raise Incomplete(
                f"{self.audience}: {retriable:,} records did not get through and are tried again in the next run; "
                f"{push.tally.confirmed:,} were confirmed. sync_records of run {self._run_id} says why"
            )
        report.status = "done"

    def _save(self, report: Report) -> None:
        counts = {k: v for k, v in report.counts().items() if k != "suppressed_by"}
        row = {
            **counts,
            "run_id": self._run_id,
            "as_of": self._as_of.at,
            "suppressed_by": json.dumps(report.suppressed_by),
            "error": mask(str(report.error)) if report.error else None,
            "started_at": self._started_at,
            "ended_at": None if report.status == "running" else now(),
        }
        import pyarrow as pa

        self._warehouse.write("sync_runs", pa.Table.from_pylist([row]))


def _account(platform: Platform, *, needed: bool) -> str:
    """Return the platform's account; a plan may be made without a connection, as if nothing was ever sent."""
    try:
        return platform.account
    except ConfigError as error:
        if needed:
            raise
        log.warning("The plan is that of a new account: %s", error)
        return ""


def open_audience(platform: Platform, audience: Audience) -> str:
    """Make sure that the properties and the list exist; returns the list's id."""
    created = platform.ensure_properties([found.spec for found in audience.settings.properties])
    if created:
        log.info("%s: created the properties %s", audience.destination, ", ".join(created))
    return platform.ensure_list(audience.name)


def _note(report: Report, plan: Plan, desired: Desired) -> None:
    report.adds, report.updates, report.removes = len(plan.adds), len(plan.updates), len(plan.removes)
    refused = {"terminal": plan.refused} if plan.refused else {}
    report.suppressed_by = {**desired.suppressed, **refused}


def _status(error: AudienceflowError) -> str:
    if isinstance(error, GuardTripped):
        return "halted"
    return "incomplete" if isinstance(error, Incomplete) else "failed"
