"""Small made-up worlds for the tests: customers with features, scores, events, orders, consents and memberships."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa

from ml.segments.events import load_events
from ml.segments.vocabulary import FeatureKind, Vocabulary
from ml.sql import table
from ml.times import AsOf
from ml.warehouse import Warehouse

AS_OF = AsOf(datetime(2018, 1, 1, 5))
NOW = AS_OF.epoch
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
    return Vocabulary(features, {"churn_28d": "probability", "clv_84d": "cents"}, load_events())


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
    """Everything known at one as_of, as lists of dicts that a person can read."""

    def __init__(self, as_of: AsOf = AS_OF) -> None:
        self.as_of = as_of
        self.customers: dict[int, dict] = {}
        self.scores: dict[str, dict[int, tuple[float, float]]] = {}
        self.events: list[dict] = []
        self.orders: list[dict] = []
        self.consents: list[tuple[int, str, str, bool]] = []
        self.members: dict[str, set[int]] = {}

    def customer(self, key: int, **features: object) -> None:
        self.customers[key] = features

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

    def write(self, warehouse: Warehouse) -> None:
        """Replace what the warehouse knows by this world, in one connection and without the tables' checks."""
        tables = dict(self._tables())
        warehouse.create(*tables)
        with warehouse.session() as session:
            for name, found in tables.items():
                at_once = "as_of" in table(name).column_names
                only = f" WHERE as_of = TIMESTAMP '{self.as_of.at}'" if at_once else ""
                session.execute(f"DELETE FROM {name}{only}")
                if found:
                    stamped = [{"as_of": self.as_of.at, **row} for row in found] if at_once else found
                    session.append(name, rows(name, stamped))

    def _tables(self) -> Iterator[tuple[str, list[dict]]]:
        yield "customer_features", [{"customer_key": key, **found} for key, found in self.customers.items()]
        yield "customer_events", [{"event_at": at(e["event_epoch"]), **e} for e in self.events]
        yield "customer_orders", [{"ordered_at": at(o["ordered_epoch"]), **o} for o in self.orders]
        names = ("customer_key", "purpose", "channel", "granted")
        yield "customer_consents", [dict(zip(names, found, strict=True)) for found in self.consents]
        yield "customer_scores", [row for model in self.scores for row in self._scores(model)]
        if self.members:
            yield "segment_members", [row for segment in self.members for row in self._members(segment)]
            yield "segment_runs", [{"segment": segment} for segment in self.members]

    def _scores(self, model: str) -> Iterator[dict]:
        found = self.scores[model]
        for rank, key in enumerate(sorted(found, key=lambda key: (-found[key][0], key)), start=1):
            score, percentile = found[key]
            named = {"model": model, "customer_key": key, "model_version": "3"}
            yield {**named, "score": score, "percentile": percentile, "rank": rank}

    def _members(self, segment: str) -> Iterator[dict]:
        for key in sorted(self.members[segment]):
            yield {"segment": segment, "customer_key": key, "entered_at": self.as_of.at}


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
        _behave(world, key, dice)
    for model, values in (("churn_28d", [0.01, 0.3, 0.3, 0.75]), ("clv_84d", [0.0, 1_000.0, 25_000.5])):
        scored = dice.sample(range(1, customers + 1), customers * 3 // 4)
        scores = {key: dice.choice(values) for key in scored}
        top = {s: sum(other <= s for other in scores.values()) / len(scores) for s in set(scores.values())}
        world.scores[model] = {key: (score, top[score]) for key, score in scores.items()}
    world.members["vip"] = set(dice.sample(range(1, customers + 1), customers // 3))
    return world


def _behave(world: World, key: int, dice: random.Random) -> None:
    moments = [1, 60, 299, 300, 301, 600, 3_599, 3_600, 3_601, 86_399, 86_400, 86_401, 172_800]
    ago = 0
    for _ in range(dice.randrange(14)):
        ago += dice.choice(moments)
        kind = dice.choice(["product_view"] * 4 + ["add_to_cart", "add_to_cart", "purchase", "search"])
        world.event(
            key,
            kind,
            ago,
            category=dice.choice(["TEA", "O'BRIEN", None]),
            device=dice.choice(["mobile", "desktop"]),
            value_cents=dice.choice([None, 0, 499, 500, 2_000]),
        )
    for _ in range(dice.randrange(4)):
        status = dice.choice(["placed", "placed", "placed", "returned"])
        # Shares seconds with the events above, so that the order within a second matters.
        world.order(key, ago=dice.choice([*moments, 400_000]), status=status, channel=dice.choice(["store", "web"]))
    for channel in ("email", "sms"):
        if dice.random() < 0.6:
            world.consents.append((key, "marketing", channel, dice.random() < 0.7))
