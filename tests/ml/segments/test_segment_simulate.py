"""Made-up customers reach the real SQL with what they do and what is given; wrong timelines are told at their line."""

import json
import re

import pytest

from ml.errors import ConfigError
from ml.segments.catalogue import load_catalogue
from ml.segments.enactment import AS_OF, Copy, enact
from ml.segments.journeys import clock, read_journey
from ml.segments.simulate import Asked, changes, simulate, watch
from ml.segments.vocabulary import load_vocabulary
from tests.ml.segments.test_segment_cli import run

H, D = 3_600, 86_400
CARTS = "{sequence: [{event: add_to_cart}], then_not: purchase within 2h, last: 3d}"
TIMELINE = "[{at: 1d, event: add_to_cart, value: 500}]"


@pytest.fixture(scope="module")
def shipped():
    """What the shipped configuration knows."""
    return load_vocabulary()


@pytest.fixture
def write(home):
    """Write a journey's file."""

    def written(timeline: str, expect: str = "[]", more: str = ""):
        path = home / "journey.yaml"
        path.write_text(f"description: Words.\ntimeline: {timeline}\nexpect: {expect}\n{more}\n")
        return path

    return written


@pytest.fixture
def play(write):
    """For each segment, timeline and moments: the reason or None at each moment; all are played at once."""

    def verdicts(*asked: tuple[str, str, list[int]]):
        known = load_vocabulary()
        asks = [
            Asked(name, read_journey(write(timeline), known), tuple(at), "made.yaml") for name, timeline, at in asked
        ]
        found = simulate(asks, load_catalogue(known=known), known)
        return [[one[moment] for moment in ask.moments] for ask, one in zip(asks, found, strict=True)]

    return verdicts


def test_an_order_is_worth_its_lines_and_events_close_together_are_one_visit(write, shipped):
    order = "{at: 1h, event: order, times: 2, every: 1d, lines: [{value: 300}, {value: 200, category: TEA}]}"
    views = "{at: 2h, event: page_view, times: 2, every: 29m}, {at: 4h, event: page_view}"
    rows = enact([Copy(7, read_journey(write(f"[{order}, {views}]"), shipped), D)], shipped.events)
    (made,) = rows.found["customer_orders"]
    assert (made["total_cents"], made["ordered_epoch"]) == (500, AS_OF.epoch - 23 * H), "the second is yet to come"
    assert [line["amount_cents"] for line in rows.found["customer_order_lines"]] == [300, 200]
    visits = [event["session_id"] for event in rows.found["customer_events"]]
    assert visits[0] == visits[1] != visits[2]


def test_when_a_customer_enters_and_leaves_is_told_to_the_second(define, write):
    define("carts", CARTS)
    known = load_vocabulary()
    catalogue = load_catalogue(known=known)
    found = changes(watch(Asked("carts", read_journey(write(TIMELINE), known), ()), catalogue, known))
    reason = "1 cart in the last 3 days, without a web purchase within 2 hours, latest 1d"
    assert found == [(D + 2 * H, reason), (4 * D + 1, None)]


def test_a_change_that_no_window_announces_is_found_to_the_minute(define, write):
    define("silent", "{feature: recency_days, at_least: 3}")
    known = load_vocabulary()
    journey = read_journey(write("[{at: 10h 7m, event: order, value: 500}]", more="horizon: 9d"), known)
    ((at, reason),) = changes(watch(Asked("silent", journey, ()), load_catalogue(known=known), known))
    assert 0 <= at - (3 * D + 10 * H + 7 * 60) <= 60
    assert reason == "recency days 3"


def test_what_is_given_holds_from_its_time_on(define, play):
    define("best", "{score: clv_84d, top: {share: 0.1}, expected_value: {above: 500}}")
    define("lowest", "{feature: spend_cents_84d, bottom: {share: 0.5}}")
    define("champions", "{all: [{feature: frequency_score, equals: 5}, {attribute: birth_year, above: 1980}]}")
    define("agreed", "{consent: {purpose: marketing, channel: email}}")
    order, asked = "{at: 0, event: order, value: 500}", "consent: {purpose: marketing, channel: email}"
    given = {
        "best": "{at: 1d, scores: {clv_84d: 800}, places: {clv_84d: 0.9}}, {at: 3d, places: {clv_84d: 0.89}}",
        "lowest": "{at: 0, places: {spend_cents_84d: 0.5}}, {at: 1d, places: {spend_cents_84d: 0.49}}",
        "champions": "{at: 0, features: {frequency_score: 5}}, {at: 1d, profile: {birth_year: 1990}}",
        "agreed": f"{{at: 1d, {asked}}}, {{at: 3d, {asked}, granted: false}}",
    }
    found = play(*((name, f"[{order}, {more}]", [D, D + 1, 4 * D]) for name, more in given.items()))
    assert [_in(reasons) for reasons in found] == [
        [False, True, False],
        [False, True, True],
        [False, True, True],
        [False, True, False],
    ]


