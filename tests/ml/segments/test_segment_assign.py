"""Building segments: entries, exits, reasons and holdouts; twice is once; one that fails stops no other."""

import pytest

from ml.errors import ConfigError, FatalError
from ml.segments.assign import build_segments, segment_names, sync_targets
from ml.sql import table
from ml.times import DAY, AsOf
from tests.ml.segments.worlds import AS_OF, World

NEXT = AS_OF.plus(1)
CARTS = "{sequence: [{event: add_to_cart}], then_not: purchase within 48h, last: 14d}"
TABLES = ("segment_members", "segment_changes", "segment_runs", "holdout_assignments")


def world(as_of: AsOf = AS_OF, *carts: int, customers: int = 6) -> World:
    """Customers 1 to 6; each of `carts` left a cart three days before `as_of`."""
    made = World(as_of)
    for key in range(1, customers + 1):
        made.customer(key, recency_days=key * 10, spend_cents_84d=key * 1000)
        made.consents.append((key, "marketing", "email", key % 2 == 0))
    for key in carts:
        made.event(key, "add_to_cart", 3 * DAY + key)
    return made


def test_members_have_their_reason_and_the_counts_add_up(duck, define):
    define("abandoners", CARTS, "holdout: 0.0")
    made = world(AS_OF, 1, 2, 2, 4)
    made.event(4, "purchase", DAY)  # more than 48 hours later: still abandoned
    made.event(5, "add_to_cart", 3 * DAY)
    made.event(5, "purchase", 2 * DAY)
    made.event(6, "add_to_cart", DAY)  # the 48 hours have not passed
    made.write(duck)
    (built,) = build_segments(str(AS_OF), warehouse=duck)
    assert built == {
        "name": "abandoners",
        "size": 3,
        "entered": 3,
        "left": 0,
        "held_out": 0,
        "suppressed": 1,
        "status": "ready",
        "reason": "",
    }
    reasons = dict(
        zip(*duck.read_arrow("segment_members", ["customer_key", "reason"]).to_pydict().values(), strict=True)
    )
    assert (
        reasons[2] == "2 carts in the last 14 days, without a web purchase within 48 hours, latest 2017-12-29 04:59 UTC"
    )
    assert reasons[1].startswith("1 cart in")


def test_size_is_held_out_and_suppressed_and_those_who_may_be_sent(duck, define):
    define("everybody", "{feature: recency_days, at_least: 0}", "holdout: 0.5")
    world(AS_OF, customers=40).write(duck)
    (built,) = build_segments(str(AS_OF), warehouse=duck)
    held_out = duck.read_arrow("segment_members", ["customer_key"], {"is_holdout": True})["customer_key"].to_pylist()
    assert built["held_out"] == len(held_out) > 0
    assert built["suppressed"] == sum(key % 2 == 1 for key in range(1, 41) if key not in held_out)


def test_entries_and_exits_are_kept_and_entered_at_is_carried_over(duck, define):
    define("abandoners", CARTS)
    world(AS_OF, 1, 2).write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    world(NEXT, 2, 3).write(duck)
    (built,) = build_segments(str(NEXT), warehouse=duck)
    assert (built["size"], built["entered"], built["left"]) == (2, 1, 1)
    changes = duck.read_arrow("segment_changes", ["customer_key", "change"], {"as_of": NEXT}, ["customer_key"])
    assert changes.to_pylist() == [
        {"customer_key": 1, "change": "left"},
        {"customer_key": 3, "change": "entered"},
    ]
    members = duck.read_arrow("segment_members", ["customer_key", "entered_at"], {"as_of": NEXT}, ["customer_key"])
    assert members.to_pylist() == [
        {"customer_key": 2, "entered_at": AS_OF.at},
        {"customer_key": 3, "entered_at": NEXT.at},
    ]
    assert duck.count("segment_changes", {"as_of": AS_OF}) == 2, "the first run's entries stay"


def test_running_again_changes_nothing_and_both_engines_agree(both_engines, define):
    define("abandoners", CARTS, "holdout: 0.5")
    define("watched", "{any: [{segment: abandoners}, {feature: recency_days, bottom: {count: 1}}]}", "holdout: 0.2")
    stored = []
    for warehouse in both_engines:
        two_runs(warehouse)
        before = everything(warehouse)
        build_segments(str(NEXT), warehouse=warehouse)
        assert everything(warehouse) == before
        stored.append(before)
    assert stored[0] == stored[1]
    assert len(stored[0]["segment_changes"]) == 11


def two_runs(warehouse) -> None:
    world(AS_OF, 1, 2, 3).write(warehouse)
    build_segments(str(AS_OF), warehouse=warehouse)
    world(NEXT, 2, 3, 4, 5).write(warehouse)
    build_segments(str(NEXT), warehouse=warehouse)


def everything(warehouse) -> dict[str, list[dict]]:
    keys = {name: list(table(name).key) for name in TABLES}
    return {name: warehouse.read_arrow(name, order_by=key).to_pylist() for name, key in keys.items()}


