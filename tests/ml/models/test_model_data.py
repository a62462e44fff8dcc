"""Training data: the right customers, the same draw, a hash that notices, and a target's own history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.errors import NotEnoughData
from ml.features.targets import Target
from ml.models import snapshots
from ml.models.dataset import _draw, load, read_features, read_outcomes, read_snapshot
from ml.models.spec import ModelSpec, model_spec
from ml.sql import table
from ml.times import DAY, parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models.shop import AS_OF, CHURN, CUSTOMERS, features, keys, labels, use_models, write_orders

AT = parse_as_of(AS_OF).minus(28)


def test_a_snapshot_holds_features_and_outcome_of_the_labelled_in_order_of_their_keys(shop: Warehouse):
    spec = model_spec("churn_28d")
    found = read_snapshot(shop, spec, AT)
    assert found.keys.tolist() == keys().tolist()
    assert found.label.tolist() == labels(AT)["churned"].astype(float).tolist()
    assert found.features["orders_84d"].tolist() == features(AT)["orders_84d"].tolist()
    assert {str(kind) for kind in found.features.dtypes} == {"float64", "object"}


def test_the_same_customers_are_drawn_from_every_snapshot():
    everyone = keys()
    some = _draw(everyone, 100)
    assert len(some) == 100
    assert set(_draw(everyone[:-50], 100)) & set(some) == set(some) - set(everyone[-50:])


def test_the_digest_notices_one_changed_label_and_one_changed_feature(shop: Warehouse):
    found = read_snapshot(shop, model_spec("churn_28d"), AT)
    other_label = found.label.copy()
    other_label[0] = 1 - other_label[0]
    other_features = found.features.assign(orders_84d=found.features["orders_84d"] + np.eye(1, len(found.keys))[0])
    digests = {
        found.digest(),
        replace(found, label=other_label).digest(),
        replace(found, features=other_features).digest(),
    }
    assert len(digests) == 3
    assert read_snapshot(shop, model_spec("churn_28d"), AT).digest() == found.digest()


def test_without_a_window_of_its_own_calibration_has_customers_of_its_own(
    shop: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
):
    shared = CHURN.replace("train: 2", "train: 2, calibrate: share, history_days: 440")
    use_models(home, monkeypatch, shared)
    spec, at = model_spec("churn_28d"), parse_as_of(AS_OF)
    chosen = snapshots.choose(spec, at, shop)
    snapshots.ensure(spec, chosen, at, shop)
    data = load(spec, chosen, shop)
    assert data.shared
    assert data.calibration.as_of == data.train[-1].as_of == data.test.as_of.minus(28)
    held = set(data.calibration.keys)
    assert 0.25 < len(held) / CUSTOMERS < 0.42
    assert all(held.isdisjoint(snapshot.keys) for snapshot in data.train)
    assert set(data.train[-1].keys) | held == set(data.test.keys) == set(keys())
    assert len(data.learnt()[1]) == sum(len(snapshot.keys) for snapshot in data.train)


def test_who_returns_more_than_was_bought_has_spent_nothing(shop: Warehouse):
    spec = model_spec("clv_84d")
    rows = pd.DataFrame({"customer_key": keys()[:3], "spend_cents": [-500, 0, 700], "orders": 1})
    shop.write("clv_labels", rows, {"as_of": AT, "horizon_days": 84})
    assert read_outcomes(shop, spec, AT).sort_index().tolist() == [0, 0, 700]


def test_features_that_were_never_built_are_asked_for(shop: Warehouse):
    with pytest.raises(NotEnoughData, match=r"no rows at 2020-01-01T05:00:00.*run build_features"):
        read_features(shop, model_spec("churn_28d"), parse_as_of("2020-01-01"), ["orders_84d"])


def test_a_population_without_anybody_is_empty_not_an_error(shop: Warehouse):
    found = read_features(shop, model_spec("churn_28d"), AT, ["orders_84d"], {"recency_days": ("<", 0)})
    assert found.shape == (0, 1)


def test_changed_orders_make_the_snapshots_stale(shop: Warehouse, built: list[str]):
    spec, at = model_spec("churn_28d"), parse_as_of(AS_OF)
    chosen = snapshots.choose(spec, at, shop)
    snapshots.ensure(spec, chosen, at, shop)
    assert built == []
    order = shop.read("customer_orders").assign(order_id="2", total_cents=999)
    shop.write("customer_orders", pd.concat([shop.read("customer_orders"), order]))
    snapshots.ensure(spec, chosen, at, shop)
    assert len(built) == 8


def test_features_that_were_emptied_are_built_again(shop: Warehouse):
    spec, at = model_spec("churn_28d"), parse_as_of(AS_OF)
    chosen = snapshots.choose(spec, at, shop)
    snapshots.ensure(spec, chosen, at, shop)
    rows = shop.count("customer_features")
    shop.delete("customer_features", {"as_of": chosen.test})
    snapshots.ensure(spec, chosen, at, shop)
    assert shop.count("customer_features") == rows > 0


def test_both_engines_give_the_same_snapshot_and_the_same_ledger(
    both_engines: tuple[Warehouse, Warehouse], built: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
):
    use_models(home, monkeypatch, CHURN)
    spec, at, digests = model_spec("churn_28d"), parse_as_of(AS_OF), []
    for engine in both_engines:
        write_orders(engine)
        chosen = snapshots.choose(spec, at, engine)
        snapshots.ensure(spec, chosen, at, engine)
        snapshots.ensure(spec, chosen, at, engine)
        digests.append(read_snapshot(engine, spec, AT).digest())
    assert digests[0] == digests[1]
    assert len(built) == 16, "eight partitions on each engine, once"
    ledgers = [engine.read("training_snapshots", order_by=["snapshot"]) for engine in both_engines]
    pd.testing.assert_frame_equal(*ledgers)


LINES = [  # customer, order, department, category, day before as_of, cents
    (1, "a", "GROCERY", "TEA", 10, 300),
    (1, "a", "GROCERY", "TEA", 10, 200),
    (1, "b", "TEA", "OTHER", 50, 700),
    (1, "c", "GROCERY", "TEA", 100, 900),
    (2, "d", "GROCERY", "COFFEE", 5, 100),
    (3, "e", "GROCERY", "TEA", 0, 100),  # at as_of itself: not seen
    (3, "f", "GROCERY", "TEA", -3, 100),
]
TARGETS = (Target(category="TEA"), Target(department="TEA"), Target(category="COFFEE"))


def _order_lines() -> pd.DataFrame:
    rows = [
        {
            "line_id": str(number),
            "order_id": order,
            "customer_key": 2**62 + customer,
            "product_id": "p",
            "department": department,
            "category": category,
            "brand": "b",
            "ordered_epoch": AT.epoch - day * DAY,
            "quantity": 1,
            "amount_cents": cents,
            "retail_discount_cents": 0,
            "coupon_discount_cents": 0,
            "status": "placed",
        }
        for number, (customer, order, department, category, day, cents) in enumerate(LINES)
    ]
    gone = rows[0] | {"line_id": "x", "order_id": "x", "status": "cancelled"}
    return pd.DataFrame([*rows, gone])


def _target_spec(target: Target) -> ModelSpec:
    family = {"family": "propensity", "siblings": TARGETS}
    return ModelSpec(name="p", description="p", task="propensity", horizon_days=28, target=target, **family)


def _write_shoppers(warehouse: Warehouse) -> None:
    columns = table("customer_features").column_names
    rows = features(AT).head(4).assign(customer_key=[2**62 + n for n in range(1, 5)])
    warehouse.write("customer_order_lines", _order_lines())
    warehouse.write("customer_features", rows[[name for name in columns if name in rows]], {"as_of": AT})


def test_each_target_of_a_file_reads_its_own_history_from_one_pass(duck: Warehouse):
    _write_shoppers(duck)
    names = ["target_recency_days", "target_orders_84d", "target_spend_cents_84d"]
    found = [read_features(duck, _target_spec(target), AT, ["orders_84d", *names]) for target in TARGETS]
    seen = [frame.sort_index()[names].fillna(-1).to_numpy().tolist() for frame in found]
    none = [-1, 0, 0]
    assert seen == [
        [[10, 1, 500], none, none, none],
        [[50, 1, 700], none, none, none],
        [none, [5, 1, 100], none, none],
    ]
    assert duck.count("target_history") == 3
    assert duck.count("training_snapshots") == 1, "built once for all three"


def test_a_new_target_or_an_order_that_came_late_builds_the_history_again(duck: Warehouse):
    _write_shoppers(duck)
    spec = _target_spec(TARGETS[0])
    snapshots.ensure_history(spec, AT, duck)
    more = spec.model_copy(update={"siblings": (*TARGETS, Target(brand="b"))})
    snapshots.ensure_history(more, AT, duck)
    assert duck.count("target_history", {"target": "brand:b"}) == 2
    late = _order_lines().tail(1).assign(line_id="y", order_id="y", status="placed")
    duck.write("customer_order_lines", pd.concat([_order_lines(), late]))
    snapshots.ensure_history(more, AT, duck)
    rows = duck.read("target_history", ["target_orders_84d"], {"target": "category:TEA"})
    assert rows["target_orders_84d"].tolist() == [2]
