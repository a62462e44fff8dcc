"""What a version of a segment pins: what decides who is in, the versions of its models, and the bounds on them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from ml.segments.forms import Form
from ml.segments.language import Segment
from ml.segments.rules import Rule
from ml.segments.standing import ScoreCondition

Cause = Literal["rule", "model", "both"]
# The rest of a file (consent, limits, holdout, destinations, the place in an exclusive group) holds from the next run
# on: none of it may wait for a person.
_PINNED = ("who", "parent", "exclude", "membership")
_MEANINGS = "meanings"  # beside them: the bounds of stages and the centres of clusters that they name
_NO_BOUNDS = {"score", "max_age", "stale"}


class Pin(NamedTuple):
    """A definition and the model versions it is evaluated with, both as JSON objects."""

    definition: str
    model_versions: str

    @property
    def definition_hash(self) -> str:
        """Equal hashes mean equal definitions."""
        return hashlib.sha256(self.definition.encode()).hexdigest()[:16]


def definition(rule: Rule) -> str:
    """Return what decides who is in, as a JSON object; segments that it names have versions of their own."""
    pinned = {key: said for key, said in _said(rule.segment).items() if key in _PINNED}
    meanings = _meant(rule)
    return json.dumps(pinned | ({_MEANINGS: meanings} if meanings else {}), sort_keys=True)


def restored(rule: Rule, text: str) -> Rule | None:
    """Return a segment's rule with an earlier `definition`; None when the language has no such rule any more."""
    kept = {key: said for key, said in _said(rule.segment).items() if key not in _PINNED}
    pinned = json.loads(text)
    meant = pinned.pop(_MEANINGS, {})
    try:
        segment = Segment.model_validate(kept | pinned)
        return replace(rule, segment=segment, meanings=rule.meanings.restored(meant))
    except ValidationError:
        return None


def other_meanings(one: Rule | None, other: Rule | None) -> str:
    """Return that two rules differ in what no sentence tells: bounds and centres; empty text when they do not."""
    is_other = one is not None and other is not None and _meant(one) != _meant(other)
    return " (the bounds of its stages or the centres of its clusters changed)" if is_other else ""


def named(rule: Rule, name: str) -> Rule:
    """Return the same rule under another name, so that both versions of a segment are evaluated together."""
    return replace(rule, segment=rule.segment.model_copy(update={"name": name}))


def thresholds(rule: Rule) -> str:
    """Return the bounds that a rule sets on each model's scores, as a JSON object of lists."""
    found = dict[str, list[dict[str, Any]]]()
    for leaf in rule.scores:
        hidden = _NO_BOUNDS if isinstance(leaf, ScoreCondition) else {"score"}
        found.setdefault(str(leaf.score), []).append(_dumped(leaf, hidden))
    return json.dumps(found, sort_keys=True)


def _meant(rule: Rule) -> dict[str, Any]:
    return rule.meanings.of([*rule.asked, *rule.segment.exclude]).dump()


def _said(segment: Segment) -> dict[str, Any]:
    return _dumped(segment, set())


def _dumped(form: Form, hidden: set[str]) -> dict[str, Any]:
    return form.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=hidden)
