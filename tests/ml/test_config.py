"""YAML files become frozen objects, and what is wrong is named."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from ml.config import read_yaml
from ml.errors import ConfigError
from ml.segments.events import load_events
from ml.segments.house import load_house_rules


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    threshold: float = 0.5


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    items: tuple[Inner, ...] = ()
    inner: Inner | None = None


def _error(tmp_path: Path, text: str) -> str:
    path = tmp_path / "thing.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path, Outer)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_an_unknown_key_names_the_nearest(tmp_path):
    assert "nam: unknown key; did you mean name?" in _error(tmp_path, "nam: x")


@pytest.mark.parametrize("text", ["name: x\nitems: [{treshold: 1}]", "name: x\ninner: {treshold: 1}"])
def test_an_unknown_key_below_names_its_place_and_the_nearest(tmp_path, text):
    message = _error(tmp_path, text)
    assert "treshold: unknown key; did you mean threshold?" in message


@pytest.mark.parametrize(
    ("file", "text", "load", "words"),
    [
        ("events.yaml", "web: {}\nwebb: {}", load_events, "webb: unknown key; did you mean web?"),
        ("segmentation.yaml", "attribute: []", load_house_rules, "attribute: unknown key; did you mean attributes?"),
        ("segmentation.yaml", "exclude: [{segmant: x}]", load_house_rules, "did you mean segment?"),
    ],
)
def test_the_files_for_all_segments_name_an_unknown_key(tmp_path, file, text, load, words):
    (tmp_path / file).write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert words in str(caught.value)
    assert file in str(caught.value)


def test_a_wrong_value_is_shown(tmp_path):
    assert "found 'high'" in _error(tmp_path, "name: x\ninner: {threshold: high}")


def test_broken_yaml_names_the_line(tmp_path):
    assert "line 2" in _error(tmp_path, "name: x\n  bad: [")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        read_yaml(tmp_path / "nowhere.yaml", Outer)
