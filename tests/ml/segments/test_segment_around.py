"""What stands around a condition: parents, groups, exclusions, last days, old scores, degrees and moves."""

import pyarrow as pa
import pytest

from ml.errors import ConfigError
from ml.segments.assign import build_segments, check_ready
from ml.segments.catalogue import load_catalogue
from ml.segments.evaluate import Evaluator
from ml.segments.history import MEMBERS, MOVES, Previous
from ml.segments.vocabulary import load_vocabulary
from ml.times import AsOf
from tests.ml.segments.test_segment_assign import CARTS, NEXT, world
from tests.ml.segments.worlds import AS_OF, rows


def built(warehouse, name: str, as_of: AsOf = AS_OF) -> list[int]:
    where = {"segment": name, "as_of": as_of}
    return warehouse.read_arrow("segment_members", ["customer_key"], where, ["customer_key"])[
        "customer_key"
    ].to_pylist()


def test_of_an_exclusive_group_a_customer_is_in_the_first_only(duck, define):
    define("near", "{feature: recency_days, at_most: 30}", "exclusive_group: mails\npriority: 1")
    define("rich", "{feature: spend_cents_84d, at_least: 2000}", "exclusive_group: mails\npriority: 3")
    define("middle", "{feature: recency_days, between: [20, 40]}", "exclusive_group: mails\npriority: 2")
    world().write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    assert {name: built(duck, name) for name in ("near", "middle", "rich")} == {
        "near": [1, 2, 3],
        "middle": [4],
        "rich": [5, 6],
    }
    reasons = duck.read_arrow("segment_members", ["reason"], {"segment": "middle"})["reason"].to_pylist()
    assert reasons == ["recency days 40"], "what somebody is not is no reason"


def test_a_group_waits_for_those_who_come_first(duck, define):
    define("risky", "{score: churn_28d, probability: {at_least: 0.5}}", "exclusive_group: mails\npriority: 1")
    define("rest", "{feature: recency_days, at_least: 0}", "exclusive_group: mails\npriority: 2")
    define("free", "{feature: recency_days, at_least: 0}")
    world().write(duck)
    found = {one["name"]: one for one in build_segments(str(AS_OF), warehouse=duck)}
    assert {name: one["status"] for name, one in found.items()} == {
        "risky": "failed",
        "rest": "failed",
        "free": "ready",
    }


def test_those_who_are_excluded_are_not_members(duck, define):
    define("near", "{feature: recency_days, at_most: 30}", "exclude: [staff, {feature: spend_cents_84d, equals: 3000}]")
    define("staff", "{feature: spend_cents_84d, equals: 1000}")
    world().write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    assert (built(duck, "near"), built(duck, "staff")) == ([2], [1])


def test_the_exclusions_of_the_house_hold_for_all_but_those_that_they_name(duck, define, home):
    (home / "config" / "segmentation.yaml").write_text("exclude: [{segment: staff}]\n")
    define("near", "{feature: recency_days, at_most: 20}")
    define("staff", "{segment: badges}")
    define("badges", "{feature: spend_cents_84d, equals: 1000}")
    world().write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    assert (built(duck, "near"), built(duck, "staff"), built(duck, "badges")) == ([2], [1], [1])
    (home / "config" / "segmentation.yaml").write_text("exclude: [{segment: stuff}]\n")
    with pytest.raises(ConfigError, match=r"config/segmentation.yaml:1: exclude\[0\].segment: .* did you mean staff"):
        build_segments(str(AS_OF), warehouse=duck)


def test_after_its_last_day_nobody_is_a_member(duck, define):
    define("spring", "{feature: recency_days, at_most: 20}", "expires: 2018-01-02")
    world(AS_OF).write(duck)
    assert build_segments(str(AS_OF), warehouse=duck)[0]["size"] == 2
    world(NEXT).write(duck)
    (found,) = build_segments(str(NEXT), warehouse=duck)
    assert (found["size"], found["left"], found["status"]) == (0, 2, "expired")
    check_ready([found])