def test_who_came_in_is_seen_from_moment_to_moment_and_nobody_before_the_first_event(define, play):
    define("carts", CARTS)
    define("fresh", "{segment: carts, entered: 1d}")
    define("everybody", "{not: {event: order, ever: true}}")
    moments = [number * D // 2 for number in range(12)]
    fresh, everybody = play(("fresh", TIMELINE, moments), ("everybody", TIMELINE, [0, D, D + 1]))
    assert [clock(at) for at, why in zip(moments, fresh, strict=True) if why] == ["1d 12h", "2d"]
    assert everybody == [None, None, "no orders so far"]


def test_where_nothing_has_happened_yet_nobody_is_in(define, play):
    define("everybody", "{not: {event: order, ever: true}}")
    assert play(("everybody", TIMELINE, [0])) == [[None]]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{at: 1d, event: ordre}", "journey.yaml:2: timeline[0].event: there is no event 'ordre'; did you mean order"),
        ("{at: 1d, event: order, device: mobile}", "timeline[0].device: order has no device"),
        ("{at: tuesday, event: order}", "timeline[0].at: 'tuesday' is no place on the timeline: write days"),
        ("{at: 1d, evnt: order}", "timeline[0].evnt: unknown key; did you mean event"),
        ("{at: 1d, event: order, times: 3}", "timeline[0]: times and every go together"),
        ("{at: 1d, event: order_line}", "timeline[0].event: order lines come with their order"),
        ("{at: 1d}", "timeline[0]: say what happens (event:), or what is known"),
        ("{at: 1d, scores: {clv: 5}}", "timeline[0].scores.clv: there is no model 'clv'; did you mean clv_84d"),
        ("{at: 1d, places: {spend: 0.5}}", "timeline[0].places.spend: there is no model or feature 'spend'"),
        ("{at: 1d, places: {clv_84d: 90}}", "timeline[0].places.clv_84d: write 1 or less (found 90)"),
        (
            "{at: 1d, profile: {email: x}}",
            "timeline[0].profile.email: there is no attribute 'email'; it names a",
        ),
        ("{at: 1d, scores: {clv_84d: 5}, value: 3}", "timeline[0].value: value belongs to an event"),
    ],
)
def test_a_wrong_timeline_is_told_with_file_line_and_key(write, shipped, entry, said):
    with pytest.raises(ConfigError) as error:
        read_journey(write(f"[{entry}]"), shipped)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("{score: churn_28d, probability: {above: 0.5}}", "{at: 0, scores: {churn_28d: ...}}"),
        ("{feature: spend_cents_84d, top: {share: 0.1}}", "{at: 0, places: {spend_cents_84d: ...}}"),
        ("{feature: frequency_score, at_least: 4}", "{at: 0, features: {frequency_score: ...}}"),
    ],
)
def test_what_events_cannot_show_must_be_given(define, play, who, said):
    define("mine", who)
    with pytest.raises(ConfigError) as error:
        play(("mine", TIMELINE, [D]))
    assert str(error.value).startswith("made.yaml: timeline: segment mine asks for")
    assert said in str(error.value)


def test_a_number_of_customers_cannot_be_simulated(define, play):
    define("mine", "{feature: spend_cents_84d, top: {count: 10}}")
    with pytest.raises(ConfigError, match="takes 10 customers by spend_cents_84d"):
        play(("mine", "[{at: 0, places: {spend_cents_84d: 0.9}}]", [D]))


def test_the_command_shows_the_timeline_and_fails_by_exit_code(define, write, monkeypatch):
    define("carts", CARTS)
    journey = str(write(TIMELINE, "[{at: 1d 1h, member: true}, {at: 1d 3h, member: true}]"))
    shown = run("segments", "simulate", "carts", "--journey", journey, code=1)
    assert "enters: 1 cart in the last 3 days" in shown
    assert re.search(r"1d 1h .* NOT as expected: a member", shown)
    assert re.search(r"1d 3h .* as expected: a member", shown)
    assert "has no journey" in run("segments", "simulate", "carts", code=1)
    monkeypatch.setattr("ml.segments.play.play", lambda *_: [{"passed": True}])
    assert json.loads(run("segments", "simulate", "carts", "--json")) == [{"passed": True}]


def _in(reasons: list[str | None]) -> list[bool]:
    return [reason is not None for reason in reasons]
