"""Members who are carried over: whom a rule bars leaves at once, and after the last day nobody is carried."""

import pytest

from ml.segments.assign import build_segments
from ml.segments.compared import compared
from tests.ml.segments.test_segment_around import built
from tests.ml.segments.test_segment_assign import NEXT, world
from tests.ml.segments.worlds import AS_OF, World

EVERYBODY = "{feature: recency_days, at_least: 0}"
RISKY = "{score: churn_28d, probability: {at_least: 0.5}}"
STAFF = "{feature: spend_cents_84d, equals: 77}"
WIDE = "guard: {maximum_removal_share: 1.0, maximum_size_change: 0.1, minimum_members: 2}"


def scored(made: World, version: str = "3", likely: int = 3) -> World:
    """Let the model score: customers up to `likely` will probably leave."""
    made.scores["churn_28d"] = {key: (0.9 if key <= likely else 0.1, 1.0) for key in made.customers}
    made.version = version
    return made


def after(duck, *days: World) -> dict[str, dict]:
    """Build each day after the other; return the outcomes of the last."""
    found = []
    for made in days:
        made.write(duck)
        found = build_segments(str(made.as_of), warehouse=duck)
    return {one["name"]: one for one in found}


def hired(made: World) -> World:
    """Let customer 2 become one of the staff."""
    made.customer(2, recency_days=20, spend_cents_84d=77)
    return made


def test_in_a_group_who_comes_to_the_first_leaves_the_one_that_stands(duck, define):
    define("near", "{feature: recency_days, at_most: 30}", "exclusive_group: mails\npriority: 1")
    define("rest", EVERYBODY, "exclusive_group: mails\npriority: 2\nrefresh: weekly")
    later = world(NEXT)
    later.customer(4, recency_days=1, spend_cents_84d=4000)
    found = after(duck, world(), later)
    assert (built(duck, "rest"), built(duck, "near", NEXT), built(duck, "rest", NEXT)) == (
        [4, 5, 6],
        [1, 2, 3, 4],
        [5, 6],
    )
    assert (found["rest"]["left"], found["rest"]["status"]) == (1, "ready")
    runs = duck.read_arrow("segment_runs", ["evaluated_at"], {"segment": "rest", "as_of": NEXT})
    assert runs["evaluated_at"].to_pylist() == [AS_OF.at], "the others stand as they were"


@pytest.mark.parametrize("more", ["refresh: weekly\nexclude: [staff]", f"refresh: monthly\nexclude: [{STAFF}]"])
def test_who_comes_to_be_excluded_leaves_before_the_refresh(duck, define, more):
    define("staff", STAFF, "limits: {minimum_size: 0}")
    define("calm", EVERYBODY, more)
    after(duck, world(), hired(world(NEXT)))
    assert built(duck, "calm", NEXT) == [1, 3, 4, 5, 6]


def test_the_exclusions_of_the_house_hold_for_those_who_stand(duck, define, home):
    (home / "config" / "segmentation.yaml").write_text("exclude: [{segment: staff}]\n")
    define("staff", STAFF, "limits: {minimum_size: 0}")
    define("calm", EVERYBODY, "refresh: weekly")
    after(duck, world(), hired(world(NEXT)))
    assert built(duck, "calm", NEXT) == [1, 3, 4, 5, 6]


def test_without_young_scores_the_excluded_leave_and_the_others_stand(duck, define):
    asked = RISKY.replace("churn_28d,", "churn_28d, stale: skip,")
    define("waits", asked, f"exclude: [{STAFF}, {{score: churn_28d, stale: skip, probability: {{above: 0.95}}}}]")
    found = after(duck, scored(world()), hired(world(NEXT)))
    assert (found["waits"]["status"], built(duck, "waits", NEXT)) == ("ready", [1, 3])


def test_while_a_new_model_waits_the_excluded_leave(duck, define):
    define("risky", RISKY, f"exclude: [{STAFF}]\n{WIDE}")
    found = after(duck, scored(world()), hired(scored(world(NEXT), "4", likely=6)))
    assert "waits for approval: the segment would go from 2 to 5" in found["risky"]["reason"]
    assert compared("risky", str(NEXT), duck)["size_before"] == 2
    assert built(duck, "risky", NEXT) == [1, 3]


def test_who_stands_waits_for_those_who_bar(duck, define):
    define("risky", RISKY, "exclusive_group: mails\npriority: 1")
    define("rest", EVERYBODY, "exclusive_group: mails\npriority: 2\nrefresh: weekly")
    define("free", EVERYBODY, "refresh: weekly")
    found = after(duck, scored(world()), world(NEXT))
    assert {name: one["status"] for name, one in found.items()} == {
        "risky": "failed",
        "rest": "failed",
        "free": "ready",
    }


@pytest.mark.parametrize(
    ("who", "later"),
    [
        (RISKY.replace("churn_28d,", "churn_28d, stale: skip,"), world(NEXT)),
        (RISKY, world(NEXT)),
        (RISKY, scored(world(NEXT), "4", likely=6)),
    ],
    ids=["old scores will do", "no scores", "another model"],
)
def test_after_the_last_day_nothing_keeps_anybody(duck, define, who, later):
    define("spring", who, f"expires: 2018-01-02\n{WIDE}")
    found = after(duck, scored(world()), later)["spring"]
    assert (found["status"], found["size"], found["left"], found["reason"]) == (
        "expired",
        0,
        3,
        "expired on 2018-01-02",
    )
    assert duck.count("segment_versions") == 1, "nobody is asked"
    again = build_segments(str(NEXT), warehouse=duck)[0]
    assert (again["status"], again["size"]) == ("expired", 0)


def test_after_the_last_day_nobody_waits_for_what_a_rule_names(duck, define):
    define("risky", RISKY)
    define("spring", "{segment: risky}", "expires: 2018-01-02")
    found = after(duck, scored(world()), world(NEXT))
    assert (found["risky"]["status"], found["spring"]["status"], found["spring"]["left"]) == ("failed", "expired", 3)
