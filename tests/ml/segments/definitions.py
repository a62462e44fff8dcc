"""Random definitions as a person would write them: every kind of condition, nested, and what stands around them."""

from random import Random

from ml.segments.durations import Duration
from ml.segments.events import load_events

EVENTS = load_events()
WEB_KINDS = ["product_view", "product_view", "add_to_cart", "purchase"]
OTHER_KINDS = ["order", "order_returned", "order_cancelled", "order_line"]
OTHER_KINDS += ["message_sent", "message_opened", "message_clicked", "offer_targeted", "offer_redeemed"]
WHERE = {
    "customer_events": [
        {"category": "TEA"},
        {"category": ["TEA", "O'BRIEN"]},
        {"device": "mobile", "value": {"at_least": 500}},
        {"product": "p1"},
        {"country": "NO"},
        {"referrer": "social"},
        {"campaign": ["c1", "c2"], "referrer": ["social", "search"]},
    ],
    "customer_orders": [{"channel": "web"}],
    "customer_order_lines": [{"product": "p1"}, {"product": ["p1", "p2"]}],
    "customer_messages": [{"channel": "email"}, {"campaign": "c1"}, {"message": "m1", "channel": "email"}],
    "customer_offer_responses": [{"campaign": "c1"}, {"offer": ["10", "11"]}],
}
DISTINCT = {
    "customer_events": ["product", "device", "referrer"],
    "customer_orders": ["channel"],
    "customer_order_lines": ["product"],
    "customer_messages": ["message", "campaign"],
    "customer_offer_responses": ["offer"],
}
LENGTHS = ["1s", "1m", "5m", "10m", "1h", "24h", "2d", "7d"]
SPANS = ["1d", "2d", "7d", {"last": "30d"}, {"between": ["8d", "1d"]}]
MOST_PARTS = 3


def definition(dice: Random, others: list[str], depth: int = 2) -> dict:
    """A condition; `others` are segments it may name."""
    kind = dice.choice(["leaf", "leaf", "all", "any", "not", "weight"]) if depth else "leaf"
    if kind == "leaf":
        return dice.choice(LEAVES)(dice, others)
    if kind == "not":
        return {"not": definition(dice, others, depth - 1)}
    if kind == "weight":
        return weight(dice, others, depth)
    return {kind: [definition(dice, others, depth - 1) for _ in range(dice.randint(1, MOST_PARTS))]}


def around(dice: Random, others: list[str], who: dict) -> dict:
    """What may stand around a condition and decides who is in."""
    found = {}
    if dice.random() < 0.15:
        found["parent"] = dice.choice(others)
    if dice.random() < 0.15:
        found["exclude"] = [dice.choice([dice.choice(others), dice.choice(LEAVES)(dice, others)])]
    if "weight" in who or ("score" in who and who["score"] != "clv_84d"):
        found["membership"] = "probability"
    return found


def weight(dice: Random, others: list[str], depth: int) -> dict:
    parts = []
    for _ in range(dice.randint(1, MOST_PARTS)):
        if dice.random() < 0.3:
            parts.append({"points": dice.choice([1, 2.5]), "score": dice.choice(["churn_28d", "propensity_tea"])})
        else:
            parts.append({"points": dice.choice([1, 2, -1, 0.125]), "if": definition(dice, others, depth - 1)})
    if all(part["points"] < 0 for part in parts):
        parts[0]["points"] = 1
    most = sum(part["points"] for part in parts if part["points"] > 0)
    return {"weight": parts, "at_least": min(dice.choice([-1, 0.3, 1, 2]), most)}


def window(dice: Random) -> dict:
    between = dice.choice([["2d", "1h"], ["10m", "5m"], ["7d", "1d"], ["120d", "30d"]])
    return dice.choice(
        [{"last": dice.choice(LENGTHS)}] * 3
        + [{"ever": True}, {"between": between}, {"more_than": dice.choice(["5m", "2d ago"])}]
    )


def portion(dice: Random, others: list[str]) -> dict:
    found = dice.choice([{"share": dice.choice([0.05, 0.2, 0.25, 0.5, 1.0])}, {"count": dice.randint(1, 60)}])
    return found | ({"within": dice.choice(others)} if dice.random() < 0.3 else {})


def happening(dice: Random) -> dict:
    kind = dice.choice(dice.choice([WEB_KINDS, OTHER_KINDS]))
    if dice.random() < 0.6:
        return {"event": kind}
    return {"event": kind, "where": dice.choice(WHERE[EVENTS[kind].stream.table])}


def counts(dice: Random) -> dict:
    found = [{"at_least": dice.randint(1, 4)}, {"at_most": dice.randint(0, 3)}, {"exactly": dice.randint(0, 2)}]
    return dice.choice([*found, {"at_least": 1, "at_most": 2}])


def event(dice: Random, others: list[str]) -> dict:
    return {**happening(dice), **dice.choice([{}, counts(dice)]), **window(dice)}


def event_sum(dice: Random, others: list[str]) -> dict:
    found = happening(dice)
    if dice.random() < 0.5 or not has(found, "value"):
        return {**found, "distinct": distinct(dice, found["event"]), **counts(dice), **window(dice)}
    asked = dice.choice([{"at_least": dice.choice([1, 499, 1_500])}, {"at_most": 999}, {"exactly": 0}])
    return {**found, "sum": "value", **asked, **window(dice)}


