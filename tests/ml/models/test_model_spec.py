"""Model files: what the project ships is valid, and what is wrong is named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ml.errors import ConfigError
from ml.features.catalogue import catalogue, target_features
from ml.models.features import model_features
from ml.models.spec import load_specs, model_spec
from ml.models.train import model_names
from ml.settings import PROJECT_DIR
from tests.ml.models.shop import CHURN, CLV

PROPENSITY = """
name: propensity
description: Buys.
task: propensity
horizon_days: 28
targets: [{department: TEA}, {category: BEERS/ALES}, {product: "12"}, {campaign_type: Type A, name: mailer}]
"""


def _write(folder: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        (folder / f"m{number}.yaml").write_text(text)
    return folder


def test_the_project_ships_its_models():
    names = model_names()
    assert {"churn_28d", "clv_84d", "offer_response"} <= set(names)
    assert len([name for name in names if name.startswith("propensity_")]) >= 3


def test_every_model_has_features_and_those_of_a_target_only_if_it_has_one():
    for spec in load_specs().values():
        found = set(model_features(spec))
        assert len(found) > 30
        assert (set(target_features()) <= found) == (spec.target is not None)


def test_a_list_of_targets_makes_one_model_each(tmp_path: Path):
    specs = load_specs(_write(tmp_path, PROPENSITY))
    assert list(specs) == [f"propensity_{name}" for name in ("tea", "beers_ales", "product_12", "mailer")]
    assert specs["propensity_beers_ales"].target.id == "category:BEERS/ALES"
    assert {spec.family for spec in specs.values()} == {"propensity"}
    assert {len(spec.siblings) for spec in specs.values()} == {4}, "they share one pass over the data"


def test_another_target_does_not_change_what_its_siblings_are(tmp_path: Path):
    before = load_specs(_write(tmp_path, PROPENSITY))["propensity_tea"].fingerprint()
    (tmp_path / "more").mkdir()
    more = PROPENSITY.replace("{department: TEA}", "{department: TEA}, {brand: Own}")
    assert load_specs(_write(tmp_path / "more", more))["propensity_tea"].fingerprint() == before


def test_groups_single_features_and_exclusions_select_the_columns(tmp_path: Path):
    chosen = "features: {groups: [recency], include: [orders_28d], exclude: [recency_bin]}\n"
    spec = load_specs(_write(tmp_path, CHURN + chosen))["churn_28d"]
    assert list(model_features(spec)) == ["recency_days", "tenure_days", "orders_28d"]
    group = "features: {exclude: [recency]}\n"
    (tmp_path / "other").mkdir()
    without = load_specs(_write(tmp_path / "other", CHURN + group))["churn_28d"]
    assert not {"recency_days", "tenure_days"} & set(model_features(without))


def test_a_sensitive_feature_is_seen_only_by_a_model_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = catalogue()
    marked = {**known, "recency_days": replace(known["recency_days"], sensitive=True)}
    monkeypatch.setattr("ml.models.features.catalogue", lambda: marked)
    texts = {"blind": CHURN, "asks": CHURN + "features: {include: [recency_days, orders_84d]}\n"}
    texts["may"] = CHURN + "features: {sensitive: [recency_days]}\n"
    sees = {}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        sees[name] = set(model_features(load_specs(_write(tmp_path / name, text))["churn_28d"]))
    assert sees["blind"] == set(known) - {"recency_days"}
    assert sees["asks"] == {"orders_84d"}
    assert sees["may"] == set(known)


def test_prose_does_not_change_the_fingerprint_and_a_parameter_does(tmp_path: Path):
    folders = [tmp_path / name for name in "abc"]
    texts = [
        CHURN,
        CHURN.replace("Falls silent.", "Goes quiet."),
        CHURN.replace("n_estimators: 30", "n_estimators: 31"),
    ]
    for folder, text in zip(folders, texts, strict=True):
        folder.mkdir()
        _write(folder, text)
    first, prose, other = (load_specs(folder)["churn_28d"].fingerprint() for folder in folders)
    assert first == prose != other


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CHURN.replace("horizon_days", "horizon_day"), r"horizon_day: unknown key; did you mean horizon_days"),
        (CHURN.replace("n_estimators", "estimators"), r"estimators: unknown key; did you mean n_estimators"),
        (CHURN.replace("lightgbm", "lightgmb"), r"lightgmb: unknown key; did you mean lightgbm"),
        (CHURN.replace("task: churn", "task: churning"), r"task: .*'churn'"),
        (CHURN.replace("{trials: 0", "{trial: 0"), r"search.trial: unknown key; did you mean trials"),
        (CHURN.replace("folds: 2", "folds: 1"), r"search.folds: .*greater than or equal to 2"),
        (CHURN + "weights: heavy\n", r"weights: .*'balanced'"),
        (CHURN.replace("horizon_days: 28", "horizon_days: 0"), r"horizon_days: .*greater than or equal to 1"),
        (CHURN.replace("active_window_days: 28\n", ""), "active_window_days: churn needs it"),
        (CLV.replace("calibration: level", "calibration: sigmoid"), "calibration: clv takes auto, level, btyd"),
        (
            CLV + "weights: balanced\n",
            "weights: clv expects amounts, in which no outcome is the rarer one; leave it out",
        ),
        (CLV + "candidates_: {}\n", r"candidates_: unknown key; did you mean candidates"),
        (CLV.replace("{xgboost", "{logistic: {C: 1}, xgboost"), "candidates: tweedie_glm and two_part are for clv"),
        (CHURN.replace("{lightgbm", "{two_part: {}, lightgbm"), "candidates: tweedie_glm and two_part are for clv"),
        (PROPENSITY.split("targets", maxsplit=1)[0], "targets: propensity needs some"),
        (CHURN + "targets: [TEA]\n", r"targets.0: .*say what it is, such as \{category: TEA\}"),
        (PROPENSITY.replace("product", "produkt"), r"targets.2.produkt: unknown key; did you mean product"),
        (
            PROPENSITY.replace("{department: TEA}", "{department: A, brand: B}"),
            r"targets.0: .*exactly one of",
        ),
        (PROPENSITY.replace('"12"', "12"), r"targets.2.product: .*valid string \(found 12\)"),
        (CHURN + "targets: [{department: TEA}]\n", "targets: propensity needs some, the others have none"),
        (
            CHURN + "features: {include: [recency_day]}\n",
            r"features.include: 'recency_day' .*did you mean recency_days",
        ),
        (
            CHURN + "features: {groups: [recencey]}\n",
            r"features.groups: 'recencey' does not exist; did you mean recency",
        ),
        (CHURN + "features: {exclude: [nothing_like_it]}\n", "features.exclude: 'nothing_like_it' does not exist"),
        (CHURN + "evaluation: {slices: [age_bend]}\n", "evaluation.slices: 'age_bend' .*did you mean age_band"),
        (CHURN + "evaluation: {contact_share: 0.8}\n", "evaluation.contact_share: .*less than or equal to 0.5"),
        ("", "name: Field required"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_and_nearest_name(tmp_path: Path, text: str, message: str):
    with pytest.raises(ConfigError, match=rf"m0\.yaml(.|\n)*{message}"):
        load_specs(_write(tmp_path, text))


def test_every_model_that_the_guide_shows_is_one(tmp_path: Path):
    text = (PROJECT_DIR / "docs" / "models.md").read_text()
    shown = [block for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "task:" in block]
    for number, block in enumerate(shown):
        (tmp_path / str(number)).mkdir()
        assert load_specs(_write(tmp_path / str(number), block))
    tasks = {re.search(r"^task: (\w+)", block, re.MULTILINE)[1] for block in shown}
    assert tasks >= {"churn", "clv", "propensity", "survival"}


def test_a_name_is_registered_once(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"m1\.yaml: name: churn_28d is registered twice"):
        load_specs(_write(tmp_path, CHURN, CHURN))


def test_an_unknown_model_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no model 'churn_29d' .*did you mean churn_28d"):
        model_spec("churn_29d")
