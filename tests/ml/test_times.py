"""Points in time: a bare date is the business's midnight, and everything else is UTC."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import ConfigError
from ml.times import AsOf, from_epoch, parse_as_of


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2018-01-01", datetime(2018, 1, 1, 5)),
        ("2017-07-01", datetime(2017, 7, 1, 4)),  # daylight saving
        ("2018-01-01T05:00:00", datetime(2018, 1, 1, 5)),
        ("2018-01-01T00:00:00-05:00", datetime(2018, 1, 1, 5)),
        ("2018-01-01T05:00:00+00:00", datetime(2018, 1, 1, 5)),
        ("2018-01-01T05:00:00Z", datetime(2018, 1, 1, 5)),
    ],
)
def test_an_as_of_is_read_as_utc(home, text, utc):
    assert parse_as_of(text).at == utc


def test_what_is_not_a_date_is_refused_with_an_example(home):
    with pytest.raises(ConfigError, match="'yesterday' is not a date: write it as 2018-01-01"):
        parse_as_of("yesterday")


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_epoch_and_text_round_trip(epoch):
    point = from_epoch(epoch)
    assert point.epoch == epoch
    assert parse_as_of(str(point)) == point


def test_days_are_86400_seconds_across_daylight_saving():
    assert AsOf(datetime(2017, 3, 13, 4)).minus(days=1).epoch == AsOf(datetime(2017, 3, 12, 4)).epoch
