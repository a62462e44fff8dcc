"""Check every name in a definition against the vocabulary, before anything is queried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ml.config import did_you_mean
from ml.segments.conditions import (
    AllOf,
    AnyOf,
    Closing,
    EventCondition,
    FeatureCondition,
    NotOf,
    ScoreCondition,
    SegmentCondition,
    SequenceCondition,
    Step,
    Where,
)
from ml.segments.forms import Form, said
from ml.segments.language import Segment
from ml.segments.reading import Place
from ml.segments.vocabulary import Vocabulary

Problem = tuple[Place, str]


def problems(segment: Segment, known: Vocabulary, others: Iterable[str]) -> list[Problem]:
    """Return what `segment` names that does not exist or does not fit, with the place of each."""
    names = list(others)
    found = list(_condition(segment.who, ("who",), known, names))
    if segment.parent is not None:
        found += _unknown(("parent",), "segment", segment.parent, names)
    if known.destinations is not None:
        for index, name in enumerate(segment.destinations):
            found += _unknown(("destinations", index), "destination", name, known.destinations)
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
        case FeatureCondition():
            yield from _feature(condition, place, known)
        case ScoreCondition():
            yield from _score(condition, place, known)
        case EventCondition():
            yield from _event(condition, place, known)
        case SequenceCondition():
            yield from _sequence(condition, place, known)
        case SegmentCondition(segment=name):
            yield from _unknown((*place, "segment"), "segment", name, segments)


def _feature(condition: FeatureCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    name = condition.feature
    if name not in known.features:
        yield from _unknown((*place, "feature"), "feature", name, known.features)
        return
    kind = known.features[name]
    given = [value for value in (condition.equals, *(condition.in_ or ())) if value is not None]
    key = "equals" if condition.equals is not None else "in"
    numeric = [k for k, _ in condition.bounds] + said(condition, "top", "bottom")
    if not kind.is_number and numeric:
        yield (*place, numeric[0]), f"{name} is a category; use equals, in or is_missing"
    for value in given:
        if isinstance(value, str) == kind.is_number:
            yield (*place, key), f"{value!r} is not a {'number' if kind.is_number else 'text'}, but {name} is"
        elif kind.allowed and str(value) not in kind.allowed:
            yield from _unknown((*place, key), f"{name} with the value", str(value), kind.allowed)


def _score(condition: ScoreCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    name = condition.score
    if name not in known.scores:
        yield from _unknown((*place, "score"), "model", name, known.scores)
        return
    wrong = {"cents": ("probability", "break_even"), "probability": ("expected_value",)}[known.scores[name]]
    for key in said(condition, *wrong):
        right = {"cents": "expected_value", "probability": "probability"}[known.scores[name]]
        yield (*place, key), f"{name} predicts {known.scores[name]}; use {right}, percentile, top or bottom"


def _event(found: EventCondition | Step | Closing, place: Place, known: Vocabulary) -> Iterator[Problem]:
    if found.event not in known.events:
        yield from _unknown((*place, "event"), "event", found.event, known.events)
    elif found.where is not None:
        kind = known.events[found.event]
        for name in said(found.where, *Where.keys()):
            if name not in kind.stream.properties:
                near = did_you_mean(name, kind.stream.properties)
                yield (*place, "where", name), f"{kind.name} has no {name}{near}"


def _sequence(condition: SequenceCondition, place: Place, known: Vocabulary) -> Iterator[Problem]:
    for index, step in enumerate(condition.sequence):
        yield from _event(step, (*place, "sequence", index), known)
    if condition.then_not is not None:
        yield from _event(condition.then_not, (*place, "then_not"), known)
