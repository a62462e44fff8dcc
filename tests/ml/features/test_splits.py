"""Training, calibration and test are apart in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import ConfigError, NotEnoughData
from ml.features.splits import snapshots
from ml.times import parse_as_of

days = st.integers(1, 120)


@given(horizon=days, step=days, count=st.integers(1, 12))
def test_no_label_window_reaches_into_a_later_role(horizon, step, count):
    """Every label window is closed, and ends before the next role's window begins."""
    end = parse_as_of("2018-01-01")
    made = snapshots(end, horizon, step, count)
    assert made.test.plus(horizon) == end
    assert made.calibrate.plus(horizon) <= made.test
    assert all(at.plus(horizon) <= made.calibrate for at in made.train)
    assert list(made.all) == sorted(set(made.all))
    assert len(made.train) == count
    assert {later.epoch - earlier.epoch for earlier, later in zip(made.train, made.train[1:], strict=False)} <= {
        step * 86_400
    }


def test_the_demo_year_has_six_training_snapshots():
    """Churn over 28 days with four weeks between snapshots, after the first 84 days of history."""
    made = snapshots("2018-01-01", 28, 28, 12, earliest="2017-03-26", at_least=6)
    assert len(made.train) >= 6
    assert str(made.test) == "2017-12-04T05:00:00+00:00"


def test_too_short_a_history_is_refused_with_what_is_needed():
    with pytest.raises(NotEnoughData, match=r"0 training snapshots fit .* 1 are needed.*84 days"):
        snapshots("2018-01-01", 28, 28, 3, earliest="2017-12-01")


@pytest.mark.parametrize("wrong", [{"horizon_days": 0}, {"step_days": 0}, {"count": 0}, {"at_least": 0}])
def test_numbers_must_be_positive(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        snapshots("2018-01-01", **{"horizon_days": 28, "step_days": 28, "count": 3} | wrong)


@given(horizon=days, step=days, room=st.integers(0, 500))
def test_calibration_shares_a_window_only_where_the_history_has_no_room_and_the_test_stays_apart(horizon, step, room):
    end = parse_as_of("2018-01-01")
    asked = {"earliest": end.minus(2 * horizon + room), "share": True}
    made = snapshots(end, horizon, step, 3, **asked)
    assert made.shared == (room < horizon)
    assert all(at.plus(horizon) <= made.test for at in (*made.train, made.calibrate))
    assert list(made.all) == sorted(set(made.all))


def test_sharing_a_window_does_not_make_up_for_a_history_shorter_than_two():
    with pytest.raises(NotEnoughData, match=r"0 training snapshots fit .* 56 days"):
        snapshots("2018-01-01", 28, 28, 3, earliest="2017-12-01", share=True)
