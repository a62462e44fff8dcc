"""Versions: a change within the guard is let in, one beyond it waits, and the active version goes on meanwhile."""

import json

import pytest

from ml.segments.approve import answer, build_approved, proposals
from ml.segments.assign import build_segments
from ml.segments.catalogue import load_catalogue
from ml.segments.compared import compared
from ml.segments.versions_pin import definition, restored
from ml.times import DAY, AsOf
from tests.ml.segments.test_segment_assign import NEXT, world
from tests.ml.segments.worlds import AS_OF

GUARD = "guard: {maximum_removal_share: 0.3, maximum_size_change: 0.5, minimum_members: 2}"
FAR = NEXT.plus(1)


def near(days: int) -> str:
    return f"{{feature: recency_days, at_most: {days}}}"


def build(duck, as_of: AsOf = AS_OF, **more) -> dict:
    (built,) = build_segments(str(as_of), warehouse=duck, **more)
    return built


def versions(duck) -> list[dict]:
    return duck.read_arrow("segment_versions", order_by=["segment", "version"]).to_pylist()


def members(duck, as_of: AsOf) -> list[int]:
    where = {"as_of": as_of}
    return duck.read_arrow("segment_members", ["customer_key"], where, ["customer_key"])["customer_key"].to_pylist()


@pytest.fixture
def ten(duck, define):
    """Customers 1 to 10, the last order of each ten days longer ago, and a segment of the nearest four."""
    define("near", near(40), GUARD)
    for at in (AS_OF, NEXT, FAR):
        world(at, customers=10).write(duck)
    build(duck)
    return duck


@pytest.fixture
def beyond(ten, define):
    """A change that would remove half: it waits."""
    define("near", near(20), GUARD)
    return build(ten, NEXT)


def test_the_first_version_and_a_change_within_the_guard_are_let_in(ten, define):
    define("near", near(50), GUARD)
    assert build(ten, NEXT)["reason"] == ""
    first, second = versions(ten)
    assert [(v["status"], v["active_from"], v["cause"]) for v in (first, second)] == [
        ("superseded", AS_OF.at, "first"),
        ("active", NEXT.at, "rule"),
    ]
    assert (second["size_before"], second["size"], second["entered"], second["left_count"]) == (4, 5, 1, 0)
    assert second["decided_by"] == "guard"
    assert members(ten, NEXT) == [1, 2, 3, 4, 5]


def test_beyond_the_guard_the_active_version_goes_on_and_says_so(ten, beyond):
    assert (beyond["status"], beyond["size"]) == ("ready", 4)
    assert beyond["reason"] == (
        "version 2 waits for approval: 2 of 4 members would be removed (50%), more than maximum_removal_share 30%; "
        "version 1 goes on"
    )
    assert members(ten, NEXT) == [1, 2, 3, 4]
    assert versions(ten)[1]["status"] == "proposed"


@pytest.mark.parametrize(
    ("days", "guard", "told"),
    [
        (
            90,
            "minimum_members: 9",
            "the segment would go from 4 to 9 members (+125%), more than maximum_size_change 50%",
        ),
        (80, "minimum_members: 9", ""),
        (50, "minimum_members: 2, minimum_overlap: 0.8", ""),
        (60, "minimum_members: 2, minimum_overlap: 0.8", "only 4 of 6 who are members before or after are both (67%)"),
    ],
)
def test_the_guard_asks_of_members_before_or_after_and_of_how_many_are_both(ten, define, days, guard, told):
    define("near", near(days), f"guard: {{maximum_size_change: 0.5, {guard}}}")
    reason = build(ten, NEXT)["reason"]
    assert (told in reason, bool(reason)) == (True, bool(told))


@pytest.mark.parametrize(("days", "told"), [(40, ""), (50, "nobody is a member, and 5 would be")])
def test_where_nobody_was_a_member_many_are_asked_of(ten, define, days, told):
    define("far", near(0), "guard: {minimum_members: 5}")
    build_segments(str(AS_OF), ["far"], warehouse=ten)
    define("far", near(days), "guard: {minimum_members: 5}")
    (found,) = build_segments(str(NEXT), ["far"], warehouse=ten)
    assert (told in found["reason"], bool(found["reason"])) == (True, bool(told))


def test_running_again_changes_nothing_while_a_version_waits(ten, beyond):
    before = versions(ten)
    assert build(ten, NEXT) == beyond
    assert versions(ten) == before


def test_a_person_sees_both_rules_and_who_leaves(ten, beyond):
    (asked,) = proposals(str(NEXT), warehouse=ten)
    assert asked["subject"] == "Let version 2 of near in?"
    assert "- Now: recency days at most 40\n- Then: recency days at most 20" in asked["body"]
    assert "| 4 | 2 | 0 | 2 | 2 | 0 |" in asked["body"]
    assert "| 3 | leaves | rule | was in: recency days 30 |" in asked["body"]
    assert proposals(str(FAR), warehouse=ten) == []


def test_an_approved_version_is_built_by_at_once_and_from_then_on(ten, beyond):
    asked = proposals(str(NEXT), warehouse=ten)
    assert build_approved(str(NEXT), asked, [beyond], warehouse=ten) == [beyond], "nobody has answered"
    assert answer("near", "2", approved=True, by="ada", note="planned", warehouse=ten)["status"] == "active"
    assert build_approved(str(NEXT), asked, [beyond], warehouse=ten)[0]["size"] == 2
    assert build(ten, FAR)["size"] == 2
    first, second = versions(ten)
    assert (first["status"], second["status"], second["decided_by"], second["reason"]) == (
        "superseded",
        "active",
        "ada",
        "planned",
    )
    assert answer("near", "2", approved=False, by="bob", warehouse=ten)["status"] == "active", "settled once"
    assert build(ten, AS_OF)["size"] == 4, "the past is built as it was"


