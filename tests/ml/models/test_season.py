"""The season note: said when the test's days of the year are in no training window, and only then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml.models.dataset import Snapshot, TrainingSet
from ml.models.season import season_note
from ml.times import parse_as_of


def _data(train: list[str], test: str) -> TrainingSet:
    nobody = pd.DataFrame()
    made = [Snapshot(parse_as_of(day), np.empty(0, int), nobody, nobody, np.empty(0)) for day in [*train, test]]
    return TrainingSet(tuple(made[:-1]), made[-1], made[-1])


@pytest.mark.parametrize(
    ("train", "test", "unseen"),
    [
        (["2017-08-01", "2017-11-01"], "2017-12-18", "100%"),  # autumn knows nothing of Christmas
        (["2016-12-15", "2017-11-01"], "2017-12-18", None),  # last year's Christmas does
        (["2017-12-05"], "2017-12-18", "43%"),  # to 18 December, and a week more
        (["2017-12-26"], "2019-01-02", None),  # the year's end is no end
        (["2017-01-01"], "2017-07-01", "100%"),
    ],
)
def test_days_of_the_year_that_no_training_window_saw_are_told(train: list[str], test: str, unseen: str | None):
    note = season_note(_data(train, test), 14)
    assert (note or "none").startswith(f"{unseen} of the test's days" if unseen else "none")


def test_the_note_names_both_windows():
    note = season_note(_data(["2017-08-01", "2017-11-01"], "2017-12-18"), 14)
    assert "(18 Dec 2017 to 31 Dec 2017)" in note
    assert "(01 Aug 2017 to 14 Nov 2017)" in note
