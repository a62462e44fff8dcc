"""Rankings without a crowd: `top` and `bottom` of a made-up customer, from the place that its journey gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ml.errors import ConfigError
from ml.segments.conditions import AllOf, AnyOf, NotOf, WeightOf, leaves
from ml.segments.forms import Form, Portion, Unit
from ml.segments.rules import Rule
from ml.segments.standing import FeatureCondition, ScoreCondition, SegmentCondition
from ml.segments.vocabulary import Vocabulary

_PLACE = "place_by_"
_DECIMALS = 9
_SUBJECT = {"feature", "score", "max_age", "stale"}


def place_of(name: str) -> str:
    """Return the score that stands for the place by a feature or a model."""
    return f"{_PLACE}{name}"


def placed(rule: Rule) -> Rule:
    """Return a rule that asks for given places where it ranks everybody; it never expires and carries no degree.

    Raises `ConfigError` where it takes a number of customers, among whom one alone cannot be placed.
    """
    changed: dict[str, Any] = {
        "who": _placed(rule.segment.who, rule.name),
        "exclude": tuple(_placed(one, rule.name) for one in rule.segment.exclude),
        "expires": None,
        "membership": "rule",
    }
    everywhere = tuple(_placed(one, rule.name) for one in rule.everywhere)
    return replace(rule, segment=rule.segment.model_copy(update=changed), everywhere=everywhere)


def ranked(rule: Rule) -> list[str]:
    """Return the features and models by which a rule ranks everybody."""
    found = [leaf for leaf in leaves(rule.condition) if isinstance(leaf, FeatureCondition | ScoreCondition)]
    asked = (leaf for leaf in found if leaf.top or leaf.bottom or _percentile(leaf))
    return sorted({_name(leaf) for leaf in asked})


def with_places(known: Vocabulary, names: Iterable[str]) -> Vocabulary:
    """Return the vocabulary with the scores that stand for places."""
    return replace(known, scores={**known.scores, **{place_of(name): "probability" for name in names}})


def _placed(condition: Form, segment: str) -> Form:
    match condition:
        case AllOf(all=parts):
            return AllOf(all=tuple(_placed(part, segment) for part in parts))
        case AnyOf(any=parts):
            return AnyOf(any=tuple(_placed(part, segment) for part in parts))
        case NotOf(not_=part):
            return NotOf(not_=_placed(part, segment))
        case WeightOf(weight=lines):
            ifs = [_placed(line.if_, segment) if line.if_ else None for line in lines]
            earned = [line.model_copy(update={"if_": one}) for line, one in zip(lines, ifs, strict=True)]
            return condition.model_copy(update={"weight": tuple(earned)})
        case FeatureCondition() | ScoreCondition():
            return _split(condition, segment)
    return condition


def _split(condition: FeatureCondition | ScoreCondition, segment: str) -> Form:
    """Return a condition with its rankings as conditions of their own on the given place."""
    rankings = [(one, is_top) for one, is_top in ((condition.top, True), (condition.bottom, False)) if one]
    if not rankings:
        return condition
    rest = condition.model_copy(update={"top": None, "bottom": None})
    asked = rest.model_dump(exclude_none=True, exclude=_SUBJECT)
    parts = [part for one, is_top in rankings for part in _ranking(_name(condition), one, segment, is_top=is_top)]
    return AllOf(all=(*([rest] if asked else []), *parts))


def _ranking(name: str, portion: Portion, segment: str, *, is_top: bool) -> list[Form]:
    if portion.share is None:
        words = f"takes {portion.count} customers by {name}, among whom one alone has no place; simulate needs a share"
        raise ConfigError(f"Segment {segment} {words}")
    bound = {"at_least": round(1 - portion.share, _DECIMALS)} if is_top else {"below": portion.share}
    within = [SegmentCondition(segment=portion.within)] if portion.within else []
    return [*within, ScoreCondition(score=place_of(name), percentile=Unit(**bound))]


def _name(condition: FeatureCondition | ScoreCondition) -> str:
    return condition.feature if isinstance(condition, FeatureCondition) else condition.score


def _percentile(condition: FeatureCondition | ScoreCondition) -> bool:
    return isinstance(condition, ScoreCondition) and condition.percentile is not None
