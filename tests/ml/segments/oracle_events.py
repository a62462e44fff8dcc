"""What conditions on behaviour mean, one customer at a time, in loops over its events."""

import math

COLUMNS = {"value": "value_cents", "product": "product_id", "campaign": "campaign_id"}
COLUMNS |= {"message": "message_id", "offer": "offer_id"}
ORDERS = ("orders", "ordered_epoch", "order_id", "status", "total_cents")
LINES = ("lines", "ordered_epoch", "line_id", "status", "amount_cents")
WEB = ("events", "event_epoch", "event_id", "event_type", "value_cents")
MESSAGES = ("messages", "event_epoch", "message_event_id", "event_type", "no value")
OFFERS = ("offers", "responded_epoch", "response_id", "response", "no value")
# Where the kinds of event are found, and what marks them; all others are of the web and marked by their own name.
KINDS = {
    "order": (ORDERS, "placed"),
    "order_returned": (ORDERS, "returned"),
    "order_cancelled": (ORDERS, "cancelled"),
    "order_line": (LINES, "placed"),
    **{f"message_{done}": (MESSAGES, done) for done in ("sent", "opened", "clicked", "unsubscribed")},
    "offer_targeted": (OFFERS, "targeted"),
    "offer_redeemed": (OFFERS, "redeemed"),
}


def event(condition, key, world) -> bool:
    if condition.number is not None:
        happened = everything(condition, key, world)
        start, end = span(condition, key, world)
        return len(happened) >= condition.number and start <= happened[condition.number - 1][0] < end
    window = span(condition, key, world)
    if window is None:
        return False
    found = [row for epoch, _, row in everything(condition, key, world) if window[0] <= epoch < window[1]]
    if condition.sum:
        value = sum(row.get(COLUMNS.get(condition.sum, condition.sum)) or 0 for row in found)
    elif condition.distinct:
        values = {row.get(COLUMNS.get(condition.distinct, condition.distinct)) for row in found}
        value = len(values - {None})
    else:
        value = len(found)
    return all(
        {"at_least": value >= bound, "at_most": value <= bound, "equals": value == bound}[word]
        for word, bound in condition.bounds
    )


def span(condition, key, world) -> tuple[float, float] | None:
    """The seconds from which and before which events count; None when there is nothing to count from."""
    now = world.as_of.epoch
    if condition.last is not None:
        return now - condition.last.seconds, now
    if condition.between is not None:
        return now - condition.between[0].seconds, now - condition.between[1].seconds
    if condition.more_than is not None:
        return -math.inf, now - condition.more_than.seconds
    if getattr(condition, "since", None) is not None:
        anchors = everything(condition.since, key, world)
        return (anchors[-1][0] + 1, now) if anchors else None
    return -math.inf, now


def everything(what, key, world) -> list[tuple[int, str, dict]]:
    """The matching events of a customer before as_of, as (second, identifier, row), in order."""
    (rows, clock, known_as, kind, value), marked = KINDS.get(what.event, (WEB, what.event))
    found = [row for row in world.of(key, rows) if row[kind] == marked]
    happened = [(row[clock], row[known_as], {**row, "value_cents": row.get(value)}) for row in found]
    now = world.as_of.epoch
    fitting = [one for one in happened if one[0] < now and fits(what.where, one[2])]
    return sorted(fitting, key=lambda one: one[:2])


def fits(where, row) -> bool:
    for name, asked in where or ():
        if asked is None:
            continue
        value = row.get(COLUMNS.get(name, name))
        if isinstance(asked, tuple):
            if value not in asked:
                return False
        elif not within(asked.bounds, value):
            return False
    return True


def within(bounds, value) -> bool:
    if value is None:
        return False
    met = {"above": value.__gt__, "at_least": value.__ge__, "below": value.__lt__, "at_most": value.__le__}
    return all(met[word](bound) for word, bound in bounds)


def sequence(condition, key, world) -> bool:
    """Is there a chain of steps, or with `same` one within the events of any one value?"""
    names = condition.same or ()
    first = everything(condition.sequence[0], key, world)
    return any(chain(condition, key, world, names, values) for values in {linked(names, row) for _, _, row in first})


def linked(names, row) -> tuple:
    return tuple(row.get(COLUMNS.get(name, name)) for name in names)


def chain(condition, key, world, names, values) -> bool:
    """Is there a moment at which the last step is complete and the silence after it has passed?"""
    if None in values:
        return False

    def happened(what, start=-math.inf, end=math.inf):
        found = everything(what, key, world)
        return [(at, name) for at, name, row in found if start <= at < end and linked(names, row) == values]

    start, end = span(condition, key, world)
    done = None
    for step in condition.sequence:
        matching = happened(step, start, end)
        done = [one for one in matching if completes(one, step, matching, done)]
    if condition.then_not is None:
        return bool(done)
    closing, silence = happened(condition.then_not), condition.then_not.within.seconds
    return any(is_silent(one, closing, one[0] + silence, world.as_of.epoch) for one in done)


def completes(one, step, matching, before) -> bool:
    """Is there a completion of the step before, after which `count` events, ending here, fit into `within`?"""
    oldest = one[0] - step.within.seconds if step.within else -math.inf
    for previous in [(-math.inf, "")] if before is None else before:
        too_late = step.no_later_than is not None and one[0] - previous[0] > step.no_later_than.seconds
        between = [found for found in matching if previous < found < one and found[0] >= oldest]
        if previous < one and not too_late and len(between) >= step.count - 1:
            return True
    return False


def is_silent(one, closing, end, now) -> bool:
    return end <= now and not [found for found in closing if one < found and found[0] < end]


def context(condition, key, world) -> bool:
    """Does the last visit, or more than half of them, have one of the values?"""
    start, end = span(condition, key, world)
    if condition.context == "channel":
        orders = [o for o in world.of(key, "orders") if o["status"] == "placed" and start <= o["ordered_epoch"] < end]
        visits = [(o["ordered_epoch"], o["order_id"], o["channel"]) for o in orders]
    else:
        sessions = {}
        for row in world.of(key, "events"):
            if row.get("session_id") is not None and start <= row["event_epoch"] < end:
                sessions.setdefault(row["session_id"], []).append(row)
        firsts = [min(rows, key=lambda row: (row["event_epoch"], row["event_id"])) for rows in sessions.values()]
        visits = [(row["event_epoch"], row["event_id"], row.get(condition.context)) for row in firsts]
    matching = [visit for visit in visits if visit[2] in condition.in_]
    if condition.of == "most":
        return len(matching) * 2 > len(visits)
    return bool(visits) and max(visits)[2] in condition.in_
