"""The commands for authors: what they print, and the exit codes that a script may rely on."""

import json

import pytest
from typer.testing import CliRunner

from ml.cli import app
from ml.segments.assign import build_segments
from ml.segments.reference import page
from ml.settings import PROJECT_DIR, settings
from ml.times import DAY
from ml.warehouse import Warehouse
from tests.ml.segments.test_segment_assign import CARTS, world
from tests.ml.segments.worlds import AS_OF

GUIDE = PROJECT_DIR / "docs" / "segments.md"


def run(*words: str, code: int = 0) -> str:
    found = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
    assert found.exit_code == code, found.output
    return found.output


@pytest.fixture
def carts(define, duck):
    """Two segments over the default warehouse: customers 1 and 2 left a cart."""
    define("abandoners", CARTS)
    define("near", "{not: {feature: recency_days, above: 20}}")
    world(AS_OF, 1, 2, 2).write(duck)


def test_list_tells_the_rule_in_words(define):
    define("abandoners", CARTS, "holdout: 0.1")
    assert "a cart, without a web purchase within 48 hours, in the last 14 days" in run("segments", "list")
    (one,) = json.loads(run("segments", "list", "--json"))
    assert (one["name"], one["holdout"]) == ("abandoners", 0.1)


def test_lint_passes_and_fails_by_exit_code(define):
    define("abandoners", CARTS)
    assert "1 right, 0 wrong" in run("segments", "lint")
    define("wrong", "{event: purchses, last: 3d}")
    assert "wrong.yaml:7: who.event" in run("segments", "lint", code=1)
    assert "1 right, 0 wrong" in run("segments", "lint", "abandoners"), "only those that are asked for"
    assert set(json.loads(run("segments", "lint", "--json", code=1))["problems"]) == {"wrong"}
    run("segments", "lint", "nobody", code=1)


def test_lint_says_what_is_wrong_when_everything_is(define):
    define("wrong", "{event: purchses, last: 3d}")
    assert "did you mean purchase?" in run("segments", "lint", code=1)


def test_show_gives_the_sentence_and_sql_that_can_be_read(define):
    define("abandoners", CARTS)
    shown = run("segments", "show", "abandoners", "--as-of", "2018-01-01")
    assert "a cart, without a web purchase within 48 hours" in shown
    assert "WITH everybody AS" in shown
    assert "did you mean abandoners" in run("segments", "show", "abandoner", code=1)


def test_preview_counts_and_stores_nothing(carts):
    found = json.loads(run("segments", "preview", "abandoners", "--json"))
    assert (found["size"], found["as_of"]) == (2, str(AS_OF))
    assert found["share"] == pytest.approx(2 / 6)
    assert found["consent"] == {"purpose": "marketing", "channel": "email", "granted": 1}
    assert found["by"] == {key: {"unknown": 2} for key in ("country", "device", "value_band")}
    assert found["sample"][1]["reason"].startswith("2 carts in the last 14 days")
    assert Warehouse().count("segment_members") == 0
    assert "33.3% of everybody" in run("segments", "preview", "abandoners", "--sample", "0")


def test_explain_tells_each_condition_with_its_verdict(carts):
    found = json.loads(run("segments", "explain", "near", "--customer", "3", "--json"))
    assert not found["is_member"]
    assert found["conditions"] == [{"asked": "recency days above 20", "known": "recency days 30", "holds": True}]
    assert "Customer 1 is in abandoners" in run("segments", "explain", "abandoners", "--customer", "1")
    assert "not known" in run("segments", "explain", "near", "--customer", "77", code=3)


def test_what_is_looked_at_says_where_the_members_that_are_built_differ(define, duck):
    guard = "refresh: weekly\nguard: {minimum_members: 2, maximum_removal_share: 0.1}"
    define("near", "{feature: recency_days, at_most: 40}", guard)
    world(AS_OF).write(duck)
    first = json.loads(run("segments", "preview", "near", "--json"))
    weekly = "members stand until the weekly refresh; this is evaluated anew"
    assert (first["version"], first["notes"]) == (0, [weekly])
    build_segments(str(AS_OF), warehouse=duck)
    assert json.loads(run("segments", "preview", "near", "--json"))["notes"] == [weekly]
    define("near", "{feature: recency_days, at_most: 20}", guard)
    build_segments(str(AS_OF), warehouse=duck)
    found = json.loads(run("segments", "explain", "near", "--customer", "3", "--json"))
    assert (found["is_member"], found["version"]) == (False, 1)
    assert found["definition_hash"] != first["definition_hash"]
    other, waits, _ = found["notes"]
    assert other == f"members are built by version 1 ({first['definition_hash']}), of another definition"
    assert waits.startswith("version 2 waits: 2 of 4 members would be removed")
    assert "But members are built by version 1" in run("segments", "preview", "near")


