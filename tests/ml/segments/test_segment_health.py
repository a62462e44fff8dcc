"""The over-segmentation report: what it finds in a catalogue that was made to be too large."""

import json

import pytest

from ml.segments.assign import build_segments
from ml.segments.health import Bounds, as_dict, health
from ml.segments.health_outcomes import Outcome, Totals, corrected
from ml.segments.health_page import render
from ml.segments.health_words import headline, untested, verdicts
from ml.times import DAY
from tests.ml.segments.test_segment_assign import world
from tests.ml.segments.worlds import AS_OF

LATER = AS_OF.plus(28)


@pytest.fixture
def crowded(duck, define):
    """Low keys order afterwards. Two segments are alike, one is small, and one tells nothing."""
    define("near", "{feature: recency_days, at_most: 200}", "destinations: [hubspot]")
    define("rich", "{feature: spend_cents_84d, at_most: 19000}", "destinations: [hubspot]")
    define("few", "{feature: recency_days, at_most: 20}", "destinations: [hubspot]")
    define("even", "{feature: recency_days, in: [" + ", ".join(str(n * 10) for n in range(2, 42, 2)) + "]}")
    world(AS_OF, customers=41).write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    later = world(LATER, customers=41)
    for key in range(1, 21):
        later.order(key, 20 * DAY, total_cents=1000 + key)
    later.write(duck)
    return duck


def test_overlap_coverage_and_outcomes_are_counted(crowded):
    found = health(str(AS_OF), crowded, Bounds(smallest=5, most=3))
    assert dict(found.sizes) == {"even": 20, "few": 2, "near": 20, "rich": 19}
    pairs = {(pair.one, pair.other): (pair.shared, pair.jaccard) for pair in found.pairs}
    assert pairs["near", "rich"] == (19, pytest.approx(19 / 20))
    assert len(pairs) == 6
    assert dict(found.counted) == {0: 11, 1: 10, 2: 10, 3: 9, 4: 1}
    assert (found.customers, found.in_none, found.in_many) == (41, 11 / 41, 1 / 41)
    near = found.outcomes["near"]
    assert (near.members.buyers, near.others.buyers, near.others.customers) == (20, 0, 21)
    assert near.members.mean == pytest.approx(10.105)
    assert near.members.spread == pytest.approx(0.0591608)
    assert near.by_rate < 0.001


def test_each_verdict_names_the_segments_and_the_next_step(crowded):
    found = health(str(AS_OF), crowded, Bounds(smallest=5, most=3))
    told = {one.kind: one for one in verdicts(found)}
    assert set(told) == {"alike", "indistinct", "small", "unused"}
    assert told["alike"].text == "near and rich share 19 customers: 95% of those in either."
    assert told["indistinct"].segments == ("even",)
    assert told["small"].text == "few has 2 members, fewer than 5."
    assert told["unused"].segments == ("even",)
    assert headline(found) == "4 of 4 segments need a look."
    html = render(found)
    assert "rich and near: 95%" in html
    assert "Sharpen the rule" in html
    json.dumps(as_dict(found))


def test_outcomes_that_lie_ahead_are_not_guessed(duck, define):
    define("near", "{feature: recency_days, at_most: 200}", "destinations: [hubspot]")
    world(AS_OF, customers=10).write(duck)
    build_segments(str(AS_OF), warehouse=duck)
    found = health(None, duck, Bounds(smallest=1))
    assert (found.as_of, found.cohort, dict(found.outcomes)) == (AS_OF, None, {})
    assert "28 days older than the latest data" in untested(found)
    assert untested(found) in render(found)


def test_many_tests_need_more_than_one_that_looks_rare():
    """Of twenty tests one below 0.05 is what chance gives; a single one is a finding."""
    totals = Totals(10, 5, 1.0, 1.0)
    lone = {"a": Outcome(totals, totals, 0.04, float("nan"))}
    many = lone | {str(n): Outcome(totals, totals, 0.5, float("nan")) for n in range(19)}
    assert corrected(lone)["a"].is_distinct(0.05)
    assert not corrected(many)["a"].is_distinct(0.05)
