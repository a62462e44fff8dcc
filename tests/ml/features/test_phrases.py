"""Features in words: every one of the catalogue has a phrase, and it reads well whatever the value."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ml.errors import ConfigError
from ml.features.catalogue import FeatureSpec, catalogue, target_features
from ml.features.phrases import tell
from ml.sql import Says, table

FEATURES = list((catalogue() | target_features()).values())


def _told(says: Says, values: list[object], **others: object) -> list[str]:
    kind = object if any(isinstance(value, str) for value in values) else float
    columns = {name: np.full(len(values), value) for name, value in others.items()}
    return tell(says, {**columns, "value": np.array(values, dtype=kind)}, "EUR").to_pylist()


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_every_feature_is_said_whatever_its_value(feature: FeatureSpec):
    values = [0.0, 1.0, 0.37, 41.0, 1234.5, np.nan] if feature.kind == "number" else ["at_risk", None, "DRUG GM"]
    others = dict.fromkeys(feature.says.names - {"value", "target", "done"}, 9.3)
    told = _told(feature.says, values, target="TEA", done="bought", **others)
    assert len(told) == len(values)
    for text in told:
        assert re.fullmatch(r"\w[^{}_|\n]{5,90}", text), text
        assert "nan" not in text
        assert not re.search(r"\b1 (orders|days|web sessions|messages|points|lines)\b", text), text


def test_a_feature_that_may_be_missing_says_so_in_words_of_its_own():
    nullable = [c for c in table("customer_features").columns if c.feature and not c.checks.not_null]
    assert [column.name for column in nullable if column.feature.says.missing is None] == []


def test_a_customer_is_compared_with_its_own_habit():
    says = catalogue()["recency_days"].says
    told = _told(says, [41.0, 1.0, 0.0, np.nan], mean_gap_days=9.2)
    assert told == [
        "no order for 41 days; usually every 9 days",
        "no order for 1 day; usually every 9 days",
        "ordered within the last day; usually every 9 days",
        "no order so far",
    ]
    assert _told(says, [41.0], mean_gap_days=np.nan) == ["no order for 41 days"], "a habit that is unknown is not told"
    assert _told(says, [41.0]) == ["no order for 41 days"], "nor one that the model does not see"


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        ("order|orders", 0, "no orders"),
        ("order|orders", 1, "1 order"),
        ("order|orders", 1234, "1,234 orders"),
        ("order|orders", np.nan, "an unknown number of orders"),
        ("days", 0.4, "less than a day"),
        ("every", 0.4, "every day"),
        ("every", 12.4, "every 12 days"),
        ("percent", 0.4567, "46%"),
        ("percent", 0.0123, "1.2%"),
        ("money", 1234, "12.34 EUR"),
        ("money", -123_456, "-1,235 EUR"),
        ("number", -0.001, "0"),
    ],
)
def test_formats(form: str, value: float, shown: str):
    assert _told(Says(text=f"{{value:{form}}}"), [value]) == [shown]


def test_text_from_outside_cannot_break_a_line():
    assert _told(Says(text="by {value}"), ["a\n\tb\x00c_d"]) == ["by a b c d"]


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(ConfigError, match="'day'; did you mean days"):
        _told(Says(text="{value:day}"), [1])


def test_a_template_that_names_no_feature_is_refused_with_its_file(tmp_path: Path):
    from ml.sql import load_tables

    folder = tmp_path / "3_features"
    folder.mkdir()
    says = "feature: {kind: number, impute: zero, group: g, says: {text: '{value}', usual: '{valeu}'}}"
    column = f"{{name: value, type: BIGINT, description: x, {says}}}"
    (folder / "t.yaml").write_text(f"description: x\ngrain: x\nkey: [value]\ncolumns:\n  - {column}\n")
    with pytest.raises(ConfigError, match=r"3_features/t.yaml: value.feature.says: there is no feature 'valeu'"):
        load_tables(tmp_path)
