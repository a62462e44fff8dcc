"""A definition selects exactly whom the plain oracle selects, on both engines."""

import pytest
from hypothesis import given, settings

from ml.segments.evaluate import Evaluator
from ml.segments.language import Segment
from ml.segments.resolve import problems
from ml.warehouse import Warehouse
from tests.ml.segments import oracle
from tests.ml.segments.definitions import conditions
from tests.ml.segments.worlds import AS_OF, crowded_world, known

WORLD = crowded_world(seed=20171)


def segment(who: dict, **more: object) -> Segment:
    words = dict.fromkeys(("description", "goal", "owner", "action"), "words")
    consent = {"purpose": "marketing", "channel": "email"}
    return Segment.model_validate({"name": "made_up", **words, "consent": consent, "who": who, **more})


@pytest.fixture(scope="module")
def duck_crowd(tmp_path_factory):
    warehouse = Warehouse(f"duckdb:///{tmp_path_factory.mktemp('meaning') / 'w.duckdb'}")
    WORLD.write(warehouse)
    with warehouse.session():  # keeps the file open, so that each of the many queries need not open it anew
        yield Evaluator(warehouse, AS_OF, known())


def selected(evaluator: Evaluator, found: Segment) -> dict[int, str]:
    rows = evaluator.members(found).to_pydict()
    return dict(zip(rows["customer_key"], rows["reason"], strict=True))


@settings(max_examples=100)
@given(who=conditions)
def test_a_random_definition_selects_whom_the_oracle_selects(duck_crowd, who):
    found = segment(who)
    assert problems(found, known(), ["vip"]) == []
    members = selected(duck_crowd, found)
    assert set(members) == oracle.members(found.who, WORLD)
    assert all(members.values()), "every member has a reason"


@pytest.fixture
def pg_crowd(postgres):
    WORLD.write(postgres)
    return Evaluator(postgres, AS_OF, known())


def test_random_definitions_give_equal_rows_on_postgresql(duck_crowd, pg_crowd):
    @settings(max_examples=15)
    @given(who=conditions)
    def check(who):
        assert selected(pg_crowd, segment(who)) == selected(duck_crowd, segment(who))

    check()
