"""The SQL of a run: portable, as many scans as shapes however many segments there are, equal facts once."""

from random import Random

import pytest
import sqlglot

from ml.portable import lint
from ml.segments.compiler import plan_rule
from ml.segments.measures import Measures
from ml.segments.program import Told, judge, measure
from ml.segments.rules import Rule
from tests.ml.segments.definitions import LEAVES
from tests.ml.segments.test_segment_meaning import segment
from tests.ml.segments.worlds import AS_OF, known


def program(rules: list[Rule]) -> dict[str, str]:
    measures = Measures(AS_OF)
    for rule in rules:
        plan_rule(rule, known(), measures)
    return dict(measure(measures))


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_kind_of_condition_is_portable(leaf):
    dice, measures = Random(3), Measures(AS_OF)
    rules = [Rule(segment({"not": leaf(dice, ["vip"])}, name=f"r{number}")) for number in range(3)]
    plans = [plan_rule(rule, known(), measures) for rule in rules]
    told = Told({"vip": "run_members_1"}, {"vip": "run_moves_1"})
    texts = [statement.sql for statement in measure(measures)] + [judge(plan, told) for plan in plans]
    for text in texts:
        assert lint(text) == []
        sqlglot.transpile(text, read="duckdb", write="postgres")


def reading(statements: dict[str, str], stream: str) -> list[str]:
    return [name for name, text in statements.items() if f"FROM {stream}" in text]


def test_a_stream_is_read_once_for_all_that_is_counted_and_once_for_all_sequences():
    def rules(kind: str, days: int) -> list[Rule]:
        window = {"last": f"{days}d"}
        asked = [
            {"event": kind, "at_least": days, **window},
            {"event": kind, "sum": "value", "at_least": days, **window},
            {"event": kind, "nth": days, **window},
            {"sequence": [{"event": kind}, {"event": "purchase"}], **window},
        ]
        return [Rule(segment(who, name=f"r{days}{number}")) for number, who in enumerate(asked)]

    few = rules("product_view", 1)
    many = [rule for days in range(1, 9) for kind in ("product_view", "search") for rule in rules(kind, days)]
    assert reading(program(few), "customer_events") == ["run_tallies_customer_events", "run_happened"]
    assert reading(program(many), "customer_events") == ["run_tallies_customer_events", "run_happened"]


def test_distinct_values_since_and_visits_cost_a_scan_for_each_property_and_window():
    def rules(count: int, days: int, name: str) -> list[Rule]:
        window, more = {"last": f"{days}d"}, {"event": name, "at_least": count}
        asked = [
            {**more, **window},
            {**more, "distinct": "product", **window},
            {**more, "distinct": "device", **window},
            {**more, "since": "order"},
            {**more, "distinct": "product", "since": "order"},
            *(
                {"context": what, "in": "x", "of": of, "last": "30d"}
                for what, of in [("device", "last"), ("region", "most")]
            ),
            {"context": "country", "in": "x", "last": "60d"},
            {"sequence": [{"event": name}, {"event": "purchase"}], **window},
        ]
        return [Rule(segment(who, name=f"r{count}{days}{number}")) for number, who in enumerate(asked)]

    few = program(rules(1, 7, "product_view"))
    many = program([one for count in (1, 2, 3) for name in ("product_view", "search") for one in rules(count, 9, name)])
    tallies = "run_tallies_customer_events"
    expected = [
        *(tallies, f"{tallies}_product_id", f"{tallies}_device"),
        *(f"{tallies}_since", f"{tallies}_since_product_id"),
        *("run_visits_1", "run_visits_2", "run_happened"),
    ]
    assert reading(few, "customer_events") == reading(many, "customer_events") == expected
    assert reading(many, "customer_orders") == ["run_tallies_customer_orders"]


def test_conditions_that_several_segments_share_are_computed_once():
    who = {
        "all": [{"event": "order", "at_least": 3, "last": "30d"}, {"feature": "recency_days", "top": {"share": 0.2}}]
    }
    other = {"any": [{"event": "order", "at_most": 1, "last": "30d"}, {"feature": "recency_days", "top": {"count": 7}}]}
    one, both = program([Rule(segment(who))]), program([Rule(segment(who)), Rule(segment(other))])
    assert both == one