def test_a_text_that_no_row_has_is_said_with_the_nearest_that_one_has(define, duck):
    made = world(AS_OF)
    made.event(1, "add_to_cart", DAY, device="mobile", product_id="p1")
    made.order(1, DAY, channel="store")
    made.write(duck)
    carts = "{event: add_to_cart, where: {device: [Mobil, mobile], product: p1}, last: 7d}"
    define("mobile_carts", f"{{all: [{carts}, {{not: {{context: channel, in: web, ever: true}}}}]}}")
    notes = json.loads(run("segments", "preview", "mobile_carts", "--json"))["notes"]
    assert notes == [
        "no row of customer_events has 'Mobil' as device; did you mean mobile?",
        "no row of customer_orders has 'web' as channel; there are: store",
    ]
    assert "did you mean mobile?\n" in run("segments", "explain", "mobile_carts", "--customer", "1")


def test_a_consent_and_an_outcome_that_nobody_has_are_said_too(define, duck):
    made = world(AS_OF)
    made.line(1, DAY, "p1", 100)
    made.write(duck)
    define("asked", "{consent: {purpose: marketting, channel: email}}", "outcome: {order: {within: 28d, product: p2}}")
    assert json.loads(run("segments", "preview", "asked", "--json"))["notes"] == [
        "no row of customer_consents has 'marketting' as purpose of a consent; did you mean marketing?",
        "no row of customer_order_lines has 'p2' as product; there are: p1",
    ]


def test_an_expired_segment_says_so(define, duck):
    define("old", "{feature: recency_days, at_most: 90}", "expires: 2017-12-01")
    world(AS_OF).write(duck)
    assert "But it expired on 2017-12-01" in run("segments", "explain", "old", "--customer", "1")
    assert "expires      2017-12-01" in run("segments", "show", "old")


def test_list_says_what_is_wrong_with_the_files_that_it_leaves_out(define):
    define("abandoners", CARTS)
    define("wrong", "{event: purchses, last: 3d}")
    (settings().config_dir / "segments" / "folder.yaml").mkdir()
    assert "did you mean purchase?" in run("segments", "list")


def test_an_empty_warehouse_is_no_defect(define):
    define("abandoners", CARTS)
    assert "run build_features first" in run("segments", "preview", "abandoners", code=3)


def test_the_generated_pages_are_current():
    assert "up to date" in run("docs", "--check")


def test_the_reference_is_remade_between_its_marks_only():
    text = GUIDE.read_text()
    assert page(text) == text, "run `audienceflow docs`"
    spoilt = text.replace("| `above` |", "| `beyond` |")
    assert spoilt != text
    assert page(spoilt) == text


def test_a_change_is_shown_waits_and_is_let_in(define, duck):
    guard = "guard: {minimum_members: 2, maximum_removal_share: 0.1}"
    define("near", "{feature: recency_days, at_most: 40}", guard)
    world(AS_OF).write(duck)
    assert "was never built: its first version would have 4" in run("segments", "diff", "near")
    build_segments(str(AS_OF), warehouse=duck)
    define("near", "{feature: recency_days, at_most: 20}", guard)
    found = json.loads(run("segments", "diff", "near", "--json"))
    assert (found["size_before"], found["size"], found["left"], found["moved_by_rule"]) == (4, 2, 2, 2)
    assert found["exceeds"].startswith("2 of 4 members would be removed")
    assert duck.count("segment_versions") == 1, "nothing is stored"
    run("segments", "approve", "near", "--reason", "x", code=1)
    build_segments(str(AS_OF), warehouse=duck)
    assert "proposed" in run("segments", "versions", "near")
    assert "Version 2 of near is active" in run("segments", "approve", "near", "--reason", "agreed")
    assert build_segments(str(AS_OF), warehouse=duck)[0]["size"] == 2


def test_health_tells_by_its_exit_code_whether_there_is_something_to_do(carts, duck):
    build_segments(str(AS_OF), warehouse=duck)
    found = json.loads(run("segments", "health", "--json", "--html", code=1))
    assert {one["kind"] for one in found["verdicts"]} >= {"small", "unused"}
    assert found["page"].endswith("segment_health_2018-01-01.html")
    assert "Outcomes are not known yet" in run("segments", "health", code=1)


def test_schema_prints_what_editors_read():
    assert run("segments", "schema") == (PROJECT_DIR / "docs" / "segment.schema.json").read_text() + "\n"
