"""What a definition means, one customer at a time: slow, and plain enough to be checked by reading."""

import math
from itertools import pairwise

from ml.segments.behaviour import ContextCondition, EventCondition, SequenceCondition
from ml.segments.conditions import AllOf, AnyOf, NotOf, WeightOf
from ml.segments.standing import (
    AttributeCondition,
    ClusterCondition,
    ConsentCondition,
    FeatureCondition,
    LifecycleCondition,
    ScoreCondition,
    SegmentCondition,
)
from ml.times import DAY
from tests.ml.segments.oracle_events import context, event, sequence
from tests.ml.segments.worlds import CLUSTERS, World

STAGES = {"new": 28, "active": 28, "at_risk": 56, "dormant": 112}


def members(condition, world: World) -> set[int]:
    return {key for key in world.customers if holds(condition, key, world)}


def degree(segment, key: int, world: World) -> float:
    if segment.membership == "rule":
        return 1.0
    graded = segment.graded
    if isinstance(graded, ScoreCondition):
        return world.scores[graded.score][key][0]
    most = sum(part.points for part in graded.weight if part.points > 0)
    return min(1.0, max(0.0, points(graded, key, world) / most))


def holds(condition, key: int, world: World) -> bool:  # noqa: PLR0911, C901, PLR0912
    match condition:
        case AllOf():
            return all(holds(part, key, world) for part in condition.all)
        case AnyOf():
            return any(holds(part, key, world) for part in condition.any)
        case NotOf():
            return not holds(condition.not_, key, world)
        case WeightOf():
            return points(condition, key, world) >= condition.at_least
        case FeatureCondition():
            values = {customer: found.get(condition.feature) for customer, found in world.customers.items()}
            return compared(condition, values[key]) and ranked(condition, key, values, world)
        case AttributeCondition():
            return compared(condition, world.profiles.get(key, {}).get(condition.attribute))
        case ScoreCondition():
            return score(condition, key, world)
        case EventCondition():
            return event(condition, key, world)
        case SequenceCondition():
            return sequence(condition, key, world)
        case ContextCondition():
            return context(condition, key, world)
        case LifecycleCondition():
            return lifecycle(condition, key, world)
        case ClusterCondition():
            return nearest(CLUSTERS[condition.cluster], world.customers[key]) in condition.in_
        case SegmentCondition():
            return segment(condition, key, world)
        case ConsentCondition():
            return (key, condition.consent.purpose, condition.consent.channel, True) in world.consents
    raise AssertionError(condition)


def bounds(asked, value) -> bool:
    compare = {
        "above": lambda a, b: a > b,
        "at_least": lambda a, b: a >= b,
        "below": lambda a, b: a < b,
        "at_most": lambda a, b: a <= b,
        "equals": lambda a, b: a == b,
    }
    return value is not None and all(compare[word](value, bound) for word, bound in asked)


def compared(condition, value) -> bool:
    asked = []
    if condition.bounds:
        asked.append(bounds(condition.bounds, value))
    if condition.equals is not None:
        asked.append(value is not None and value == condition.equals)
    if condition.in_ is not None:
        asked.append(value is not None and value in condition.in_)
    if condition.is_missing is not None:
        asked.append((value is None) == condition.is_missing)
    return all(asked)


def score(condition, key, world) -> bool:
    scores = world.scores[condition.score]
    if key not in scores:
        return False
    value, percentile = scores[key]
    asked = [
        bounds(part.bounds, found)
        for part, found in (
            (condition.probability, value),
            (condition.expected_value, value),
            (condition.percentile, percentile),
        )
        if part is not None
    ]
    if condition.break_even is not None:
        asked.append(value >= condition.break_even.cost_cents / condition.break_even.value_cents)
    if condition.rank is not None:
        asked.append(bounds(condition.rank.bounds, world.place(condition.score, key)))
    everybody = {customer: found[0] for customer, found in scores.items()}
    return all(asked) and ranked(condition, key, everybody, world)


def ranked(condition, key, values, world) -> bool:
    for portion, sign in ((condition.top, -1), (condition.bottom, 1)):
        if portion is None:
            continue
        among = world.customers if portion.within is None else world.members[portion.within]
        among = values if isinstance(condition, ScoreCondition) and portion.within is None else among
        known = {customer: values[customer] for customer in among if values.get(customer) is not None}
        size = portion.count or math.ceil(round(portion.share * len(known), 9))
        best = sorted(known, key=lambda customer, sign=sign, known=known: (sign * known[customer], customer))[:size]
        if key not in best:
            return False
    return True


def nearest(clustering, customer) -> str:
    """The first of the centres that are nearest, each difference in units of its spread."""

    def distance(centre) -> float:
        total = 0.0
        for feature, scale in clustering.features.items():
            value = customer.get(feature)
            difference = float(scale.missing if value is None else value) - float(centre[feature])
            total += difference * difference * scale.weight
        return total

    return min(clustering.centres, key=lambda name: distance(clustering.centres[name]))


def points(condition, key, world) -> float:
    """Points as a person adds them up; a probability counts with six decimals."""
    total = 0.0
    for part in condition.weight:
        if part.if_ is not None:
            total += part.points if holds(part.if_, key, world) else 0
        elif key in world.scores[part.score]:
            total += part.points * math.floor(world.scores[part.score][key][0] * 1_000_000 + 0.5) / 1_000_000
    return round(total, 9)


def lifecycle(condition, key, world) -> bool:
    now = world.as_of.epoch
    span = condition.entered or condition.left
    if span is None:
        return in_stage(condition.lifecycle, key, now, world)
    begin, end = (now - back for back in span.seconds)
    was, then = (in_stage(condition.lifecycle, key, at, world) for at in (begin, end))
    return (then and not was) if condition.entered else (was and not then)


def in_stage(names, key, at, world) -> bool:
    orders = sorted(o["ordered_epoch"] for o in world.of(key, "orders") if o["status"] == "placed")
    before = [epoch for epoch in orders if epoch < at]
    if not before:
        return False
    return stage(before, at) in names or ("reactivated" in names and came_back(before, at))


def stage(orders, at) -> str:
    recency, tenure = (at - orders[-1]) // DAY, (at - orders[0]) // DAY
    if recency <= STAGES["active"]:
        return "new" if tenure <= STAGES["new"] else "active"
    return next((name for name in ("at_risk", "dormant") if recency <= STAGES[name]), "churned")


def came_back(orders, at) -> bool:
    """Has an order of the active time followed a silence in which the customer was dormant?"""
    return any(
        (at - order) // DAY <= STAGES["active"] and (order - before) // DAY > STAGES["at_risk"]
        for before, order in pairwise(orders)
    )


def segment(condition, key, world) -> bool:
    span = condition.entered or condition.left
    if span is None:
        return key in world.members[condition.segment]
    begin, end = (world.as_of.epoch - back for back in span.seconds)
    wanted = "entered" if condition.entered else "left"
    moves = world.moves_of(condition.segment)
    return any(who == key and change == wanted and begin < at <= end for who, change, at in moves)