@pytest.mark.parametrize("written", range(4))
def test_a_build_killed_between_two_writes_ends_like_any_other(duck, define, monkeypatch, written):
    """`segment_runs` is written last: as long as it is missing, nobody takes the members for complete."""
    define("abandoners", CARTS, "holdout: 0.5")
    world(AS_OF, 1, 2, 3).write(duck)
    writes, write = iter(range(9)), duck.write

    def dying(*args, **kwargs):
        if next(writes) == written:
            raise KeyboardInterrupt
        return write(*args, **kwargs)

    monkeypatch.setattr(duck, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        build_segments(str(AS_OF), warehouse=duck)
    monkeypatch.setattr(duck, "write", write)
    assert duck.count("segment_runs") == 0
    build_segments(str(AS_OF), warehouse=duck)
    after_the_kill = everything(duck)
    for name in TABLES:
        duck.delete(name)
    build_segments(str(AS_OF), warehouse=duck)
    assert everything(duck) == after_the_kill


def test_a_late_event_changes_what_it_is_about_and_nothing_else(duck, define):
    define("abandoners", CARTS, "holdout: 0.5")
    define("near", "{feature: recency_days, below: 45}", "holdout: 0.5")
    made = world(AS_OF, 1, 2)
    made.write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    before = everything(duck)
    made.event(5, "add_to_cart", 4 * DAY)
    made.write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    after = everything(duck)
    assert after["segment_runs"][1] == before["segment_runs"][1], "the other segment's run is as it was"
    for name in ("segment_members", "segment_changes", "holdout_assignments"):
        new = [row for row in after[name] if row not in before[name]]
        assert [(row["segment"], row["customer_key"]) for row in new] == [("abandoners", 5)]
        assert [row for row in after[name] if row in before[name]] == before[name]


def test_a_segment_outside_its_limits_is_halted_and_the_others_go_on(duck, define):
    define("everybody", "{feature: recency_days, at_least: 0}", "limits: {maximum_share: 0.5}")
    define("nobody", "{feature: recency_days, above: 1000}")
    define("some", "{feature: recency_days, below: 30}", "limits: {maximum_size: 2}")
    world().write(duck)
    found = {one["name"]: one for one in build_segments(str(AS_OF), warehouse=duck)}
    assert {name: one["status"] for name, one in found.items()} == {
        "everybody": "halted",
        "nobody": "halted",
        "some": "ready",
    }
    assert found["everybody"]["reason"] == "6 of 6 customers, more than maximum_share 0.5"
    assert found["nobody"]["reason"] == "0 members, fewer than minimum_size 1"
    assert duck.count("segment_members", {"segment": "everybody"}) == 6, "its members can be looked at"


def test_a_missing_score_fails_its_segment_and_those_who_need_it_only(duck, define):
    define("risky", "{score: churn_28d, probability: {at_least: 0.5}}")
    define("risky_too", "{segment: risky}")
    define("some", "{feature: recency_days, below: 30}")
    define("broken", "{feature: recency, below: 30}")
    world().write(duck)
    found = {one["name"]: one for one in build_segments(str(AS_OF), warehouse=duck)}
    statuses = {"risky": "failed", "risky_too": "failed", "some": "ready", "broken": "invalid"}
    assert {name: one["status"] for name, one in found.items()} == statuses
    assert "churn_28d has no scores at 2018-01-01T05:00:00" in found["risky"]["reason"]
    assert "risky, which it names, is not built" in found["risky_too"]["reason"]
    assert "there is no feature 'recency'" in found["broken"]["reason"]
    with pytest.raises(FatalError, match="No segment could be built"):
        build_segments(str(AS_OF), ["risky"], warehouse=duck)


def test_scores_leave_their_version_in_the_run_and_their_value_in_the_reason(duck, define):
    define("risky", "{score: churn_28d, probability: {at_least: 0.4}}")
    made = world()
    made.scores["churn_28d"] = {1: (0.41, 1.0), 2: (0.1, 0.5)}
    made.write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    assert duck.read_arrow("segment_runs")["model_versions"].to_pylist() == ['{"churn_28d": "3"}']
    assert duck.read_arrow("segment_members")["reason"].to_pylist() == ["churn 28d probability 0.41"]


def test_without_features_there_is_nobody_to_choose_from(duck, define):
    define("some", "{feature: recency_days, below: 30}")
    with pytest.raises(FatalError, match="run build_features for it first"):
        build_segments(str(AS_OF), warehouse=duck)


def test_an_unknown_name_is_refused_before_anything_runs(duck, define):
    define("some", "{feature: recency_days, below: 30}")
    with pytest.raises(ConfigError, match="did you mean some"):
        build_segments(str(AS_OF), ["sone"], warehouse=duck)


def test_a_child_is_within_its_parent(duck, define):
    define("recent", "{feature: recency_days, below: 30}")
    define("recent_rich", "{feature: spend_cents_84d, at_least: 2000}", "parent: recent")
    world().write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    rows = duck.read_arrow("segment_members", ["customer_key", "reason"], {"segment": "recent_rich"}).to_pylist()
    assert rows == [{"customer_key": 2, "reason": "in recent since 2018-01-01; spend 84d 20.00"}]


def test_a_weekly_segment_stands_until_it_is_due_or_changed(duck, define):
    define("calm", CARTS, "refresh: weekly")
    world(AS_OF, 1).write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    world(NEXT, 2).write(duck)
    assert build_segments(str(NEXT), warehouse=duck)[0]["entered"] == 0, "not due: the members stay"
    assert duck.read_arrow("segment_members", ["customer_key"], {"as_of": NEXT})["customer_key"].to_pylist() == [1]
    define("calm", CARTS.replace("48h", "47h"), "refresh: weekly")
    assert build_segments(str(NEXT), warehouse=duck)[0]["entered"] == 1, "a changed definition is built at once"
    sizes = []
    for day in (6, 7):  # a carried run in between does not put off the day it is due
        world(NEXT.plus(day), 3, 4).write(duck)
        sizes.append(build_segments(str(NEXT.plus(day)), warehouse=duck)[0]["size"])
    assert sizes == [1, 2]


def test_names_and_targets_come_in_dependency_order(define):
    define("a", "{segment: b}", "destinations: [hubspot]")
    define("b", "{feature: recency_days, below: 30}", "destinations: [hubspot]")
    assert segment_names() == ["b", "a"]
    assert sync_targets() == [{"segment": name, "destination": "hubspot"} for name in ("b", "a")]
