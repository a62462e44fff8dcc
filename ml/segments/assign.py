"""Build segments: who is in at `as_of`, since when and why, who came and went, and who is held out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.errors import FatalError
from ml.measurement.holdout import assign_holdout
from ml.segments.catalogue import Catalogue, load_catalogue
from ml.segments.changes import Changes, compare
from ml.segments.evaluate import Evaluator, count_true
from ml.segments.language import PERIOD_DAYS, Limits, Segment
from ml.segments.vocabulary import load_vocabulary
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

_COUNTS = ("size", "entered", "left", "held_out", "suppressed")


def segment_names() -> list[str]:
    """Return the segments that can be built, each after those it refers to."""
    return list(load_catalogue().segments)


def sync_targets() -> list[dict[str, str]]:
    """Return each segment and destination it goes to, in dependency order."""
    segments = load_catalogue().segments.values()
    return [{"segment": one.name, "destination": to} for one in segments for to in one.destinations]


def build_segments(
    as_of: str, names: Sequence[str] | None = None, warehouse: Warehouse | None = None
) -> list[dict[str, Any]]:
    """Build segments (all, or `names`) at a point in time, in dependency order; running it again changes nothing.

    Returns one dict a segment: name, size, entered, left, held_out, suppressed, status, reason. `suppressed` are
    members outside the holdout without consent. Status: `ready`; `halted` (outside its limits: built, not
    to be synced); `failed` and `invalid` (not built; the others are). Raises `ConfigError` for an unknown name,
    `FatalError` when nothing at all could be built.
    """
    known = load_vocabulary()
    catalogue = load_catalogue(known=known)
    wanted = {catalogue[name].name for name in names or ()} or {*catalogue.segments}
    evaluator = Evaluator(warehouse or Warehouse(), parse_as_of(as_of), known)
    for problem in catalogue.problems.values():
        log.error("%s", problem)
    built = [_guarded(evaluator, catalogue, one) for one in catalogue.segments.values() if one.name in wanted]
    if built and all(one["status"] == "failed" for one in built):
        raise FatalError(f"No segment could be built at {as_of}: " + "; ".join(one["reason"] for one in built))
    wrong = {} if names else catalogue.problems
    return built + [_outcome(name, "invalid", problem) for name, problem in wrong.items()]


def check_ready(built: Sequence[dict[str, Any]]) -> None:
    """Raise `FatalError` naming every segment of `build_segments` that is not `ready`, and why."""
    wrong = [f"{one['name']} is {one['status']}: {one['reason']}" for one in built if one["status"] != "ready"]
    if wrong:
        raise FatalError("; ".join(wrong))


def _guarded(evaluator: Evaluator, catalogue: Catalogue, segment: Segment) -> dict[str, Any]:
    """Build one segment; what is wrong with it is told and does not stop the others."""
    try:
        return _build(evaluator, catalogue, segment)
    except FatalError as error:
        log.warning("segment %s was not built: %s", segment.name, error)
        return _outcome(segment.name, "failed", str(error))


def _outcome(name: str, status: str, reason: str, **counts: int) -> dict[str, Any]:
    return {"name": name, **dict.fromkeys(_COUNTS, 0), **counts, "status": status, "reason": reason}


@dataclass(frozen=True)
class _Previous:
    """The latest run of a segment before this `as_of`."""

    as_of: datetime | None
    evaluated_at: datetime | None
    definition_hash: str
    model_versions: str
    members: pa.Table


def _build(evaluator: Evaluator, catalogue: Catalogue, segment: Segment) -> dict[str, Any]:
    before = _previous(evaluator, segment)
    digest = segment.digest(catalogue.segments)
    stands = _stands(before, segment, digest, evaluator.as_of)
    versions = before.model_versions if stands else evaluator.model_versions(segment)
    now = before.members.select(["customer_key", "reason"]) if stands else evaluator.members(segment)
    changes = compare(now, before.members, evaluator.as_of.at)
    held_out = _hold_out(evaluator, segment, changes)
    status, why = _status(segment.limits, now.num_rows, evaluator.base)
    counts: dict[str, int] = {
        "size": now.num_rows,
        "entered": changes.entered,
        "left": changes.left,
        "held_out": count_true(held_out),
        "suppressed": _suppressed(evaluator, segment, now, held_out),
    }
    run: dict[str, Any] = {"definition_hash": digest, "model_versions": versions, "previous_as_of": before.as_of}
    run |= {"evaluated_at": before.evaluated_at if stands else evaluator.as_of.at}
    run |= {"base_size": evaluator.base, "status": status, "status_reason": why}
    _write(evaluator, segment, changes, held_out, {**run, **counts})
    log.info("segment %s at %s: %s (%s)", segment.name, evaluator.as_of, counts, status)
    return _outcome(segment.name, status, why, **counts)


def _previous(evaluator: Evaluator, segment: Segment) -> _Previous:
    house, columns = evaluator.warehouse, ["as_of", "evaluated_at", "definition_hash", "model_versions"]
    runs = house.read_arrow(
        "segment_runs",
        columns,
        where={"segment": segment.name, "as_of": ("<", evaluator.as_of)},
        order_by=["as_of"],
    ).to_pylist()
    last = runs[-1] if runs else {**dict.fromkeys(columns), "definition_hash": "", "model_versions": "{}"}
    where = {"segment": segment.name, "as_of": last["as_of"]}
    kept = ["customer_key", "reason", "entered_at"]
    return _Previous(**last, members=house.read_arrow("segment_members", kept, where, ["customer_key"]))


def _stands(before: _Previous, segment: Segment, digest: str, as_of: AsOf) -> bool:
    """Whether the run before is still good: the definition is the same and its refresh is not due."""
    if before.evaluated_at is None or before.definition_hash != digest or segment.refresh == "daily":
        return False
    # An hour's grace: a week in local time is an hour short once a year.
    return as_of.at < before.evaluated_at + timedelta(days=PERIOD_DAYS[segment.refresh], hours=-1)


def _hold_out(evaluator: Evaluator, segment: Segment, changes: Changes) -> pa.Array:
    keys = changes.members["customer_key"].combine_chunks()
    return assign_holdout(evaluator.warehouse, segment.name, keys, segment.holdout, evaluator.as_of)


def _suppressed(evaluator: Evaluator, segment: Segment, members: pa.Table, held_out: pa.Array) -> int:
    treated = members["customer_key"].filter(pc.invert(held_out))
    return len(treated) - count_true(pc.is_in(treated, value_set=evaluator.consenting(segment)))


def _status(limits: Limits, size: int, base: int) -> tuple[str, str]:
    if size < limits.minimum_size:
        return "halted", f"{size:,} members, fewer than minimum_size {limits.minimum_size:,}"
    if limits.maximum_size is not None and size > limits.maximum_size:
        return "halted", f"{size:,} members, more than maximum_size {limits.maximum_size:,}"
    if limits.maximum_share is not None and size > limits.maximum_share * base:
        return "halted", f"{size:,} of {base:,} customers, more than maximum_share {limits.maximum_share:g}"
    return "ready", ""


def _write(evaluator: Evaluator, segment: Segment, changes: Changes, held_out: pa.Array, run: dict[str, Any]) -> None:
    """Write members, then changes, then the run: its row says that the others are complete."""
    house, part = evaluator.warehouse, {"segment": segment.name, "as_of": evaluator.as_of}
    house.write("segment_members", changes.members.append_column("is_holdout", held_out), part)
    previous = pa.repeat(pa.scalar(run["previous_as_of"], pa.timestamp("us")), changes.moved.num_rows)
    house.write("segment_changes", changes.moved.append_column("previous_as_of", previous), part)
    run = {("left_count" if key == "left" else key): value for key, value in run.items()}
    house.write("segment_runs", pa.Table.from_pylist([run]), part)
