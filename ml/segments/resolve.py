"""Check every name in a definition against the vocabulary, before anything is queried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import singledispatch

from ml.config import did_you_mean
from ml.segments.behaviour import NUMBERS, EventCondition, Happened, SequenceCondition, Where
from ml.segments.conditions import AllOf, AnyOf, NotOf, Weighted, WeightOf
from ml.segments.forms import Form, said
from ml.segments.language import Segment
from ml.segments.reading import Place, texts
from ml.segments.standing import (
    AttributeCondition,
    ClusterCondition,
    FeatureCondition,
    ScoreCondition,
    SegmentCondition,
    Valued,
)
from ml.segments.vocabulary import IDENTIFIERS, FeatureKind, Vocabulary

Problem = tuple[Place, str]


def problems(segment: Segment, known: Vocabulary, others: Iterable[str]) -> list[Problem]:
    """Return what `segment` names that does not exist or does not fit, with the place of each."""
    names = list(others)
    found = list(_condition(segment.who, ("who",), known, names))
    for index, condition in enumerate(segment.exclude):
        found += _condition(condition, ("exclude", index), known, names)
    if segment.outcome is not None and segment.outcome.among is not None:
        found += _condition(segment.outcome.among, ("outcome", "among"), known, names)
    if segment.parent is not None:
        found += _unknown(("parent",), "segment", segment.parent, names)
    if known.destinations is not None:
        for index, name in enumerate(segment.destinations):
            found += _unknown(("destinations", index), "destination", name, known.destinations)
    graded = segment.graded if segment.membership == "probability" else None
    if isinstance(graded, ScoreCondition) and known.scores.get(graded.score) == "cents":
        found.append((("membership",), f"{graded.score} predicts cents; a degree needs a probability"))
    return found


def conditions_problems(
    conditions: Iterable[Form], place: Place, known: Vocabulary, others: Iterable[str]
) -> list[Problem]:
    """Return what a list of conditions names that does not exist or does not fit."""
    names = list(others)
    return [
        problem
        for index, condition in enumerate(conditions)
        for problem in _condition(condition, (*place, index), known, names)
    ]


def mentions(segment: Segment) -> dict[str, Place]:
    """Return where a definition names each other segment first."""
    said = segment.model_dump(mode="json", by_alias=True, exclude_none=True, include={"parent", "who", "exclude"})
    found = dict[str, Place]()
    for place, text in texts(said):
        is_ranking = place[-1] == "within" and place[-2] in {"top", "bottom"}
        if place[-1] in {"segment", "parent"} or is_ranking:
            found.setdefault(text, place)
    return found


def cycles(references: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return each cycle among references as its names in order, the first repeated at the end."""
    found: dict[frozenset[str], list[str]] = {}
    for start in references:
        path = _way_back(start, references)
        if path:
            found.setdefault(frozenset(path), path)
    return list(found.values())


