"""Backtests end to end over a small past: replay, rows, page, command, and what may be activated."""

import json
import re
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from ml.cli import app
from ml.errors import ConfigError, GuardTripped, RegistryUnavailable
from ml.segments.assign import build_segments, check_ready
from ml.segments.backtest import backtest, backtest_new
from ml.settings import settings
from ml.syncs.audience import Audience
from ml.syncs.desired import load_desired
from ml.times import DAY
from ml.warehouse import Warehouse
from tests.ml.segments.worlds import AS_OF, World, rows

ENDS = [AS_OF.minus(7 * back) for back in (4, 3, 2, 1)]
ORDERED = "{event: order, last: 7d}"


def ordered(key: int) -> list[int]:
    """How many days before AS_OF a customer ordered; a second is missing from each."""
    return list(range(key, 40, key)) if key <= 20 else [34]


def in_week(until) -> set[int]:
    """Who ordered in the week before."""
    ago = (AS_OF.epoch - until.epoch) // DAY
    return {key for key in range(1, 31) if any(ago < day <= ago + 7 for day in ordered(key))}


@pytest.fixture
def past(define, duck, monkeypatch):
    """Thirty customers who are known for five weeks; customer n orders every n-th day, those above 20 only once.

    Features are as the tests want them; MLflow only remembers what it was given.
    """
    made = World()
    for key in range(1, 31):
        made.customer(key, recency_days=key)
        for ago in ordered(key):
            made.order(key, ago * DAY - 1, 1_000)
    made.write(duck)
    for at in ENDS:
        known = [{"customer_key": key, "as_of": at.at, "recency_days": key} for key in range(1, 31)]
        duck.write("customer_features", rows("customer_features", known), {"as_of": at})
    monkeypatch.setattr("ml.models.snapshots.ensure_features", lambda *_: None)
    logged = []

    def log_run(record):
        logged.append((record, {path.name: path.read_text() for path in record.folder.iterdir()}))
        return f"run {len(logged)}"

    monkeypatch.setattr("ml.models.registry.log_run", log_run)
    monkeypatch.setenv("AUDIENCEFLOW_BACKTESTS", "required")
    settings.cache_clear()
    return logged


def orders(duck, *placed: tuple[int, int]) -> None:
    """Add orders of customers so many days after AS_OF."""
    found = [
        {"order_id": f"late {n}", "customer_key": key, "ordered_epoch": AS_OF.epoch + days * DAY, "total_cents": 1}
        for n, (key, days) in enumerate(placed)
    ]
    before = duck.read_arrow("customer_orders")
    late = rows("customer_orders", [{"ordered_at": AS_OF.plus(1).at, "status": "placed", **one} for one in found])
    duck.write("customer_orders", before)
    with duck.session() as session:
        session.append("customer_orders", late)


def prove(duck, name="weekly", **asked) -> dict:
    (found,) = backtest([name], warehouse=duck, **asked)
    return found


def test_each_date_knows_what_was_known_then_and_what_came_of_it(past, define, duck):
    define("weekly", ORDERED, "outcome: {churn: 7d}")
    found = prove(duck, first="2017-12-04", last="2017-12-25")
    days = found["days"]
    assert [day["as_of"] for day in days] == [at.at for at in ENDS]
    week = [in_week(at) for at in [*ENDS, AS_OF]]
    expected = [(len(now), len(now - after)) for now, after in pairwise(week)]  # who ordered, and then did not
    assert [(day["members_asked"], day["hits"]) for day in days] == expected
    assert all(day["lift"] == 1.0 for day in days), "the base of a churn are those who ordered before: the members"
    assert (found["measured"], found["dates"], found["every_days"]) == (4, 4, 7.0)
    assert found["hits"] == sum(hits for _, hits in expected)


def test_what_came_later_changes_who_was_in_on_no_date(past, define, duck):
    define("weekly", ORDERED, "outcome: {order: 7d}")
    before = prove(duck)
    orders(duck, (25, 1), (26, 2))
    after = prove(duck)
    assert [day["size"] for day in after["days"]] == [day["size"] for day in before["days"]]


def test_entries_exits_and_what_a_guard_would_have_said(past, define, duck):
    guard = "guard: {maximum_removal_share: 0.2, minimum_members: 2}\nlimits: {maximum_share: 0.3}"
    define("weekly", ORDERED, f"outcome: {{order: 7d}}\n{guard}")
    define("also", "{feature: recency_days, at_most: 3}")
    first, second, *_ = prove(duck, first="2017-12-04", last="2017-12-25")["days"]
    assert (first["previous_as_of"], first["entered"], first["retention"]) == (None, None, None)
    assert second["previous_as_of"] == ENDS[0].at
    assert second["size"] == first["size"] + second["entered"] - second["left_count"]
    assert second["retention"] == pytest.approx(1 - second["left_count"] / first["size"])
    assert "more than maximum_share 0.3" in first["warning"]
    assert re.search(r"members would be removed \(\d+%\), more than maximum_removal_share 20%", second["warning"])
    assert json.loads(second["overlap"]) == {"also": [3, round(3 / second["size"], 4), round(3 / second["size"], 4)]}


