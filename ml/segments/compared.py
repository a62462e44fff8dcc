"""Compare a segment's file with its active version at a point in time; nothing is stored."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ml.segments.catalogue import load_catalogue
from ml.segments.evaluate import Evaluator
from ml.segments.inspect import latest_as_of
from ml.segments.language import Guard
from ml.segments.rules import Rule
from ml.segments.versions import Version, Versions
from ml.segments.versions_diff import Diff, difference
from ml.segments.versions_pin import definition, named, other_meanings, restored
from ml.segments.vocabulary import Vocabulary, load_vocabulary
from ml.segments.words import sentence
from ml.times import parse_as_of
from ml.warehouse import Warehouse


def compared(name: str, as_of: str | None = None, warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Return who would enter and leave if the file took the place of the active version.

    Returns name, as_of, version (0: none is active), now and then (the rules in words), size_before, size, entered,
    left, moved_by_rule, exceeds (what of the guard; empty text), sample, and text that says it all. Where a model
    scores by another version than the active one's, who is a member now is what the run before has left.
    """
    house, known = warehouse or Warehouse(), load_vocabulary()
    catalogue = load_catalogue(known=known)
    rules = catalogue.needed(name)
    evaluator = Evaluator(house, parse_as_of(as_of) if as_of else latest_as_of(house), known)
    active, rule = Versions(house, evaluator.as_of).active(name), rules[-1]
    before = restored(rule, active.definition) if active else None
    now, then, stored = _members(evaluator, rules, before)
    is_other_model = bool(active and before and evaluator.model_versions(before) != active.model_versions)
    baseline = stored if active and (is_other_model or before is None) else now
    by_rule = baseline if before is None else now
    found = difference(then, baseline, by_rule, evaluator.as_of) if active else Diff.first(then.num_rows)
    return _told(rule, before, active, found, known) | {"as_of": str(evaluator.as_of), "sample": _sample(found)}


def _members(evaluator: Evaluator, rules: list[Rule], before: Rule | None) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return customer_key and reason by the active rule, by the file, and of the run before."""
    rule = rules[-1]
    is_changed = before is not None and definition(before) != definition(rule)
    tried = [named(before, f"{rule.name}@active")] if is_changed and before else []
    standing = before or rule
    with evaluator.trial([*rules, *tried, *([standing.bar] if standing.bar else [])]) as batch:
        then = batch.members(rule.name).drop(["degree"])
        now = batch.members(tried[0].name).drop(["degree"]) if tried else then
        stored = batch.unbarred(standing, evaluator.history.previous(rule.name).members)
    return now, then, stored.drop(["entered_at", "degree"])


def _sample(found: Diff) -> list[dict[str, Any]]:
    return found.sample if found.moved.num_rows else []


def _told(rule: Rule, before: Rule | None, active: Version | None, found: Diff, known: Vocabulary) -> dict[str, Any]:
    figures = {"size_before": found.size_before, "size": found.size, "entered": found.entered, "left": found.left}
    broken = found.exceeds(rule.segment.guard or Guard()) if active else ""
    said = {
        "name": rule.name,
        "version": active.version if active else 0,
        "now": sentence(before.condition, known.events) if before else "",
        "then": sentence(rule.condition, known.events) + other_meanings(before, rule),
        **figures,
        "moved_by_rule": found.moved_by_rule,
        "exceeds": broken,
    }
    return {**said, "text": _text(said)}


def _text(said: dict[str, Any]) -> str:
    if not said["version"]:
        return f"{said['name']} was never built: its first version would have {said['size']:,} members."
    by_score = said["entered"] + said["left"] - said["moved_by_rule"]
    ending = f"It would wait for approval: {said['exceeds']}." if said["exceeds"] else "It is within the guard."
    return (
        f"{said['name']}: version {said['version']} has {said['size_before']:,} members, the file {said['size']:,}.\n"
        f"  now   {said['now'] or 'a rule that can no longer be evaluated'}\n  then  {said['then']}\n"
        f"{said['entered']:,} enter and {said['left']:,} leave: {said['moved_by_rule']:,} by the rule, {by_score:,} by "
        f"scores.{f' {ending}' if said['entered'] or said['left'] else ''}"
    )