def test_a_rejected_version_is_not_proposed_again(ten, beyond):
    answer("near", "2", approved=False, by="ada", note="too few", warehouse=ten)
    assert build(ten, FAR)["reason"] == "version 2 was rejected by ada (too few); version 1 goes on"
    assert members(ten, FAR) == [1, 2, 3, 4]
    assert proposals(str(FAR), warehouse=ten) == []


def test_a_file_that_is_changed_back_withdraws_what_waits(ten, beyond, define):
    define("near", near(40), GUARD)
    assert build(ten, FAR)["reason"] == ""
    assert versions(ten)[1]["status"] == "superseded"


def test_changes_may_be_accepted_by_the_run(ten, define):
    define("near", near(20), GUARD)
    assert build(ten, NEXT, accept_changes=True)["size"] == 2
    assert versions(ten)[1]["decided_by"] == "accept_changes"


def test_a_new_model_version_beyond_the_guard_leaves_the_members_of_the_run_before(duck, define):
    define("risky", "{score: churn_28d, probability: {at_least: 0.5}}", GUARD)
    for at, likely in ((AS_OF, 4), (NEXT, 8), (FAR, 4)):
        made = world(at, customers=10)
        made.scores["churn_28d"] = {key: (0.9 if key <= likely else 0.1, 1.0) for key in range(1, 11)}
        made.version = "4" if at == NEXT else "3"
        made.write(duck)
    build(duck)
    built = build(duck, NEXT)
    assert "waits for approval: the segment would go from 4 to 8 members (+100%)" in built["reason"]
    assert members(duck, NEXT) == [1, 2, 3, 4]
    proposed = versions(duck)[1]
    assert (proposed["cause"], proposed["model_versions"]) == ("model", '{"churn_28d": "4"}')
    assert (proposed["entered"], proposed["moved_by_rule"]) == (4, 0)
    assert json.loads(proposed["thresholds"]) == {"churn_28d": [{"probability": {"at_least": 0.5}}]}
    assert {row["cause"] for row in json.loads(proposed["sample"])} == {"score"}
    assert build(duck, FAR)["reason"] == "", "the model before scores again"


def test_when_rule_and_model_change_each_customer_is_told_apart(duck, define):
    from ml.segments.versions_diff import difference

    def table(*keys):
        import pyarrow as pa

        return pa.table({"customer_key": pa.array(keys, pa.int64()), "reason": pa.array(["x"] * len(keys))})

    found = difference(table(1, 2, 5), table(1, 3, 4), table(1, 2, 3), AS_OF)
    causes = {row["customer_key"]: (row["change"], row["cause"]) for row in found.moved.to_pylist()}
    assert causes == {
        2: ("entered", "score"),
        3: ("left", "rule"),
        4: ("left", "score"),
        5: ("entered", "rule"),
    }


def test_a_referring_segment_follows_the_version_in_force(ten, define):
    define("watched", "{segment: near}")
    define("near", near(20), GUARD)
    found = {one["name"]: one["size"] for one in build_segments(str(NEXT), warehouse=ten)}
    assert found == {"near": 4, "watched": 4}


def test_consent_limits_and_words_are_no_new_version(ten, define):
    define("near", near(40), "limits: {maximum_size: 3}")
    assert build(ten, NEXT)["status"] == "halted", "they hold at once"
    assert len(versions(ten)) == 1


CENTRES = "{near: {recency_days: 10}, far: {recency_days: 90}}"
CLUSTERS = f"""
clusters:
  groups: {{description: x, features: {{recency_days: {{spread: 1, missing: 0}}}}, centres: {CENTRES}}}
"""


@pytest.mark.parametrize(
    ("who", "change", "left"),
    [
        ("{lifecycle: dormant}", ("features.yaml", "dormant: 112", "dormant: 60"), [7, 8, 9, 10]),
        ("{cluster: groups, in: far}", ("clusters.yaml", "recency_days: 90", "recency_days: 170"), [6, 7, 8, 9]),
    ],
)
def test_other_bounds_or_centres_are_a_change_of_the_rule(shop, who, change, left):
    duck, define, config = shop
    define("away", who, GUARD)
    size = build(duck)["size"]
    before = load_catalogue().rules["away"]
    path = config / change[0]
    path.write_text(path.read_text().replace(*change[1:]))
    changed = load_catalogue().rules["away"]
    assert changed.digest({}) != before.digest({})
    assert restored(changed, definition(before)) == before
    found = build(duck, NEXT)
    assert (found["size"], "waits for approval" in found["reason"]) == (size, True), "members by the bounds of the pin"
    assert compared("away", str(NEXT), duck)["left"] == len(left)
    waiting = versions(duck)[1]
    assert [row["customer_key"] for row in json.loads(waiting["sample"]) if row["change"] == "left"] == left
    (asked,) = proposals(str(NEXT), warehouse=duck)
    assert "(the bounds of its stages or the centres of its clusters changed)" in asked["body"]
    answer("away", "2", approved=True, by="ada", warehouse=duck)
    assert build(duck, NEXT)["size"] == size - len(left)


@pytest.fixture
def shop(duck, define, home):
    """A clustering, and customers 1 to 10, whose one order is ten days longer ago for each."""
    (home / "config" / "clusters.yaml").write_text(CLUSTERS)
    for at in (AS_OF, NEXT):
        made = world(at, customers=10)
        for key in range(1, 11):
            made.order(key, key * 10 * DAY + 1)
        made.write(duck)
    return duck, define, home / "config"


def test_every_shipped_definition_is_kept_whole():
    for rule in load_catalogue().rules.values():
        assert restored(rule, definition(rule)) == rule