def test_who_entered_another_segment_is_seen_from_date_to_date(past, define, duck):
    define("weekly", ORDERED)
    define("fresh", "{segment: weekly, entered: 14d}", "outcome: {order: 7d}")
    found = prove(duck, "fresh", first="2017-12-04", last="2017-12-25")
    who = [in_week(at) for at in ENDS]
    entered = [set(), *(now - before for before, now in pairwise(who))]  # nobody saw the first ones enter
    assert [day["size"] for day in found["days"]] == [0, *(len(now | last) for last, now in pairwise(entered))]


def test_a_base_of_its_own_and_another_segment_to_beat(past, define, duck):
    define(
        "often",
        "{feature: recency_days, at_most: 5}",
        "outcome: {order: 7d, among: {feature: recency_days, at_most: 20}}",
    )
    define("seldom", "{feature: recency_days, between: [11, 20]}")
    found = prove(duck, "often", first="2017-12-04", last="2017-12-25", against="seldom")
    assert (found["asked"], found["members_asked"], found["precision"]) == (4 * 20, 4 * 5, 1.0)
    assert found["gain"] > 0
    assert found["gain_low"] > 0
    assert "Against seldom" in found["headline"]


def test_rows_run_and_page_tell_the_same(past, define, duck):
    define("weekly", ORDERED, "outcome: {order: 7d}")
    define("also", "{feature: recency_days, at_most: 3}")
    found = prove(duck, first="2017-12-04", last="2017-12-25")
    (run,) = duck.read_arrow("segment_backtest_runs").to_pylist()
    assert {key: found[key] for key in run} == run
    stored = duck.read_arrow("segment_backtests", order_by=["as_of"]).to_pylist()
    assert [day["hits"] for day in stored] == [day["hits"] for day in found["days"]]
    (record, files), page = past[0], (settings().reports / found["report_path"]).read_text()
    assert record.metrics["lift"] == found["lift"]
    assert record.series[ENDS[0]]["size_by_date"] == stored[0]["size"]
    assert found["headline"] in files["summary.md"]
    assert files["backtest.html"] == page
    assert page.count("<svg") == 6
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", page.lower())
    assert not re.search(r"(src|href)=\"(?!#)", page), "it needs no other file"


def test_what_never_came_true_has_a_page_like_any_other(past, define, duck):
    define("weekly", ORDERED, "outcome: {order: {within: 7d, product: nothing}}")
    found = prove(duck, first="2017-12-04", last="2017-12-25")
    assert (found["hits"], found["precision"]) == (0, 0.0)
    assert "How often it came true" in (settings().reports / found["report_path"]).read_text()


def test_proving_again_replaces_what_was_there(past, define, duck):
    define("weekly", ORDERED, "outcome: {order: 7d}")
    prove(duck, first="2017-12-04", last="2017-12-25")
    prove(duck, last="2017-12-25", first="2017-12-18")
    assert duck.count("segment_backtests") == 2
    assert duck.count("segment_backtest_runs") == 1


def test_an_outcome_that_is_not_over_and_a_model_that_nobody_can_fit_are_told(past, define, duck):
    define("weekly", ORDERED, "outcome: {order: 10d}")
    open_ = prove(duck, last="2017-12-25", first="2017-12-18")["days"]
    assert [(day["status"], day.get("hits")) for day in open_] == [("measured", open_[0]["hits"]), ("open", None)]
    assert open_[1]["size"] is not None
    define("risky", "{score: churn_28d, top: {share: 0.2}}")
    found = prove(duck, "risky", last="2017-12-25", first="2017-12-18")
    assert {day["status"] for day in found["days"]} == {"not known"}
    assert "churn_28d: " in found["days"][0]["status_reason"]
    assert found["headline"].startswith("Nothing could be measured: churn_28d: ")
    assert found["measured"] == 0


def test_dates_that_are_none_are_refused(past, define, duck):
    define("weekly", ORDERED)
    for asked, words in [
        ({"first": "2018-01-01", "last": "2017-12-25"}, "0 dates"),
        ({"last": "2018-01-08"}, "end no later than the data"),
        ({"every": "7x"}, "not a length of time"),
        ({"every": "1m", "first": "2017-12-01"}, "400 dates at most"),
        ({"against": "monthly"}, "no segment 'monthly'"),
    ]:
        with pytest.raises(ConfigError, match=words):
            prove(duck, **asked)


def build(duck) -> dict[str, dict]:
    return {one["name"]: one for one in build_segments(str(AS_OF), warehouse=duck)}


