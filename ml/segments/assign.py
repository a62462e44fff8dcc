"""Build segments: who is in at `as_of`, since when and why, who came and went, and who is held out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ml.errors import FatalError
from ml.measurement.holdout import Holdouts
from ml.segments.cases import Case, Cases, Chosen, needed_but_failed
from ml.segments.catalogue import Catalogue, load_catalogue
from ml.segments.changes import compare
from ml.segments.evaluate import Batch, Evaluator, count_true
from ml.segments.language import Segment
from ml.segments.store import Built, Store
from ml.segments.versions import Versions
from ml.segments.vocabulary import load_vocabulary
from ml.times import parse_as_of
from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

Made = TypeVar("Made")
_COUNTS = ("size", "entered", "left", "held_out", "suppressed")


def segment_names() -> list[str]:
    """Return the segments that can be built, each after those it refers to."""
    return list(load_catalogue().segments)


def sync_targets() -> list[dict[str, str]]:
    """Return each segment and destination it goes to, in dependency order."""
    segments = load_catalogue().segments.values()
    return [{"segment": one.name, "destination": to} for one in segments for to in one.destinations]


def build_segments(
    as_of: str,
    names: Sequence[str] | None = None,
    warehouse: Warehouse | None = None,
    *,
    accept_changes: bool = False,
) -> list[dict[str, Any]]:
    """Build segments (all, or `names`) at a point in time, in dependency order; running it again changes nothing.

    Returns one dict a segment: name, size, entered, left, held_out, suppressed, status, reason. `suppressed` are
    members outside the holdout without consent. Status: `ready`; `expired` (nobody is a member any more); `halted`
    (outside its limits: built, not to be synced); `untested` (a first version that was not backtested: likewise);
    `failed` and `invalid` (not built; the others are).

    A definition, or a model, that changed takes the place of the active version when the change is within the
    segment's guard, or with `accept_changes`. Otherwise it waits for a person (`ml.segments.approve`): the active
    version goes on, and `reason` says so.

    Raises `ConfigError` for an unknown name, `FatalError` when nothing at all could be built.
    """
    known = load_vocabulary()
    catalogue = load_catalogue(known=known)
    wanted = {catalogue[name].name for name in names or ()} or {*catalogue.segments}
    house, at = warehouse or Warehouse(), parse_as_of(as_of)
    versions = Versions(house, at, accept=accept_changes)
    for problem in catalogue.problems.values():
        log.error("%s", problem)
    built = _Build(Evaluator(house, at, known), catalogue, versions).run(
        [name for name in catalogue.segments if name in wanted]
    )
    if built and all(one["status"] == "failed" for one in built):
        reasons = dict.fromkeys(one["reason"] for one in built)
        raise FatalError(f"No segment could be built at {as_of}: {'; '.join(reasons)}")
    wrong = {} if names else catalogue.problems
    return built + [_outcome(name, "invalid", problem) for name, problem in wrong.items()]


def check_ready(built: Sequence[dict[str, Any]]) -> None:
    """Raise `FatalError` naming every segment of `build_segments` that is neither `ready` nor `expired`, and why."""
    fine = {"ready", "expired"}
    wrong = [f"{one['name']} is {one['status']}: {one['reason']}" for one in built if one["status"] not in fine]
    if wrong:
        raise FatalError("; ".join(wrong))


class _Build:
    """Builds segments in dependency order; what is wrong with one is told and stops only those who name it."""

    def __init__(self, evaluator: Evaluator, catalogue: Catalogue, versions: Versions) -> None:
        self.evaluator, self.catalogue, self.versions = evaluator, catalogue, versions
        self.cases = Cases(evaluator, catalogue, versions)
        self.failed: dict[str, str] = {}

    def run(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return the outcome of each, in the order of `names`."""
        with self.evaluator.warehouse.held():
            cases = dict[str, Case]()
            for name in names:
                case = self._guarded(name, self.cases.case, self.catalogue.rules[name], [*cases])
                if case is not None:
                    cases[name] = case
            built = self._built(cases) if cases else {}
        failed = {name: _outcome(name, "failed", reason) for name, reason in self.failed.items()}
        return [failed.get(name) or built[name] for name in names]

    def _built(self, cases: dict[str, Case]) -> dict[str, dict[str, Any]]:
        house, as_of, built = self.evaluator.warehouse, self.evaluator.as_of, dict[str, dict[str, Any]]()
        holdouts = Holdouts(house, as_of, [*cases])
        store = Store(house, as_of, holdouts, self._note)
        with self.evaluator.batch([rule for case in cases.values() for rule in case.rules]) as batch:
            for name, case in cases.items():
                made = self._guarded(name, self._one, case, batch, holdouts)
                if made is not None:
                    store.add(made)
                    built[name] = _told(made)
        self.versions.save()
        store.flush()
        return built

    def _one(self, case: Case, batch: Batch, holdouts: Holdouts) -> Built:
        needed_but_failed(case, self.failed)
        return _build(self.evaluator, case, self.cases.chosen(case, batch), batch, holdouts)

    def _guarded(self, name: str, step: Callable[..., Made], *given: Any) -> Made | None:
        try:
            return step(*given)
        except FatalError as error:
            self._note(name, error)
            return None

    def _note(self, name: str, error: FatalError) -> None:
        log.warning("segment %s was not built: %s", name, error)
        self.failed[name] = str(error)


