"""What was generated before a moment does not change when nothing is bought from that moment on."""

from datetime import datetime, timedelta

import pyarrow.compute as pc
import pytest

from ml.sources.demo.companion import make_companion
from ml.sources.demo.journey import read_journey

CUT = datetime(2017, 9, 15, 17, 30)
TWO_HOURS = timedelta(hours=2)


@pytest.fixture(scope="module")
def worlds(panel):
    return [make_companion(read_journey(panel, before), seed=7) for before in (None, CUT)]


def _before(table, moment, column="event_at"):
    return table.filter(pc.less(table[column], moment))


def test_web_events_know_baskets_of_the_next_two_hours_only(worlds):
    full, cut = (_before(world.events, CUT - TWO_HOURS) for world in worlds)
    assert full.num_rows > 50_000
    assert full.equals(cut)


def test_the_removed_baskets_do_matter_afterwards(worlds):
    """Otherwise the test above would prove nothing."""
    full, cut = (world.events.filter(pc.equal(world.events["event_type"], "purchase")) for world in worlds)
    assert cut.num_rows < full.num_rows
    assert max(cut["event_at"].to_pylist()) < CUT < max(full["event_at"].to_pylist())
    later = [pc.sum(pc.greater_equal(world.events["event_at"], CUT)).as_py() for world in worlds]
    assert later[1] < 0.9 * later[0]


def test_messages_contacts_and_consents_know_nothing_of_later_baskets(worlds):
    full, cut = worlds
    assert _before(full.messages, CUT).equals(_before(cut.messages, CUT))
    assert full.contacts.equals(cut.contacts)
    assert full.consents.equals(cut.consents)


def test_a_purchases_visit_begins_within_two_hours_before_it(raw):
    longest = raw.one(
        """SELECT MAX(bought - started) FROM (SELECT MIN(event_at) AS started,
        MAX(event_at) FILTER (event_type = 'purchase') AS bought, MAX(event_at) AS ended
        FROM {web_events} GROUP BY session_id) WHERE bought IS NOT NULL AND bought = ended"""
    )
    assert timedelta(0) < longest < TWO_HOURS