def test_a_new_segment_is_kept_from_the_platforms_until_it_is_backtested(past, define, duck):
    define("weekly", ORDERED, "destinations: [hubspot]")
    built = build(duck)["weekly"]
    assert (built["status"], built["size"] > 0) == ("untested", True)
    assert "run `audienceflow segments backtest weekly`" in built["reason"]
    with pytest.raises(Exception, match="weekly is untested"):
        check_ready([built])
    where = Audience("weekly", "hubspot", None, "marketing", "email", None, ("weekly",))
    with pytest.raises(GuardTripped, match="segment weekly is untested"):
        load_desired(duck, where, AS_OF)
    assert backtest_new(str(AS_OF), warehouse=duck)[0]["name"] == "weekly"
    assert build(duck)["weekly"]["status"] == "ready"
    assert backtest_new(str(AS_OF), warehouse=duck) == [], "what is proven is not proven again"


def test_dates_without_a_member_prove_a_segment_only_where_it_may_be_empty(past, define, duck):
    define("nobody", "{event: search, last: 7d}", "outcome: {order: 7d}")
    assert prove(duck, "nobody", first="2017-12-18", last="2017-12-25")["measured"] == 2
    assert build(duck)["nobody"]["status"] == "untested"
    define("nobody", "{event: search, last: 7d}", "outcome: {order: 7d}\nlimits: {minimum_size: 0}")
    assert build(duck)["nobody"]["status"] == "ready"


def test_a_file_may_say_why_it_needs_no_backtest_and_a_deployment_that_none_do(past, define, duck, monkeypatch):
    define("weekly", ORDERED, "backtest: {skip: It is the law.}")
    define("monthly", "{event: order, last: 28d}")
    assert {name: one["status"] for name, one in build(duck).items()} == {"weekly": "ready", "monthly": "untested"}
    assert [one["name"] for one in backtest_new(str(AS_OF), ["weekly", "monthly"], duck)] == ["monthly"]
    define("third", "{event: order, last: 21d}")
    monkeypatch.setenv("AUDIENCEFLOW_BACKTESTS", "off")
    settings.cache_clear()
    assert {one["status"] for one in build(duck).values()} == {"ready"}


def test_a_changed_segment_goes_on_as_it_was_until_it_is_backtested(past, define, duck):
    define("weekly", ORDERED, "guard: {maximum_removal_share: 1.0, maximum_size_change: 9.0}")
    prove(duck)
    size = build(duck)["weekly"]["size"]
    define("weekly", "{event: order, last: 2d}", "guard: {maximum_removal_share: 1.0, maximum_size_change: 9.0}")
    waiting = build(duck)["weekly"]
    assert (waiting["status"], waiting["size"]) == ("ready", size)
    assert waiting["reason"].endswith("version 1 goes on")
    assert "was not backtested" in waiting["reason"]
    prove(duck)
    changed = build(duck)["weekly"]
    assert changed["size"] < size
    assert changed["reason"] == ""


def test_other_words_limits_or_destinations_need_no_new_backtest(past, define, duck):
    define("weekly", ORDERED)
    prove(duck)
    define("weekly", ORDERED, "holdout: 0.2\nlimits: {maximum_share: 0.9}\noutcome: {order: 3d}")
    assert build(duck)["weekly"]["status"] == "ready"


def test_what_could_not_be_measured_or_written_down_proves_nothing(past, define, duck, monkeypatch):
    define("weekly", ORDERED, "outcome: {order: 26w}")
    assert backtest_new(str(AS_OF), warehouse=duck)[0]["headline"].startswith("Nothing could be measured: no customer")
    assert build(duck)["weekly"]["status"] == "untested"

    def unreachable(record):
        raise RegistryUnavailable("MLflow does not answer")

    define("weekly", ORDERED)
    monkeypatch.setattr("ml.models.registry.log_run", unreachable)
    with pytest.raises(RegistryUnavailable):
        prove(duck)
    assert build(duck)["weekly"]["status"] == "untested"


def test_the_command_prints_a_table_or_json_and_exits_by_what_it_found(past, define, duck):
    define("weekly", ORDERED, "outcome: {order: 7d}")
    assert Warehouse().url == duck.url
    asked = ["segments", "backtest", "weekly", "--from", "2017-12-04", "--to", "2017-12-25", "--every", "7d"]
    shown = CliRunner().invoke(app, asked, env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "whether a customer orders within 7 days" in shown.output
    assert shown.output.count("2017-12-") == 4
    (found,) = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert found["measured"] == 4
    define("weekly", ORDERED, "outcome: {order: 9w}")
    assert CliRunner().invoke(app, asked).exit_code == 3
    assert CliRunner().invoke(app, ["segments", "backtest", "nobody"]).exit_code == 1
