"""Whether the training has seen the season that the test lies in; if not, nobody knows what the season does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ml.models.dataset import TrainingSet
    from ml.times import AsOf

_YEAR = 365
_NEAR = 7  # days of the year this close are the same season


def season_note(data: TrainingSet, horizon_days: int) -> str | None:
    """Return what to know when days of the test window lie in no training window's season, of whatever year; else None.

    Compared by the day of the year, a week more or less.
    """
    test = _days([data.test.as_of], horizon_days)
    apart = np.abs(test[:, None] - _days((snapshot.as_of for snapshot in data.train), horizon_days)[None, :])
    unseen = float((np.minimum(apart, _YEAR - apart).min(axis=1) > _NEAR).mean())
    if unseen == 0:
        return None
    learnt = _span(data.train[0].as_of, data.train[-1].as_of, horizon_days)
    tested = _span(data.test.as_of, data.test.as_of, horizon_days)
    return (
        f"{unseen:.0%} of the test's days ({tested}) lie in a season that no training window "
        f"({learnt}) has seen in any year: what the season does is in the error, not in the model"
    )


def _days(starts: Iterable[AsOf], horizon_days: int) -> NDArray[np.int64]:
    """Return the days of the year in the windows that begin at `starts`."""
    first = np.array([start.at.timetuple().tm_yday for start in starts])
    return np.unique((first[:, None] + np.arange(horizon_days)[None, :]) % _YEAR)


def _span(first: AsOf, last: AsOf, horizon_days: int) -> str:
    return f"{first.at:%d %b %Y} to {last.at + timedelta(days=horizon_days - 1):%d %b %Y}"