def _build(evaluator: Evaluator, case: Case, chosen: Chosen, batch: Batch, holdouts: Holdouts) -> Built:
    segment, before, now = case.file.segment, case.before, chosen.members
    changes = compare(now, before.members, evaluator.as_of.at)
    batch.provide(segment.name, changes, is_first=before.as_of is None)
    held_out = holdouts.of(segment.name, changes.members["customer_key"].combine_chunks(), segment.holdout)
    status, why = _status(segment, chosen, evaluator)
    counts: dict[str, int] = {
        "size": now.num_rows,
        "entered": changes.entered,
        "left_count": changes.left,
        "held_out": count_true(held_out),
        "suppressed": _suppressed(evaluator, segment, now, held_out),
    }
    run: dict[str, Any] = {"definition_hash": chosen.digest, "model_versions": chosen.model_versions}
    run |= {"evaluated_at": chosen.evaluated_at, "previous_as_of": before.as_of, "base_size": evaluator.base}
    log.info("segment %s at %s: %s (%s)", segment.name, evaluator.as_of, counts, status)
    said = "; ".join(text for text in (why, chosen.waits) if text)
    return Built(segment.name, changes, held_out, {**run, **counts, "status": status, "status_reason": said})


def _told(built: Built) -> dict[str, Any]:
    """Return a run as the outcome that callers see."""
    run = built.run
    counts = {name: run["left_count" if name == "left" else name] for name in _COUNTS}
    return _outcome(built.segment, run["status"], run["status_reason"], **counts)


def _outcome(name: str, status: str, reason: str, **counts: int) -> dict[str, Any]:
    return {"name": name, **dict.fromkeys(_COUNTS, 0), **counts, "status": status, "reason": reason}


def _suppressed(evaluator: Evaluator, segment: Segment, members: pa.Table, held_out: pa.Array) -> int:
    treated = members["customer_key"].filter(pc.invert(held_out))
    return len(treated) - count_true(pc.is_in(treated, value_set=evaluator.consenting(segment)))


def _status(segment: Segment, chosen: Chosen, evaluator: Evaluator) -> tuple[str, str]:
    if segment.is_expired(evaluator.as_of):
        return "expired", f"expired on {segment.expires}"
    if chosen.untested:
        return "untested", chosen.untested
    broken = segment.limits.broken(chosen.members.num_rows, evaluator.base)
    return ("halted", broken) if broken else ("ready", "")
