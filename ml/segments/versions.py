"""The versions of segments: which one members are built by, which waits for a person, and what each one changed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa

from ml.segments.language import Guard
from ml.segments.rules import Rule
from ml.segments.versions_diff import Diff
from ml.segments.versions_pin import Cause, Pin, thresholds
from ml.times import AsOf
from ml.warehouse import Warehouse

log = logging.getLogger(__name__)


Status = Literal["proposed", "active", "rejected", "superseded"]


@dataclass(frozen=True)
class Version:
    """One row of `segment_versions`."""

    segment: str
    version: int
    status: Status
    as_of: datetime
    cause: Literal["first"] | Cause
    definition_hash: str
    definition: str
    model_versions: str
    thresholds: str
    size_before: int
    size: int
    entered: int
    left_count: int
    moved_by_rule: int
    sample: str
    reason: str
    proposed_at: datetime
    active_from: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None

    @property
    def pin(self) -> Pin:
        """What it pins."""
        return Pin(self.definition, self.model_versions)


@dataclass(frozen=True)
class Proposal:
    """A rule that is not the active version's, with what it would change."""

    rule: Rule
    pin: Pin
    cause: Literal["first"] | Cause
    diff: Diff


class Versions:
    """The versions of all segments as they stand at `as_of`; what changes is kept until it is saved.

    `accept` lets changes in that are beyond their guard.
    """

    def __init__(self, warehouse: Warehouse, as_of: AsOf, *, accept: bool = False) -> None:
        self._warehouse, self._as_of, self._accept = warehouse, as_of, accept
        self._known = dict[str, dict[int, Version]]()
        self._unsaved = dict[tuple[str, int], Version]()
        names = [field.name for field in fields(Version)]
        for row in warehouse.read_arrow("segment_versions", names, order_by=["segment", "version"]).to_pylist():
            self._known.setdefault(row["segment"], {})[row["version"]] = Version(**row)

    def of(self, segment: str) -> list[Version]:
        """Return a segment's versions, the earliest first."""
        return list(self._known.get(segment, {}).values())

    def active(self, segment: str) -> Version | None:
        """Return the version by which members are built at `as_of`."""
        since = [(one.active_from, one.version, one) for one in self.of(segment) if one.active_from is not None]
        return max((found for found in since if found[0] <= self._as_of.at), default=(None, 0, None))[2]

    def is_past(self, segment: str) -> bool:
        """Whether a later version is known: then the past is built as it was, and nothing is proposed."""
        return any(one.active_from is not None and one.active_from > self._as_of.at for one in self.of(segment))

    def begin(self, rule: Rule, pin: Pin, size: int) -> None:
        """Take a rule as the version from `as_of` on, where none is active: there is nothing to compare it with."""
        known = next((one for one in self.of(rule.name) if one.pin == pin and one.active_from is not None), None)
        if known is None:
            known = self._made(Proposal(rule, pin, "first", Diff.first(size)), "the first version")
            status: Status = "superseded" if self.is_past(rule.name) else "active"
            known = replace(known, status=status, decided_at=known.proposed_at, decided_by="guard")
        self._put(replace(known, active_from=self._as_of.at))

    def weigh(self, proposal: Proposal) -> str:
        """Let a change in, or say why the active version goes on (empty text: it was let in).

        What is beyond the segment's guard waits for a person, who may have answered before.
        """
        rule, diff, active = proposal.rule, proposal.diff, self.active(proposal.rule.name)
        after = active.version if active else 0
        known = next((one for one in self._later(rule.name, after) if one.pin == proposal.pin), None)
        goes_on = f"version {after} goes on"
        if known is not None and known.status == "rejected":
            return f"version {known.version} was rejected by {known.decided_by} ({known.reason}); {goes_on}"
        broken = diff.exceeds(rule.segment.guard or Guard())
        found = self._made(proposal, broken or "within the guard", known)
        if self._accept or not (broken or known):
            by = "guard" if not broken else "accept_changes"
            self._let_in(replace(found, decided_at=_now(), decided_by=by))
            return ""
        self._set_aside(rule.name, ("proposed",), but=found.version, why="another change took its place")
        self._put(found)
        log.warning("segment %s: version %s waits for approval: %s", rule.name, found.version, found.reason)
        return f"version {found.version} waits for approval: {found.reason}; {goes_on}"

    def withdraw(self, segment: str) -> None:
        """Say that file and models are again those of the active version: nothing waits any more."""
        self._set_aside(segment, ("proposed",), why="withdrawn: the file is again as the active version")

    def decide(self, segment: str, version: int, *, approved: bool, by: str, note: str) -> Version:
        """Let a version that waits in from its own as_of on, or reject it; any other stays as it is."""
        found = self._known[segment][version]
        if found.status == "proposed":
            found = replace(found, decided_at=_now(), decided_by=by, reason=note or found.reason)
            found = self._let_in(found) if approved else self._put(replace(found, status="rejected"))
        return found

    def save(self) -> None:
        """Write what changed, in one transaction."""
        if self._unsaved:
            rows = [asdict(one) for one in self._unsaved.values()]
            self._warehouse.write("segment_versions", _table(rows))
            self._unsaved.clear()

    def _later(self, segment: str, than: int) -> Iterable[Version]:
        return (one for one in self.of(segment) if one.version > than and one.status in {"proposed", "rejected"})

    def _let_in(self, found: Version) -> Version:
        self._set_aside(found.segment, ("active", "proposed"), but=found.version)
        return self._put(replace(found, status="active", active_from=found.as_of))

    def _set_aside(self, segment: str, of: tuple[str, ...], but: int = 0, why: str = "") -> None:
        for one in self.of(segment):
            if one.status in of and one.version != but:
                self._put(replace(one, status="superseded", reason=why or one.reason))

    def _made(self, proposal: Proposal, why: str, known: Version | None = None) -> Version:
        rule, pin, diff = proposal.rule, proposal.pin, proposal.diff
        number = known.version if known else max((one.version for one in self.of(rule.name)), default=0) + 1
        return Version(
            segment=rule.name,
            version=number,
            status="proposed",
            as_of=self._as_of.at,
            cause=proposal.cause,
            definition_hash=pin.definition_hash,
            definition=pin.definition,
            model_versions=pin.model_versions,
            thresholds=thresholds(rule),
            size_before=diff.size_before,
            size=diff.size,
            entered=diff.entered,
            left_count=diff.left,
            moved_by_rule=diff.moved_by_rule,
            sample=json.dumps(diff.sample),
            reason=why,
            proposed_at=known.proposed_at if known else _now(),
        )

    def _put(self, found: Version) -> Version:
        if self._known.get(found.segment, {}).get(found.version) != found:
            self._known.setdefault(found.segment, {})[found.version] = found
            self._unsaved[found.segment, found.version] = found
        return found


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _table(rows: list[dict[str, object]]) -> pa.Table:
    times = dict.fromkeys(("as_of", "active_from", "proposed_at", "decided_at"), pa.timestamp("us"))
    columns = {name: pa.array([row[name] for row in rows], times.get(name)) for name in rows[0]}
    return pa.table({**columns, "decided_by": columns["decided_by"].cast(pa.string())})
