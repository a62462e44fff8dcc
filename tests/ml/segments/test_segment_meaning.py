"""A definition selects exactly whom the plain oracle selects, on both engines."""

from random import Random

import pytest

from ml.segments.evaluate import Evaluator
from ml.segments.language import Segment
from ml.segments.resolve import problems
from ml.segments.rules import Rule
from ml.warehouse import Warehouse
from tests.ml.segments import oracle
from tests.ml.segments.definitions import around, definition
from tests.ml.segments.worlds import AS_OF, World, crowded_world, known

pytestmark = pytest.mark.slow
RUNS, DEFINITIONS, CUSTOMERS = 10, 50, 200
STORED = ["vip", "fresh"]


def segment(who: dict, **more: object) -> Segment:
    words = dict.fromkeys(("description", "goal", "owner", "action"), "words")
    consent = {"purpose": "marketing", "channel": "email"}
    return Segment.model_validate({"name": "made_up", **words, "consent": consent, "who": who, **more})


def selected(evaluator: Evaluator, found: Segment) -> dict[int, str]:
    rows = evaluator.members(found).to_pydict()
    return dict(zip(rows["customer_key"], rows["reason"], strict=True))


@pytest.fixture(scope="module")
def world() -> World:
    return crowded_world(seed=20171, customers=CUSTOMERS)


@pytest.fixture(scope="module")
def runs() -> list[list[Rule]]:
    """Definitions of every kind, as many in a run as a catalogue may hold; some name others that come before them."""
    return [run_of(Random(seed)) for seed in range(RUNS)]


def run_of(dice: Random) -> list[Rule]:
    made = list[Rule]()
    for number in range(DEFINITIONS):
        others = [*STORED, *(rule.name for rule in made[-3:])]
        who = definition(dice, others)
        found = segment(who, **around(dice, others, who), name=f"r{number}")
        assert problems(found, known(), others) == []
        made.append(Rule(found, rivals=tuple(others[2:][: dice.choice([0, 0, 0, 0, 2])])))
    return made


@pytest.fixture(scope="module")
def expected(runs, world) -> list[dict[int, float]]:
    """What the oracle makes of them: each member with its degree."""
    return [found for rules in runs for found in told_by_the_oracle(rules, world)]


def told_by_the_oracle(rules: list[Rule], world: World) -> list[dict[int, float]]:
    stored, found = dict(world.members), []
    for rule in rules:
        members = oracle.members(rule.condition, world)
        world.members[rule.name] = members
        found.append({key: oracle.degree(rule.segment, key, world) for key in members})
    world.members = stored
    return found


def answers(warehouse: Warehouse, runs: list[list[Rule]]) -> list[list[dict]]:
    found, evaluator = [], Evaluator(warehouse, AS_OF, known())
    for rules in runs:
        with evaluator.trial(rules) as batch:
            found += [batch.members(rule.name).to_pylist() for rule in rules]
    return found


@pytest.fixture(scope="module")
def on_duckdb(runs, world, tmp_path_factory) -> list[list[dict]]:
    warehouse = Warehouse(f"duckdb:///{tmp_path_factory.mktemp('meaning') / 'w.duckdb'}")
    world.write(warehouse)
    return answers(warehouse, runs)


def test_random_definitions_select_whom_the_oracle_selects(on_duckdb, expected, runs):
    rules = [rule for rules in runs for rule in rules]
    for rule, rows, wanted in zip(rules, on_duckdb, expected, strict=True):
        found = {row["customer_key"]: row["degree"] for row in rows}
        assert found == pytest.approx(wanted, abs=1e-9), rule.segment.model_dump(exclude_none=True)
        assert all(row["reason"] for row in rows), "every member has a reason"


def test_random_definitions_are_worth_asking(expected):
    """Most of them tell customers apart."""
    assert len(expected) == 500
    assert sum(0 < len(members) < CUSTOMERS for members in expected) > 300


def test_random_definitions_give_equal_rows_on_postgresql(on_duckdb, runs, world, postgres):
    world.write(postgres)
    for ours, theirs in zip(on_duckdb, answers(postgres, runs), strict=True):
        assert theirs == ours