def has(found: dict, name: str) -> bool:
    return name in EVENTS[found["event"]].stream.properties


def distinct(dice: Random, kind: str) -> str:
    return dice.choice(DISTINCT[EVENTS[kind].stream.table])


def event_nth(dice: Random, others: list[str]) -> dict:
    return {**happening(dice), **dice.choice([{"first_time": True}, {"nth": dice.randint(1, 4)}]), **window(dice)}


def event_since(dice: Random, others: list[str]) -> dict:
    anchor = happening(dice)
    since = dice.choice([anchor, anchor["event"]])
    found = happening(dice)
    asked = dice.choice([{}, counts(dice), {"distinct": distinct(dice, found["event"]), "at_least": 1}])
    return {**found, **asked, "since": since}


def sequence(dice: Random, others: list[str]) -> dict:
    same = dice.choice([None] * 4 + ["product", "product", "device", "campaign", "channel", "message"])
    steps = [linkable(dice, same) for _ in range(dice.randint(1, 3))]
    for index, step in enumerate(steps):
        if dice.random() < 0.5:
            step["count"] = dice.randint(2, 3)
            step.update({"within": dice.choice(LENGTHS)} if dice.random() < 0.5 else {})
        if index and dice.random() < 0.5:
            step["no_later_than"] = dice.choice(LENGTHS)
    found = {"sequence": steps, **window(dice), **({"same": same} if same else {})}
    if dice.random() < 0.5:
        longest = found.get("last") or found.get("between", LENGTHS[-1:])[0]  # a longer silence is refused
        fitting = [one for one in LENGTHS if Duration(one).seconds <= Duration(longest).seconds]
        found["then_not"] = {**linkable(dice, same), "within": dice.choice(fitting)}
    return found


def linkable(dice: Random, same: str | None) -> dict:
    while True:
        found = happening(dice)
        if same is None or has(found, same):
            return found


def feature(dice: Random, others: list[str]) -> dict:
    name = dice.choice(["recency_days", "spend_cents_84d"])
    number = dice.choice([0, 1, 7, 29, 30, 100, 250, 10_000])
    asked = [
        {dice.choice(["above", "at_least", "below", "at_most", "equals"]): number},
        {"between": [1, 300]},
        {"in": [0, 30, 250]},
        {"is_missing": dice.random() < 0.5},
    ]
    stages = dice.choice([{"in": ["active", "at_risk"]}, {"equals": "churned"}])
    return dice.choice([{"feature": name, **dice.choice(asked)}] * 2 + [{"feature": "lifecycle_stage", **stages}])


def feature_rank(dice: Random, others: list[str]) -> dict:
    name = dice.choice(["recency_days", "spend_cents_84d", "open_rate_84d"])
    return {"feature": name, dice.choice(["top", "bottom"]): portion(dice, others)}


def score(dice: Random, others: list[str]) -> dict:
    aged = {"score": "clv_84d", "max_age": "2d"}
    found = [
        {"score": "churn_28d", "probability": {"at_least": 0.3}},
        {"score": "churn_28d", "break_even": {"cost_cents": 3, "value_cents": 10}},
        {**aged, "expected_value": {"above": 1000}},
        {**aged, "percentile": {"between": [0.3, 0.9]}},
        {"score": "churn_28d", "top": portion(dice, others)},
        {**aged, "bottom": portion(dice, others)},
        {"score": dice.choice(["propensity_tea", "propensity_milk"]), "rank": {"at_most": dice.randint(1, 2)}},
    ]
    return dice.choice(found)


def lifecycle(dice: Random, others: list[str]) -> dict:
    stages = ["new", "active", "at_risk", "dormant", "churned", "reactivated", ["at_risk", "dormant"]]
    moved = dice.choice([{}, {}, {dice.choice(["entered", "left"]): dice.choice(SPANS)}])
    return {"lifecycle": dice.choice(stages), **moved}


def context(dice: Random, others: list[str]) -> dict:
    wanted = [("device", "mobile"), ("device", ["mobile", "desktop"]), ("country", "NO"), ("channel", "web")]
    wanted += [("region", "OH"), ("referrer", ["social", "search"])]
    name, values = dice.choice(wanted)
    return {"context": name, "in": values, **dice.choice([{}, {"of": "last"}, {"of": "most"}]), **window(dice)}


def segment(dice: Random, others: list[str]) -> dict:
    moved = {"segment": "vip", dice.choice(["entered", "left"]): dice.choice(SPANS)}
    return dice.choice([{"segment": dice.choice(others)}, moved])


def attribute(dice: Random, others: list[str]) -> dict:
    asked = [{"country": {"in": ["NO", "SE"]}}, {"country": {"is_missing": True}}, {"birth_year": {"above": 1980}}]
    ((name, compared),) = dice.choice(asked).items()
    return {"attribute": name, **compared}


def cluster(dice: Random, others: list[str]) -> dict:
    return {"cluster": "habits", "in": dice.choice(["far", "near", ["rich", "near"]])}


def consent(dice: Random, others: list[str]) -> dict:
    return {"consent": {"purpose": "marketing", "channel": dice.choice(["email", "sms"])}}


LEAVES = [
    *(event, event_sum, event_nth, event_since, sequence, sequence, context),
    *(feature, feature_rank, score, lifecycle, segment, attribute, cluster, consent),
]
