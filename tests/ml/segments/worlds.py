"""Small made-up worlds for the tests: customers with features, scores, events, orders, consents and memberships."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa

from ml.segments.clusters import Clustering
from ml.segments.events import load_events
from ml.segments.house import HouseRules
from ml.segments.vocabulary import FeatureKind, Vocabulary
from ml.sql import table
from ml.times import AsOf
from ml.warehouse import Warehouse

AS_OF = AsOf(datetime(2018, 1, 1, 5))
NOW = AS_OF.epoch
OFFERS = ("propensity_milk", "propensity_salt", "propensity_tea")
_SCALES = {"recency_days": {"spread": 20, "missing": 60}, "spend_cents_84d": {"spread": 300.5, "missing": 0}}
_CENTRES = {
    "near": {"recency_days": 5, "spend_cents_84d": 100},
    "far": {"recency_days": 61, "spend_cents_84d": 250},
    "rich": {"recency_days": 20, "spend_cents_84d": 9000},
}
CLUSTERS = {"habits": Clustering.model_validate({"description": "x", "features": _SCALES, "centres": _CENTRES})}
_DEFAULTS = {
    "BIGINT": 1,
    "INTEGER": 1,
    "DOUBLE": 0.5,
    "VARCHAR": "x",
    "BOOLEAN": True,
    "TIMESTAMP": AS_OF.at,
    "DATE": AS_OF.at.date(),
}


def known() -> Vocabulary:
    features = {
        "recency_days": FeatureKind(is_number=True),
        "spend_cents_84d": FeatureKind(is_number=True),
        "open_rate_84d": FeatureKind(is_number=True),
        "lifecycle_stage": FeatureKind(is_number=False, allowed=("new", "active", "at_risk", "dormant", "churned")),
    }
    attributes = {"country": FeatureKind(is_number=False), "birth_year": FeatureKind(is_number=True)}
    return Vocabulary(
        features,
        {"churn_28d": "probability", "clv_84d": "cents", **dict.fromkeys(OFFERS, "probability")},
        load_events(),
        offers=frozenset(OFFERS),
        attributes={**attributes, "age_band": FeatureKind(is_number=False)},
        house=HouseRules(attributes=tuple(attributes)),
        clusterings=CLUSTERS,
    )


def rows(name: str, found: list[dict]) -> pa.Table:
    """Rows of a table with every column that a test leaves out filled in with something valid."""
    columns = table(name).columns
    made = {}
    for column in columns:
        allowed = column.checks.allowed
        default = allowed[0] if allowed else _DEFAULTS[column.type]
        default = default if column.checks.not_null else None
        made[column.name] = [row.get(column.name, default) for row in found]
    return pa.table({c.name: pa.array(made[c.name], type=_arrow(c.type)) for c in columns})


def _arrow(kind: str) -> pa.DataType:
    return {
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "DOUBLE": pa.float64(),
        "VARCHAR": pa.string(),
        "BOOLEAN": pa.bool_(),
        "TIMESTAMP": pa.timestamp("us"),
        "DATE": pa.date32(),
    }[kind]


def at(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None)


class World:
    """Everything known at one as_of, as lists of dicts that a person can read.

    `members` are of the run at as_of and `before` of the one a day earlier; `moves` are what earlier runs saw, as
    (segment, customer, change, days before as_of). `scored_ago`: seconds since a model scored; `version` of all
    models.
    """

    def __init__(self, as_of: AsOf = AS_OF) -> None:
        self.as_of = as_of
        self.customers: dict[int, dict] = {}
        self.profiles: dict[int, dict] = {}
        self.scores: dict[str, dict[int, tuple[float, float]]] = {}
        self.scored_ago: dict[str, int] = {}
        self.version = "3"
        self.events: list[dict] = []
        self.orders: list[dict] = []
        self.lines: list[dict] = []
        self.messages: list[dict] = []
        self.offers: list[dict] = []
        self.consents: list[tuple[int, str, str, bool]] = []
        self.members: dict[str, set[int]] = {}
        self.before: dict[str, set[int]] = {}
        self.moves: list[tuple[str, int, str, int]] = []
        self._of: dict[str, dict[int, list[dict]]] = {}

    def customer(self, key: int, **features: object) -> None:
        self.customers[key] = features

    def of(self, key: int, kind: str) -> list[dict]:
        """A customer's events, orders or lines; call it when the world is complete."""
        if kind not in self._of:
            self._of[kind] = {}
            for row in getattr(self, kind):
                self._of[kind].setdefault(row["customer_key"], []).append(row)
        return self._of[kind].get(key, [])

    def event(self, key: int, kind: str, ago: int, **properties: object) -> None:
        epoch = self.as_of.epoch - ago
        known_as = f"e{len(self.events):05d}"
        self.events.append(
            {"event_id": known_as, "customer_key": key, "event_type": kind, "event_epoch": epoch, **properties}
        )

    def order(self, key: int, ago: int, total_cents: int = 1000, **properties: object) -> None:
        epoch, known_as = self.as_of.epoch - ago, f"o{len(self.orders):05d}"
        placed = {"order_id": known_as, "customer_key": key, "ordered_epoch": epoch, "total_cents": total_cents}
        self.orders.append({"status": "placed", "channel": "store", **placed, **properties})

    def line(self, key: int, ago: int, product: str, amount_cents: int) -> None:
        epoch, known_as = self.as_of.epoch - ago, f"l{len(self.lines):05d}"
        made = {"line_id": known_as, "customer_key": key, "ordered_epoch": epoch, "status": "placed"}
        self.lines.append({**made, "product_id": product, "amount_cents": amount_cents})

    def message(self, key: int, kind: str, ago: int, **properties: object) -> None:
        epoch, known_as = self.as_of.epoch - ago, f"m{len(self.messages):05d}"
        made = {"message_event_id": known_as, "customer_key": key, "event_epoch": epoch, "event_type": kind}
        self.messages.append({**made, **properties})

    def offer(self, key: int, response: str, ago: int, **properties: object) -> None:
        epoch, known_as = self.as_of.epoch - ago, f"r{len(self.offers):05d}"
        made = {"response_id": known_as, "customer_key": key, "responded_epoch": epoch, "response": response}
        self.offers.append({**made, **properties})

    def moves_of(self, segment: str) -> list[tuple[int, str, int]]:
        """Who entered and left as (customer, change, second), the run at as_of included."""
        now = self.as_of.epoch
        found = [(key, what, now - days * 86_400) for name, key, what, days in self.moves if name == segment]
        if segment in self.before:
            members, before = self.members[segment], self.before[segment]
            found += [(key, "entered", now) for key in members - before]
            found += [(key, "left", now) for key in before - members]
        return found

    def place(self, model: str, key: int) -> int:
        """The place of an offer among the customer's offers: the best score first, equal ones by name."""
        offers = [(-self.scores[offer][key][0], offer) for offer in OFFERS if key in self.scores.get(offer, {})]
        return sorted(offers).index((-self.scores[model][key][0], model)) + 1

    def write(self, warehouse: Warehouse) -> None:
        """Replace what the warehouse knows by this world, in one connection and without the tables' checks."""
        tables = dict(self._tables())
        warehouse.create(*tables)
        with warehouse.session() as session:
            for name, found in tables.items():
                at_once = "as_of" in table(name).column_names
                stamped = [{"as_of": self.as_of.at, **row} for row in found] if at_once else found
                stamps = {self.as_of.at, *(row["as_of"] for row in stamped if at_once)}
                only = " OR ".join(f"as_of = TIMESTAMP '{stamp}'" for stamp in stamps)
                session.execute(f"DELETE FROM {name}" + (f" WHERE {only}" if at_once else ""))
                if found:
                    session.append(name, rows(name, stamped))

    def _tables(self) -> Iterator[tuple[str, list[dict]]]:
        yield "customer_features", [{"customer_key": key, **found} for key, found in self.customers.items()]
        yield "customer_profiles", [{"customer_key": key, **found} for key, found in self.profiles.items()]
        yield "customer_events", [{"event_at": at(e["event_epoch"]), **e} for e in self.events]
        yield "customer_orders", [{"ordered_at": at(o["ordered_epoch"]), **o} for o in self.orders]
        yield "customer_order_lines", self.lines
        if self.messages or self.offers:
            yield "customer_messages", [{"event_at": at(m["event_epoch"]), **m} for m in self.messages]
            yield "customer_offer_responses", self.offers
        names = ("customer_key", "purpose", "channel", "granted")
        yield "customer_consents", [dict(zip(names, found, strict=True)) for found in self.consents]
        yield "customer_scores", [row for model in self.scores for row in self._scores(model)]
        if self.members:
            yield "segment_members", [*self._members(self.members, 0), *self._members(self.before, 1)]
            yield "segment_runs", [*({"segment": s} for s in self.members), *self._runs(self.before, 1)]
            yield "segment_changes", list(self._changes())

    def _scores(self, model: str) -> Iterator[dict]:
        found, when = self.scores[model], at(self.as_of.epoch - self.scored_ago.get(model, 0))
        for rank, key in enumerate(sorted(found, key=lambda key: (-found[key][0], key)), start=1):
            score, percentile = found[key]
            named = {"model": model, "customer_key": key, "model_version": self.version, "as_of": when}
            named |= {"offer_rank": self.place(model, key)} if model in OFFERS else {}
            yield {**named, "score": score, "percentile": percentile, "rank": rank}

    def _members(self, members: dict[str, set[int]], days: int) -> Iterator[dict]:
        when = self.as_of.minus(days).at
        for segment, keys in members.items():
            for key in sorted(keys):
                yield {"segment": segment, "customer_key": key, "as_of": when, "entered_at": self.as_of.at}

    def _runs(self, members: dict[str, set[int]], days: int) -> Iterator[dict]:
        for segment in members:
            yield {"segment": segment, "as_of": self.as_of.minus(days).at}

    def _changes(self) -> Iterator[dict]:
        for segment, key, change, days in self.moves:
            when = {"as_of": self.as_of.minus(days).at, "previous_as_of": self.as_of.minus(days + 1).at}
            yield {"segment": segment, "customer_key": key, "change": change, **when}
        for segment, keys in self.before.items():
            # Those whom the first run found: nobody saw them enter.
            first = {"segment": segment, "as_of": self.as_of.minus(60).at, "change": "entered"}
            yield from ({**first, "customer_key": key} for key in sorted(keys))


