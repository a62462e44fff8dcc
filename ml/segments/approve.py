"""What a person sees of a changed segment, and what becomes of the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ml.errors import ConfigError
from ml.segments.assign import build_segments
from ml.segments.catalogue import load_catalogue
from ml.segments.rules import Rule
from ml.segments.versions import Version, Versions
from ml.segments.versions_pin import other_meanings, restored
from ml.segments.vocabulary import Vocabulary, load_vocabulary
from ml.segments.words import sentence
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

_ANY_TIME = AsOf(datetime.max)  # noqa: DTZ901 - compared with naive UTC, after every run
_CAUSES = {"rule": "the rule changed", "model": "a model changed", "both": "the rule and a model changed"}


def proposals(
    as_of: str, names: Sequence[str] | None = None, warehouse: Warehouse | None = None
) -> list[dict[str, str]]:
    """Return a question for each version that the run at `as_of` left waiting: name, version, subject, body (Markdown).

    The body holds both rules in words, how many enter and leave and why, and some of them.
    """
    at, house = parse_as_of(as_of), warehouse or Warehouse()
    known, versions = load_vocabulary(), Versions(house, at)
    rules = load_catalogue(known=known).rules
    found = [one for name in names or rules for one in versions.of(name) if one.status == "proposed"]
    return [
        {
            "name": one.segment,
            "version": str(one.version),
            "subject": f"Let version {one.version} of {one.segment} in?",
            "body": body(rules[one.segment], one, versions.active(one.segment), known),
        }
        for one in found
        if one.as_of == at.at and one.segment in rules
    ]


def answer(
    name: str, version: str, *, approved: bool, by: str, note: str = "", warehouse: Warehouse | None = None
) -> dict[str, str]:
    """Let a version that waits in, from its own as_of on, or reject it; return name, version and status.

    One that was settled meanwhile stays as it is. Raises `ConfigError` when there is no such version.
    """
    versions = Versions(warehouse or Warehouse(), _ANY_TIME)
    if int(version) not in {one.version for one in versions.of(name)}:
        raise ConfigError(f"{name} has no version {version}; see `audienceflow segments versions {name}`")
    found = versions.decide(name, int(version), approved=approved, by=by, note=note)
    versions.save()
    return {"name": name, "version": version, "status": found.status}


def stored(name: str, warehouse: Warehouse | None = None) -> list[Version]:
    """Return the versions of a segment, the earliest first. Raises `ConfigError` when there is no such segment."""
    found = Versions(warehouse or Warehouse(), _ANY_TIME).of(name)
    if not found:
        _ = load_catalogue()[name]
    return found


def waiting(name: str, warehouse: Warehouse | None = None) -> Version:
    """Return the version of a segment that waits. Raises `ConfigError` when none does."""
    found = [one for one in stored(name, warehouse) if one.status == "proposed"]
    if not found:
        raise ConfigError(f"No version of {name} waits for approval; `audienceflow segments diff {name}` shows changes")
    return found[-1]


def build_approved(
    as_of: str,
    asked: Sequence[dict[str, str]],
    built: list[dict[str, Any]],
    names: Sequence[str] | None = None,
    warehouse: Warehouse | None = None,
) -> list[dict[str, Any]]:
    """Build again when a version of `asked` (see `proposals`) was let in; else return `built`, the build before."""
    house = warehouse or Warehouse()
    versions = Versions(house, parse_as_of(as_of)) if asked else None
    active = {one["name"]: versions.active(one["name"]) for one in asked} if versions else {}
    if any(found and str(found.version) == one["version"] for one in asked if (found := active[one["name"]])):
        return build_segments(as_of, names, house)
    return built


def body(rule: Rule, found: Version, active: Version | None, known: Vocabulary) -> str:
    """Return the question in Markdown."""
    before = active.definition if active else found.definition
    apart = other_meanings(restored(rule, before), restored(rule, found.definition))
    lines = [
        f"**{found.segment}**, version {found.version}: {_CAUSES.get(found.cause, 'it is new')}.",
        f"It waits because {found.reason}.",
        "",
        f"- Now: {_words(rule, before, known)}",
        f"- Then: {_words(rule, found.definition, known)}{apart}",
        f"- Models now: {_models(active.model_versions if active else '{}')}; then: {_models(found.model_versions)}",
        "",
        "| members now | then | enter | leave | moved by the rule | moved by scores |",
        "|---|---|---|---|---|---|",
        "| {} | {} | {} | {} | {} | {} |".format(*_figures(found)),
        "",
        "| customer | change | because of | reason |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(one) for one in json.loads(found.sample))])


def _figures(found: Version) -> tuple[str, ...]:
    by_score = found.entered + found.left_count - found.moved_by_rule
    counts = (found.size_before, found.size, found.entered, found.left_count, found.moved_by_rule, by_score)
    return tuple(f"{count:,}" for count in counts)


def _row(one: dict[str, Any]) -> str:
    came = "enters" if one["change"] == "entered" else "leaves"
    reason = str(one["reason"]).replace("|", "/")
    return (
        f"| {one['customer_key']} | {came} | {one['cause']} | {reason if came == 'enters' else f'was in: {reason}'} |"
    )


def _words(rule: Rule, definition: str, known: Vocabulary) -> str:
    found = restored(rule, definition)
    return sentence(found.condition, known.events) if found else f"a rule that is no longer understood: {definition}"


def _models(versions: str) -> str:
    return ", ".join(f"{name} version {version}" for name, version in json.loads(versions).items()) or "none"
