"""What a definition says of events, with its words looked up and its times counted back from as_of."""

from __future__ import annotations

from collections.abc import Mapping

from ml.segments.behaviour import ContextCondition, EventCondition, Happened, Where, Windowed
from ml.segments.events import ORDERS, WEB, EventKind, Stream
from ml.segments.quantities import Check, Happening, Tally, Window

Events = Mapping[str, EventKind]


def stream_of(condition: ContextCondition) -> Stream:
    """Return where the visits of a condition are: channels are those of orders."""
    return ORDERS if condition.context == "channel" else WEB


def happening(condition: Happened, events: Events) -> Happening:
    """Return the kind of event and the tests of its properties."""
    kind = events[condition.event]
    return Happening(kind, tuple(_properties(kind, condition.where)) if condition.where else ())


def window(condition: Windowed, now: int, events: Events) -> Window:
    """Return the seconds between which something must have happened."""
    if condition.last is not None:
        return Window(now - condition.last.seconds, now)
    if condition.between is not None:
        return Window(now - condition.between[0].seconds, now - condition.between[1].seconds)
    if condition.more_than is not None:
        return Window(None, now - condition.more_than.seconds)
    if isinstance(condition, EventCondition) and condition.since is not None:
        return Window(None, now, after=Tally(happening(condition.since, events), Window(None, now), "latest"))
    return Window(None, now)


def _properties(kind: EventKind, where: Where) -> list[Check]:
    tests = list[Check]()
    for name, asked in where:
        column = kind.stream.properties.get(name, name)
        if isinstance(asked, tuple):
            tests.append(Check(column, "in", asked))
        elif asked is not None:
            tests += [Check(column, operator, bound) for operator, bound in asked.bounds]
    return tests
