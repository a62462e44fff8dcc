"""Features at a point in time: a second opinion in pandas, equal engines, and no look at the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.features.build import build_features
from ml.features.catalogue import catalogue
from ml.features.config import load_config
from ml.features.targets import Target, by_kind
from ml.sql import load_tables, table
from ml.times import DAY
from ml.warehouse import Warehouse
from tests.bench import pandas_features
from tests.ml.features.worlds import AS_OF, TABLES, World, fill, random_world, real_world, shaped

FEATURE_TABLES = [name for name, found in load_tables().items() if found.stage == "3_features"]
TARGETS = [Target(department="DELI"), Target(category="BEER"), Target(channel="web"), Target(campaign="c1")]


def build(warehouse: Warehouse) -> None:
    """Build every feature table, the history of a propensity's targets included."""
    build_features(str(AS_OF), warehouse)
    asked = {"targets": by_kind(TARGETS), "orders_decay": load_config().params()["orders_decay"]}
    warehouse.run_table("target_history", {"as_of": AS_OF, "family": "propensity"}, **asked)


def built(warehouse: Warehouse, world: World) -> dict[str, pa.Table]:
    """Build the features of a world and return every feature table, ordered by key."""
    fill(warehouse, world)
    build(warehouse)
    return read(warehouse)


def read(warehouse: Warehouse) -> dict[str, pa.Table]:
    return {name: warehouse.read_arrow(name, order_by=table(name).key) for name in FEATURE_TABLES}


def assert_second_opinion(found: pd.DataFrame, world: World) -> None:
    """Every feature of every customer agrees with pandas: whole numbers exactly, the others to 1e-9."""
    frames = pandas_features.load(lambda name, columns: world[name].select(columns))
    wanted = pandas_features.customer_features(frames, AS_OF.epoch, load_config().params())
    assert list(found.index) == list(wanted.index)
    wrong = {name: _differing(found[name], wanted[name]) for name in catalogue()}
    assert {name: keys for name, keys in wrong.items() if keys} == {}


def _differing(found: pd.Series, wanted: pd.Series) -> list[int]:
    if catalogue()[str(found.name)].kind == "category":
        left, right = (values.astype(object).fillna("").to_numpy() for values in (found, wanted))
        return list(found.index[left != right])
    left, right = found.astype(float).to_numpy(), wanted.astype(float).to_numpy()
    tolerance = 0.0 if found.dtype == pd.ArrowDtype(pa.int64()) else 1e-9
    # Equal gaps: the variance of pandas' way may miss 0 by a rounding that the root makes larger.
    slack = 1e-6 if found.name == "gap_variation" else 0.0
    return list(found.index[~np.isclose(left, right, rtol=tolerance, atol=slack, equal_nan=True)])


@pytest.mark.parametrize("seed", [1, 2])
def test_every_feature_agrees_with_a_second_opinion(duck, seed):
    """All sixty features equal their pandas version in a world full of nulls, ties and edges."""
    world = random_world(seed)
    made = built(duck, world)["customer_features"]
    assert made.num_rows > 50
    assert_second_opinion(_frame(made), world)


def test_every_feature_agrees_with_a_second_opinion_on_the_real_baskets(duck):
    """The same on a quarter of Complete Journey's households."""
    world = real_world(one_in=4)
    made = built(duck, world)["customer_features"]
    assert made.num_rows > 550
    assert_second_opinion(_frame(made), world)


def _frame(rows: pa.Table) -> pd.DataFrame:
    return rows.to_pandas(types_mapper=pd.ArrowDtype).set_index("customer_key").sort_index()


def test_engines_agree_to_the_last_bit(both_engines):
    """DuckDB and PostgreSQL give equal rows of every feature table, floats included."""
    world = random_world(4, customers=30)
    duck, postgres = (built(warehouse, world) for warehouse in both_engines)
    for name in FEATURE_TABLES:
        assert duck[name].num_rows > 0
        assert duck[name].equals(postgres[name]), name


def test_building_again_from_shuffled_rows_changes_nothing_and_leaves_other_points_in_time_alone(duck):
    world, draw = random_world(5, customers=20), np.random.default_rng(0)
    first = built(duck, world)["customer_features"]
    build_features(str(AS_OF.minus(30)), duck)
    both = read(duck)["customer_features"]
    shuffled = {name: rows.take(draw.permutation(rows.num_rows)) for name, rows in world.items()}
    assert built(duck, shuffled)["customer_features"].equals(both)
    assert both.num_rows > first.num_rows


def test_nobody_known_gives_no_rows(duck):
    """Empty inputs are an empty table, not an error."""
    made = built(duck, {name: shaped(name, pa.table({})) for name in TABLES})
    assert {name: rows.num_rows for name, rows in made.items()} == dict.fromkeys(FEATURE_TABLES, 0)


# -- no look at the future ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def past(tmp_path_factory) -> tuple[Warehouse, World, dict[str, pa.Table]]:
    """A warehouse that knows only rows before AS_OF, and its features."""
    warehouse = Warehouse(f"duckdb:///{tmp_path_factory.mktemp('past') / 'warehouse.duckdb'}")
    world = {name: _before(rows) for name, rows in random_world(6, customers=30).items()}
    return warehouse, world, built(warehouse, world)


def _epoch(rows: pa.Table) -> str:
    return next(name for name in rows.column_names if name.endswith("_epoch"))


def _before(rows: pa.Table) -> pa.Table:
    epochs = rows.column(_epoch(rows)).to_numpy()
    return rows.filter(pa.array(epochs < AS_OF.epoch))


def _moved(rows: pa.Table, offsets: list[int], stranger: int) -> pa.Table:
    """Return copies of the first rows as they would look `offsets` seconds after AS_OF, under new ids."""
    copies = rows.slice(0, len(offsets)).to_pylist()
    for i, row in enumerate(copies):
        row[table_key := rows.column_names[0]] = f"late{i}"
        row[_epoch(rows)] = AS_OF.epoch + offsets[i]
        if "customer_key" in row and i % 3 == 0:
            row["customer_key"] = stranger
        assert row[table_key]
    return pa.Table.from_pylist(copies, schema=rows.schema)


late = st.lists(st.one_of(st.just(0), st.integers(0, 90 * DAY)), min_size=1, max_size=40)


@settings(max_examples=4)
@given(offsets=st.fixed_dictionaries(dict.fromkeys(TABLES, late)), stranger=st.integers(1, 10_000))
def test_rows_at_or_after_as_of_change_nothing(past, offsets, stranger):
    """Orders, lines, events, messages, responses and campaigns from AS_OF on leave every table byte-equal."""
    warehouse, world, before = past
    fill(warehouse, {n: pa.concat_tables([rows, _moved(rows, offsets[n], stranger)]) for n, rows in world.items()})
    build(warehouse)
    after = read(warehouse)
    assert {name for name in FEATURE_TABLES if not after[name].equals(before[name])} == set()


def test_rows_one_second_before_as_of_are_seen(past):
    """The test above would notice: the same rows a second earlier change every feature table."""
    warehouse, world, before = past
    made = built(warehouse, {n: pa.concat_tables([rows, _moved(rows, [-1] * 30, 77)]) for n, rows in world.items()})
    assert {name for name in FEATURE_TABLES if made[name].equals(before[name])} == set()
