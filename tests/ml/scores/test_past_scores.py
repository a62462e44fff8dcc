"""Scores of the past: from what was known then alone, taken where they were given then, made once."""

import pandas as pd
import pytest

from ml.models.spec import load_specs
from ml.scores import past
from ml.scores.past import TABLE, PastModels
from ml.times import parse_as_of
from tests.ml.models.shop import AS_OF, CUSTOMERS

UNTIL = parse_as_of(AS_OF)
THEN = UNTIL.minus(28)
HORIZON = 28


@pytest.fixture
def models(shop):
    return PastModels(shop, UNTIL)


def test_a_model_is_fitted_on_windows_that_had_closed_and_serves_until_it_is_stale(shop, models, built, monkeypatch):
    fits = []
    fit = past.fit_candidates
    monkeypatch.setattr(past, "fit_candidates", lambda spec, data, found: fits.append(data) or fit(spec, data, found))
    found = models.scores(["churn_28d"], THEN)
    (data,) = fits
    assert max(snapshot.as_of for snapshot in data.snapshots) == THEN.minus(HORIZON)
    assert found.missing == {}
    rows = found.rows.to_pandas()
    assert (len(rows), rows["as_of"].unique().tolist()) == (CUSTOMERS, [pd.Timestamp(THEN.at)])
    assert rows["model_version"].str.fullmatch(rf"refit \w+ {THEN.at:%Y-%m-%d}").all()
    assert rows["percentile"].max() == 1.0
    assert not shop.count("customer_scores"), "nobody is activated by what a backtest scores"

    stale = load_specs()["churn_28d"].gates.max_age_days
    later = models.scores(["churn_28d"], THEN.plus(stale)).rows.to_pandas()
    assert (len(fits), later["model_version"].unique().tolist()) == (1, rows["model_version"].unique().tolist())
    models.scores(["churn_28d"], THEN.plus(stale + 1))
    assert len(fits) == 2


def test_scores_are_made_once_and_again_when_what_they_rest_on_changes(shop, models, built, monkeypatch):
    first = models.scores(["churn_28d"], THEN).rows
    monkeypatch.setattr(past, "fit_candidates", lambda *_: pytest.fail("fitted again"))
    assert PastModels(shop, UNTIL).scores(["churn_28d"], THEN).rows.equals(first)
    monkeypatch.setattr(past, "code_hash", lambda: "other code")
    with pytest.raises(pytest.fail.Exception):
        PastModels(shop, UNTIL).scores(["churn_28d"], THEN)


def test_scores_that_were_given_then_are_taken_and_those_of_later_models_are_not(trained, built, monkeypatch):
    """Version 1 learnt until AS_OF: at AS_OF its scores are what was known, a day before they are not."""
    monkeypatch.setattr(PastModels, "_score", lambda self, spec, learnt, at: None)
    scores = {"kind": "probability", "model_version": "1", "score": 0.5, "percentile": 1.0, "rank": 1}
    more = {"low": None, "high": None, "offer_rank": None, "offer_lift": None, "top_reasons": "[]"}
    for at in (UNTIL, UNTIL.minus(1)):
        rows = pd.DataFrame([{"customer_key": 1, **scores, **more}])
        trained.write("customer_scores", rows, {"as_of": at, "model": "churn_28d"})
    models = PastModels(trained, UNTIL)
    assert models.scores(["churn_28d"], UNTIL).rows["score"].to_pylist() == [0.5]
    assert models.scores(["churn_28d"], UNTIL.minus(1)).rows["score"].to_pylist() == []


def test_a_model_without_the_history_it_needs_is_missing_and_says_why(shop, built):
    found = PastModels(shop, UNTIL).scores(["churn_28d"], parse_as_of("2023-03-01"))
    assert found.rows.num_rows == 0
    assert "churn_28d: " in found.missing["churn_28d"]
    assert shop.count(TABLE) == 0
