"""The figures of a segment: whose orders, in which window, and never overwritten."""

import pytest

from ml.measurement.kpis import measure_segments
from ml.times import DAY, AsOf
from tests.ml.segments.worlds import AS_OF, World, rows

MEASURED = ("arm", "basis", "customers", "converters", "orders", "revenue_cents", "average_order_cents", "conversion")


@pytest.fixture
def built():
    """Five customers: 1 and 2 are members, 3 is in the holdout, 4 and 5 are not in."""

    def write(warehouse, as_of: AsOf) -> World:
        made = World(as_of)
        for key in range(1, 6):
            made.customer(key)
        members = [
            {"customer_key": key, "entered_at": as_of.at, "is_holdout": key == 3, "reason": "x"} for key in (1, 2, 3)
        ]
        made.write(warehouse)
        part = {"segment": "loyal", "as_of": as_of}
        warehouse.write("segment_members", rows("segment_members", members).drop(list(part)), part)
        warehouse.write("segment_runs", rows("segment_runs", [{}]).drop(list(part)), part)
        return made

    return write


def kpis(warehouse, as_of: AsOf) -> list[tuple]:
    found = warehouse.read_arrow("segment_kpis", list(MEASURED), {"as_of": as_of}, ["arm"])
    return [tuple(row.values()) for row in found.to_pylist()]


def order(made: World, key: int, ago: int, cents: int, **more: object) -> None:
    made.order(key, ago, cents, **more)


def test_a_first_run_is_measured_over_the_window_before_it(warehouse, built):
    made = built(warehouse, AS_OF)
    order(made, 1, 28 * DAY, 1000)
    order(made, 1, 1, 500)
    order(made, 1, 28 * DAY + 1, 9999)  # before the window
    order(made, 1, 0, 9999)  # at as_of: not yet seen
    order(made, 2, 5, 9999, status="returned")
    order(made, 4, 5, 300)
    made.write(warehouse)
    assert measure_segments(str(AS_OF), warehouse) == {
        "as_of": str(AS_OF),
        "window_days": 28,
        "segments": 1,
        "rows": 3,
        "after": 0,
        "before": 1,
    }
    assert kpis(warehouse, AS_OF) == [
        ("holdout", "before", 1, 0, 0, 0, None, 0.0),
        ("members", "before", 2, 1, 2, 1500, 750.0, 0.5),
        ("non_members", "before", 2, 1, 1, 300, 300.0, 0.5),
    ]


def test_a_closed_window_is_measured_for_the_members_it_followed(duck, built):
    later = AS_OF.plus(30)
    built(duck, AS_OF)
    made = built(duck, later)
    order(made, 3, 30 * DAY, 700)  # at the earlier as_of: the window's first second
    order(made, 2, 2 * DAY, 9999)  # the window's end is excluded
    made.write(duck)
    assert measure_segments(str(later), duck)["after"] == 1
    assert kpis(duck, later)[0] == ("holdout", "after", 1, 1, 1, 700, 700.0, 1.0)
    assert kpis(duck, later)[1][:4] == ("members", "after", 2, 0)


def test_the_latest_run_whose_window_has_closed_is_measured(duck, built):
    later = AS_OF.plus(40)
    for days in (0, 12, 13, 40):
        built(duck, AS_OF.plus(days))
    measure_segments(str(later), duck)
    found = duck.read_arrow("segment_kpis", ["cohort_as_of", "window_start", "window_end"]).to_pylist()
    assert {tuple(row.values()) for row in found} == {(AS_OF.plus(12).at, AS_OF.plus(12).at, later.at)}


def test_history_is_kept_and_a_second_run_changes_nothing(duck, built):
    made = built(duck, AS_OF)
    order(made, 1, DAY, 500)
    made.write(duck)
    measure_segments(str(AS_OF), duck)
    first = kpis(duck, AS_OF)
    built(duck, AS_OF.plus(1))
    measure_segments(str(AS_OF.plus(1)), duck)
    measure_segments(str(AS_OF.plus(1)), duck)
    assert kpis(duck, AS_OF) != []
    assert kpis(duck, AS_OF) == first
    assert duck.count("segment_kpis") == 6


def test_without_runs_there_is_nothing_to_measure(duck):
    assert measure_segments(str(AS_OF), duck)["rows"] == 0
