"""What a definition means, one customer at a time: slow, and plain enough to be checked by reading."""

import math

from ml.segments.behaviour import EventCondition, SequenceCondition
from ml.segments.conditions import AllOf, AnyOf, NotOf
from ml.segments.standing import ConsentCondition, FeatureCondition, ScoreCondition, SegmentCondition
from tests.ml.segments.worlds import World

ORDER_KINDS = {"order": "placed", "order_returned": "returned"}
COLUMNS = {"value": "value_cents", "product": "product_id", "campaign": "campaign_id"}


def members(condition, world: World) -> set[int]:
    return {key for key in world.customers if holds(condition, key, world)}


def holds(condition, key: int, world: World) -> bool:  # noqa: PLR0911
    match condition:
        case AllOf():
            return all(holds(part, key, world) for part in condition.all)
        case AnyOf():
            return any(holds(part, key, world) for part in condition.any)
        case NotOf():
            return not holds(condition.not_, key, world)
        case FeatureCondition():
            return _feature(condition, key, world)
        case ScoreCondition():
            return _score(condition, key, world)
        case EventCondition():
            return _bounds(condition.bounds, len(_events(condition, condition, key, world)))
        case SequenceCondition():
            return bool(_completions(condition, key, world))
        case SegmentCondition():
            return key in world.members[condition.segment]
        case ConsentCondition():
            return (key, condition.consent.purpose, condition.consent.channel, True) in world.consents
    raise AssertionError(condition)


def _bounds(bounds, value) -> bool:
    compare = {
        "above": lambda a, b: a > b,
        "at_least": lambda a, b: a >= b,
        "below": lambda a, b: a < b,
        "at_most": lambda a, b: a <= b,
        "equals": lambda a, b: a == b,
    }
    return value is not None and all(compare[word](value, bound) for word, bound in bounds)


def _feature(condition, key, world) -> bool:
    values = {customer: found.get(condition.feature) for customer, found in world.customers.items()}
    value = values[key]
    asked = []
    if condition.bounds:
        asked.append(_bounds(condition.bounds, value))
    if condition.equals is not None:
        asked.append(value is not None and value == condition.equals)
    if condition.in_ is not None:
        asked.append(value is not None and value in condition.in_)
    if condition.is_missing is not None:
        asked.append((value is None) == condition.is_missing)
    return all(asked) and _ranked(condition, key, values)


def _score(condition, key, world) -> bool:
    scores = world.scores[condition.score]
    if key not in scores:
        return False
    score, percentile = scores[key]
    asked = [
        _bounds(part.bounds, value)
        for part, value in (
            (condition.probability, score),
            (condition.expected_value, score),
            (condition.percentile, percentile),
        )
        if part is not None
    ]
    if condition.break_even is not None:
        asked.append(score >= condition.break_even.cost_cents / condition.break_even.value_cents)
    return all(asked) and _ranked(condition, key, {customer: found[0] for customer, found in scores.items()})


def _ranked(condition, key, values) -> bool:
    ranked = {customer: value for customer, value in values.items() if value is not None}
    for portion, sign in ((condition.top, -1), (condition.bottom, 1)):
        if portion is None:
            continue
        size = portion.count or math.ceil(round(portion.share * len(ranked), 9))
        best = sorted(ranked, key=lambda customer, sign=sign: (sign * ranked[customer], customer))[:size]
        if key not in best:
            return False
    return True


def _span(condition, world) -> tuple[float, int]:
    now = world.as_of.epoch
    if condition.last is not None:
        return now - condition.last.seconds, now
    if condition.between is not None:
        return now - condition.between[0].seconds, now - condition.between[1].seconds
    return -math.inf, now


def _events(what, window, key, world) -> list[tuple[int, str]]:
    """The matching events of a customer within the window, as (second, identifier), in order."""
    start, end = _span(window, world)
    return [found for found in _all(what, key, world) if start <= found[0] < end]


def _all(what, key, world) -> list[tuple[int, str]]:
    if what.event in ORDER_KINDS:
        happened = [
            (o["ordered_epoch"], o["order_id"], {**o, "value_cents": o["total_cents"]})
            for o in world.orders
            if o["customer_key"] == key and o["status"] == ORDER_KINDS[what.event]
        ]
    else:
        happened = [
            (e["event_epoch"], e["event_id"], e)
            for e in world.events
            if e["customer_key"] == key and e["event_type"] == what.event
        ]
    now = world.as_of.epoch
    return sorted((epoch, name) for epoch, name, row in happened if epoch < now and _fits(what.where, row))


def _fits(where, row) -> bool:
    for name, asked in where or ():
        value = row.get(COLUMNS.get(name, name))
        if isinstance(asked, tuple) and value not in asked:
            return False
        if asked is not None and not isinstance(asked, tuple) and not _bounds(asked.bounds, value):
            return False
    return True


def _completions(condition, key, world) -> list[tuple[int, str]]:
    """The moments at which the last step is complete and the silence after it has passed."""
    done = None
    for step in condition.sequence:
        matching = _events(step, condition, key, world)
        done = [event for event in matching if _completes(event, step, matching, done)]
    return [event for event in done if _silent(event, condition.then_not, key, world)]


def _completes(event, step, matching, before) -> bool:
    """Is there a completion of the step before, after which `count` events, ending here, fit into `within`?"""
    oldest = event[0] - step.within.seconds if step.within else -math.inf
    for previous in [(-math.inf, "")] if before is None else before:
        too_late = step.no_later_than is not None and event[0] - previous[0] > step.no_later_than.seconds
        between = [found for found in matching if previous < found < event and found[0] >= oldest]
        if previous < event and not too_late and len(between) >= step.count - 1:
            return True
    return False


def _silent(event, closing, key, world) -> bool:
    if closing is None:
        return True
    end = event[0] + closing.within.seconds
    broken = [found for found in _all(closing, key, world) if event < found and found[0] < end]
    return end <= world.as_of.epoch and not broken
