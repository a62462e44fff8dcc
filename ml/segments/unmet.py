"""Values that a definition asks for and that nothing has: a slip of the pen, or what has not happened yet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from pathlib import Path
from typing import NamedTuple

from ml.config import did_you_mean
from ml.features.targets import Target
from ml.segments.behaviour import ContextCondition, EventCondition, Happened, SequenceCondition
from ml.segments.conditions import leaves
from ml.segments.events import LINES, OFFERS, ORDERS, Stream
from ml.segments.forms import Form
from ml.segments.happenings import stream_of
from ml.segments.rules import Rule
from ml.segments.standing import AttributeCondition, Consent, ConsentCondition, FeatureCondition, Valued
from ml.segments.vocabulary import FeatureKind, Vocabulary
from ml.warehouse import Warehouse

_VALUES = Path("6_segments/queries/values_met.sql")
_MANY = 1_000  # more values than this are no list to pick from, such as product ids


class _Asked(NamedTuple):
    """Texts that a column of a table is compared with; `name` is what the definition calls it."""

    table: str
    column: str
    name: str
    values: tuple[str, ...]


def unmet(rule: Rule, known: Vocabulary, warehouse: Warehouse) -> list[str]:
    """Return one note a text that a rule, its consent or its outcome asks for and that no row has."""
    segment = rule.segment
    asked = [*(one for leaf in leaves(rule.condition) for one in _asked(leaf, known)), *_consent(segment.consent)]
    asked += _target(segment.outcome.target) if segment.outcome and segment.outcome.target else []
    return [note for one in dict.fromkeys(asked) for note in _notes(one, warehouse)]


def _notes(asked: _Asked, warehouse: Warehouse) -> Iterator[str]:
    warehouse.create(asked.table)
    rows = warehouse.select_arrow(_VALUES, table=asked.table, column=asked.column)
    met = set(rows["value"].to_pylist())
    for value in asked.values:
        if value not in met:
            near = did_you_mean(value, met) if len(met) <= _MANY else ""
            yield f"no row of {asked.table} has {value!r} as {asked.name}{near}"


@singledispatch
def _asked(condition: Form, known: Vocabulary) -> Iterator[_Asked]:  # noqa: ARG001 - the shape of all
    """Yield what a condition compares with texts; kinds without a function of their own compare none."""
    yield from ()


@_asked.register
def _event(condition: EventCondition, known: Vocabulary) -> Iterator[_Asked]:
    for part in (condition, condition.since):
        yield from _properties(part, known)


@_asked.register
def _sequence(condition: SequenceCondition, known: Vocabulary) -> Iterator[_Asked]:
    for part in (*condition.sequence, condition.then_not):
        yield from _properties(part, known)


@_asked.register
def _context(condition: ContextCondition, known: Vocabulary) -> Iterator[_Asked]:  # noqa: ARG001 - the shape of all
    yield _of(stream_of(condition), condition.context, condition.in_)


@_asked.register
def _feature(condition: FeatureCondition, known: Vocabulary) -> Iterator[_Asked]:
    yield from _valued(condition, "customer_features", condition.feature, known.features[condition.feature])


@_asked.register
def _attribute(condition: AttributeCondition, known: Vocabulary) -> Iterator[_Asked]:
    yield from _valued(condition, "customer_profiles", condition.attribute, known.attributes[condition.attribute])


@_asked.register
def _granted(condition: ConsentCondition, known: Vocabulary) -> Iterator[_Asked]:  # noqa: ARG001 - the shape of all
    yield from _consent(condition.consent)


def _consent(asked: Consent) -> Iterator[_Asked]:
    for name in ("purpose", "channel"):
        yield _Asked("customer_consents", name, f"{name} of a consent", (getattr(asked, name),))


def _target(target: Target) -> Iterator[_Asked]:
    for stream in (LINES, ORDERS, OFFERS):
        if target.kind in stream.properties:
            yield _of(stream, target.kind, (target.value,))


def _properties(part: Happened | None, known: Vocabulary) -> Iterator[_Asked]:
    if part is not None and part.where is not None:
        stream = known.events[part.event].stream
        yield from (_of(stream, name, asked) for name, asked in part.where if isinstance(asked, tuple))


def _of(stream: Stream, name: str, values: tuple[str, ...]) -> _Asked:
    return _Asked(stream.table, stream.properties[name], name, values)


def _valued(condition: Valued, table: str, name: str, kind: FeatureKind) -> Iterator[_Asked]:
    values = tuple(str(one) for one in (condition.equals, *(condition.in_ or ())) if one is not None)
    if values and not (kind.is_number or kind.allowed):
        yield _Asked(table, name, name, values)