def test_scores_may_be_as_old_as_the_segment_allows(duck, define):
    define("risky", "{score: churn_28d, probability: {at_least: 0.4}, max_age: 1d}")
    define("waits", "{score: churn_28d, probability: {at_least: 0.4}, stale: skip}")
    made = world()
    made.scores["churn_28d"] = {1: (0.41, 1.0), 2: (0.1, 0.5)}
    made.write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    sizes, statuses = [], []
    for day in (1, 2):
        world(AS_OF.plus(day)).write(duck)
        found = {one["name"]: one for one in build_segments(str(AS_OF.plus(day)), warehouse=duck)}
        sizes.append({name: one["size"] for name, one in found.items()})
        statuses.append({name: one["status"] for name, one in found.items()})
    assert sizes == [{"risky": 1, "waits": 1}, {"risky": 0, "waits": 1}]
    assert statuses == [{"risky": "ready", "waits": "ready"}, {"risky": "failed", "waits": "ready"}]
    evaluated = duck.read_arrow("segment_runs", ["evaluated_at"], {"segment": "waits"})["evaluated_at"].to_pylist()
    assert set(evaluated) == {AS_OF.at}, "its members stand as its last run left them"


def test_a_degree_is_the_probability_or_the_share_of_points(duck, define):
    define("risky", "{score: churn_28d, probability: {at_least: 0.1}}", "membership: probability")
    points = (
        "{weight: [{points: 3, if: {feature: recency_days, below: 15}}, {points: 1, score: churn_28d}], at_least: 0.1}"
    )
    define("likely", points, "membership: probability")
    made = world()
    made.scores["churn_28d"] = {1: (0.4, 1.0), 2: (0.1, 0.5)}
    made.write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    rows = duck.read_arrow("segment_members", ["segment", "customer_key", "degree"]).to_pylist()
    assert {(row["segment"], row["customer_key"]): row["degree"] for row in rows} == {
        ("risky", 1): 0.4,
        ("risky", 2): 0.1,
        ("likely", 1): 0.85,
        ("likely", 2): 0.025,
    }


def test_who_entered_and_left_is_seen_from_the_runs(duck, define):
    define("abandoners", CARTS)
    define("new_ones", "{segment: abandoners, entered: 2d}")
    define("gone", "{segment: abandoners, left: 1d}")
    found = []
    for day, carts in enumerate([(1, 2), (2, 3), (2, 4)]):
        world(AS_OF.plus(day), *carts).write(duck)
        build_segments(str(AS_OF.plus(day)), warehouse=duck)
        found.append((built(duck, "new_ones", AS_OF.plus(day)), built(duck, "gone", AS_OF.plus(day))))
    assert found == [([], []), ([3], [1]), ([3, 4], [3])], "whom the first run finds did not enter"


def test_scores_and_runs_may_be_told_instead_of_read(duck, define):
    """A replay of the past uses what models and segments said then, and leaves no trace."""
    define("risky", "{score: churn_28d, probability: {at_least: 0.4}}")
    define("newly", "{segment: risky, entered: 1d}")
    made = world()
    made.scores["churn_28d"] = {1: (0.9, 1.0)}
    made.write(duck)
    scores = rows("customer_scores", [score(2, 0.5), score(3, 0.6), score(4, 0.1)])
    evaluator = Evaluator(duck, AS_OF, load_vocabulary(), given_history=Told(), given_scores=scores)
    catalogue = load_catalogue()
    with evaluator.trial(catalogue.needed("newly")) as batch:
        assert batch.members("risky")["customer_key"].to_pylist() == [2, 3]
        assert batch.members("newly")["customer_key"].to_pylist() == [3]
    assert evaluator.model_versions(catalogue.rules["risky"]) == '{"churn_28d": "7"}'
    assert duck.count("segment_members") == 0


def score(key: int, probability: float) -> dict:
    known = {"model": "churn_28d", "customer_key": key, "as_of": AS_OF.at, "model_version": "7"}
    return {**known, "score": probability, "percentile": 0.5, "rank": key}


class Told:
    """The day before, customer 2 was a member of everything; nothing is known of earlier days."""

    def previous(self, segment: str) -> Previous:
        before = AS_OF.minus(1).at
        member = {"customer_key": 2, "reason": "told", "entered_at": before, "degree": 1.0}
        return Previous(before, before, members=pa.Table.from_pylist([member], schema=MEMBERS))

    def built(self) -> set[str]:
        return set()

    def members(self, segment: str) -> pa.Table:
        raise AssertionError(segment)

    def moves(self, segment: str) -> pa.Table:
        return MOVES.empty_table()