def crowded_world(seed: int, customers: int = 40) -> World:
    """A world in which windows, ties, missing values and sequences all matter."""
    dice, world = random.Random(seed), World()
    stages = ["new", "active", "at_risk", "dormant", "churned", None]
    for key in range(1, customers + 1):
        world.customer(
            key,
            recency_days=dice.choice([None, 0, 1, 7, 29, 30, 31, 90]),
            spend_cents_84d=dice.choice([0, 100, 250, 250, 9_999, 10_000]),
            open_rate_84d=dice.choice([None, 0.0, 0.25, 0.5, 1.0]),
            lifecycle_stage=dice.choice(stages),
        )
        if dice.random() < 0.8:
            born = dice.choice([1960, 1985, 1990, None])
            world.profiles[key] = {"country": dice.choice(["US", "NO", None]), "birth_year": born}
        _behave(world, key, dice)
        _order(world, key, dice)
        _hear(world, key, dice)
    _score(world, dice, customers)
    _gather(world, dice, customers)
    return world


def _score(world: World, dice: random.Random, customers: int) -> None:
    kinds = {"churn_28d": [0.01, 0.3, 0.3, 0.75], "clv_84d": [0.0, 1_000.0, 25_000.5]}
    for model, values in {**kinds, **{model: [0.1, 0.2, 0.2, 0.123456789] for model in OFFERS}}.items():
        scored = dice.sample(range(1, customers + 1), customers * 3 // 4)
        scores = {key: dice.choice(values) for key in scored}
        top = {s: sum(other <= s for other in scores.values()) / len(scores) for s in set(scores.values())}
        world.scores[model] = {key: (score, top[score]) for key, score in scores.items()}
    world.scored_ago["clv_84d"] = 86_400


def _gather(world: World, dice: random.Random, customers: int) -> None:
    everybody = range(1, customers + 1)
    world.members = {name: set(dice.sample(everybody, customers // 3)) for name in ("vip", "fresh")}
    world.before = {"vip": set(dice.sample(everybody, customers // 3))}
    for key in dice.sample(everybody, customers // 2):
        world.moves.append(("vip", key, dice.choice(["entered", "left"]), dice.choice([1, 2, 7, 8, 30])))


def _behave(world: World, key: int, dice: random.Random) -> None:
    moments = [1, 60, 299, 300, 301, 600, 3_599, 3_600, 3_601, 86_399, 86_400, 86_401, 172_800]
    ago, visit = 0, 0
    for _ in range(dice.randrange(14)):
        ago += dice.choice(moments)
        visit += dice.random() < 0.4
        kind = dice.choice(["product_view"] * 4 + ["add_to_cart", "add_to_cart", "purchase", "search"])
        world.event(
            key,
            kind,
            ago,
            session_id=dice.choice([f"s{visit}", f"s{visit}", f"s{visit}", None]),
            category=dice.choice(["TEA", "O'BRIEN", None]),
            product_id=dice.choice(["p1", "p2", None]),
            device=dice.choice(["mobile", "desktop", None]),
            country=dice.choice(["US", "NO"]),
            region=dice.choice(["OH", "IN", None]),
            referrer=dice.choice(["social", "search", None]),
            campaign_id=dice.choice(["c1", "c2", None]),
            value_cents=dice.choice([None, 0, 499, 500, 2_000]),
        )
    for channel in ("email", "sms"):
        if dice.random() < 0.6:
            world.consents.append((key, "marketing", channel, dice.random() < 0.7))


def _order(world: World, key: int, dice: random.Random) -> None:
    # Shares seconds with the events, so that the order within a second matters.
    moments = [1, 60, 300, 3_600, 86_399, 86_400, 172_800, 400_000]
    days = [20, 28, 29, 30, 56, 57, 58, 85, 112, 113, 120]
    for _ in range(dice.randrange(5)):
        ago = dice.choice([dice.choice(moments), dice.choice(days) * 86_400 + dice.choice([0, 0, 1, 3_600])])
        status = dice.choice(["placed", "placed", "placed", "returned", "cancelled"])
        world.order(key, ago, dice.choice([0, 499, 5_000]), status=status, channel=dice.choice(["store", "web", None]))
    for _ in range(dice.randrange(3)):
        world.line(key, dice.choice(moments), dice.choice(["p1", "p2"]), dice.choice([99, 500]))


def _hear(world: World, key: int, dice: random.Random) -> None:
    """Messages and offers, some of them in the seconds of events and orders."""
    moments = [1, 60, 300, 3_600, 86_399, 86_400, 172_800, 400_000]
    for _ in range(dice.randrange(7)):
        kind = dice.choice(["sent", "opened", "opened", "clicked", "clicked", "unsubscribed"])
        about = {"channel": dice.choice(["email", "email", "sms"]), "campaign_id": dice.choice(["c1", "c2", None])}
        world.message(key, kind, dice.choice(moments), message_id=dice.choice(["m1", "m2"]), **about)
    for _ in range(dice.randrange(4)):
        about = {"campaign_id": dice.choice(["c1", "c2"]), "offer_id": dice.choice(["10", "11", None])}
        world.offer(key, dice.choice(["targeted", "redeemed"]), dice.choice(moments), **about)