def _way_back(start: str, references: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the shortest way from a name along its references back to itself."""
    paths, seen = [[start]], set[str]()
    for path in paths:
        for name in references.get(path[-1], ()):
            if name == start:
                return [*path, start]
            if name not in seen:
                seen.add(name)
                paths.append([*path, name])
    return []


def _unknown(place: Place, what: str, name: str, allowed: Iterable[str]) -> list[Problem]:
    known = set(allowed)
    return [] if name in known else [(place, f"there is no {what} {name!r}{did_you_mean(name, known)}")]


def _condition(condition: Form, place: Place, known: Vocabulary, segments: list[str]) -> Iterator[Problem]:
    match condition:
        case AllOf(all=parts) | AnyOf(any=parts):
            word = "all" if isinstance(condition, AllOf) else "any"
            for index, part in enumerate(parts):
                yield from _condition(part, (*place, word, index), known, segments)
        case NotOf(not_=part):
            yield from _condition(part, (*place, "not"), known, segments)
        case WeightOf(weight=weighted):
            for index, one in enumerate(weighted):
                inner = (*place, "weight", index)
                yield from _condition(one.if_, (*inner, "if"), known, segments) if one.if_ else _leaf(one, inner, known)
        case SegmentCondition(segment=name):
            yield from _unknown((*place, "segment"), "segment", name, segments)
        case _:
            yield from _leaf(condition, place, known)
            yield from _within(condition, place, segments)


def _within(condition: Form, place: Place, segments: list[str]) -> Iterator[Problem]:
    if isinstance(condition, FeatureCondition | ScoreCondition):
        for word in said(condition, "top", "bottom"):
            name = getattr(condition, word).within
            if name is not None:
                yield from _unknown((*place, word, "within"), "segment", name, segments)


@singledispatch
def _leaf(condition: Form, place: Place, known: Vocabulary) -> Iterator[Problem]:  # noqa: ARG001 - the shape of all
    """Check one condition; kinds without a function of their own name nothing."""
    yield from ()


@_leaf.register
def _feature(condition: FeatureCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    name = condition.feature
    if name not in known.features:
        yield from _unknown((*place, "feature"), "feature", name, known.features)
        return
    yield from _valued(condition, name, known.features[name], place)


@_leaf.register
def _attribute(condition: AttributeCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    name, usable = condition.attribute, known.house.attributes
    if name in IDENTIFIERS:
        yield (*place, "attribute"), f"{name} names one person; no segment is about that{did_you_mean(name, usable)}"
    elif name not in known.attributes:
        yield from _unknown((*place, "attribute"), "attribute", name, known.attributes)
    elif name not in usable:
        words = "is personal and not declared usable; whoever answers for privacy adds it to `attributes`"
        yield (*place, "attribute"), f"{name} {words} in config/segmentation.yaml{did_you_mean(name, usable)}"
    else:
        yield from _valued(condition, name, known.attributes[name], place)


def _valued(condition: Valued, name: str, kind: FeatureKind, place: Place) -> Iterator[Problem]:
    given = [value for value in (condition.equals, *(condition.in_ or ())) if value is not None]
    key = "equals" if condition.equals is not None else "in"
    ranked = said(condition, "top", "bottom") if isinstance(condition, FeatureCondition) else []
    numeric = [k for k, _ in condition.bounds] + ranked
    if not kind.is_number and numeric:
        yield (*place, numeric[0]), f"{name} is a category; use equals, in or is_missing"
    for value in given:
        if isinstance(value, str) == kind.is_number:
            yield (*place, key), f"{value!r} is not a {'number' if kind.is_number else 'text'}, but {name} is"
        elif kind.allowed and str(value) not in kind.allowed:
            yield from _unknown((*place, key), f"{name} with the value", str(value), kind.allowed)


@_leaf.register
def _score(condition: ScoreCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    name = condition.score
    if name not in known.scores:
        yield from _unknown((*place, "score"), "model", name, known.scores)
        return
    wrong = {"cents": ("probability", "break_even"), "probability": ("expected_value",)}[known.scores[name]]
    for key in said(condition, *wrong):
        right = {"cents": "expected_value", "probability": "probability, break_even"}[known.scores[name]]
        yield (*place, key), f"{name} predicts {known.scores[name]}; use {right}, percentile, top or bottom"
    if condition.rank is not None and name not in known.offers:
        yield (*place, "rank"), f"{name} is no offer{did_you_mean(name, known.offers)}"


@_leaf.register
def _cluster(condition: ClusterCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    name = condition.cluster
    yield from _unknown((*place, "cluster"), "clustering", name, known.clusterings)
    for cluster in condition.in_ if name in known.clusterings else ():
        yield from _unknown((*place, "in"), f"cluster of {name}", cluster, known.clusterings[name].centres)


@_leaf.register
def _graded(part: Weighted, place: Place, known: Vocabulary) -> Iterator[Problem]:
    name = str(part.score)
    if name not in known.scores:
        yield from _unknown((*place, "score"), "model", name, known.scores)
    elif known.scores[name] == "cents":
        words = "points are for probabilities; give points for a condition on it (if:)"
        yield (*place, "score"), f"{name} predicts cents; {words}"


@_leaf.register
def _event(condition: EventCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    yield from _happened(condition, place, known)
    if condition.since is not None:
        yield from _happened(condition.since, (*place, "since"), known)
    for key in said(condition, "sum", "distinct"):
        name = getattr(condition, key)
        yield from _property(condition, name, (*place, key), known)
        if key == "sum" and name not in NUMBERS:
            yield (*place, key), f"{name} is no amount: sum one of {', '.join(NUMBERS)}, or count values with distinct"


@_leaf.register
def _sequence(condition: SequenceCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    parts: list[tuple[Happened, Place]] = [
        (step, (*place, "sequence", index)) for index, step in enumerate(condition.sequence)
    ]
    parts += [(condition.then_not, (*place, "then_not"))] if condition.then_not else []
    for part, where in parts:
        yield from _happened(part, where, known)
        for name in condition.same or ():
            yield from _property(part, name, (*place, "same"), known)
    for name in condition.same or ():
        if name in NUMBERS:
            yield (*place, "same"), f"{name} is an amount; steps share a property such as product or category"


def _happened(found: Happened, place: Place, known: Vocabulary) -> Iterator[Problem]:
    if found.event not in known.events:
        yield from _unknown((*place, "event"), "event", found.event, known.events)
    elif found.where is not None:
        for name in said(found.where, *Where.keys()):
            yield from _property(found, name, (*place, "where", name), known)


def _property(found: Happened, name: str, place: Place, known: Vocabulary) -> Iterator[Problem]:
    kind = known.events.get(found.event)
    if kind and name not in kind.stream.properties:
        yield place, f"{kind.name} has no {name}{did_you_mean(name, kind.stream.properties)}"
