"""Every block of YAML in the guide is right: segments and templates can be read, journeys go as they are said to."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from ml.segments.catalogue import Catalogue, load_catalogue
from ml.segments.journeys import read_journey
from ml.segments.play import unmet
from ml.segments.vocabulary import load_vocabulary
from ml.settings import PROJECT_DIR

GUIDE = (PROJECT_DIR / "docs" / "segments.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
OTHERS = re.findall(r"^```\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
WORDS = dict.fromkeys(("description", "goal", "owner", "action"), "x")
WORDS |= {"consent": {"purpose": "marketing", "channel": "email"}, "who": {"event": "order", "ever": True}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The shipped segments with those of the guide beside them."""
    made = tmp_path_factory.mktemp("guide") / "segments"
    shutil.copytree(PROJECT_DIR / "config" / "segments", made)
    for number, block in enumerate(BLOCKS):
        for place, said in definitions(number, block):
            path = made / f"{place}.yaml"
            path.write_text(yaml.safe_dump(said, sort_keys=False))
    return made


def definitions(number: int, block: str) -> list[tuple[str, dict]]:
    """What a block defines, by the file's name; what it leaves out is filled in. A journey defines nothing."""
    if block.startswith("outcome:"):  # one segment a line
        return [(f"outcome_{at}", filled(f"outcome_{at}", line)) for at, line in enumerate(block.splitlines())]
    said = yaml.safe_load(block)
    if "timeline" in said:
        return []
    if "parameters" in said:
        use = {"name": f"of_template_{number}", "template": f"template_{number}"}
        return [(f"templates/template_{number}", WORDS | said), (use["name"], use)]
    name = said.get("name", f"example_{number}")
    return [(name, said if "template" in said else filled(name, block))]


def filled(name: str, block: str) -> dict:
    return {"name": name, **WORDS, **yaml.safe_load(block)}


@pytest.fixture(scope="module")
def loaded(folder) -> Catalogue:
    return load_catalogue(folder)


def test_the_definitions_are_right(loaded):
    assert loaded.problems == {}
    asked = {"coffee_lovers", "cart_abandoners_evening", "outcome_0", "outcome_4"}
    assert asked <= {*loaded.segments}
    assert any(name.startswith("of_template_") for name in loaded.segments)


def test_the_journeys_go_as_they_are_said_to(loaded, tmp_path):
    known, blocks = load_vocabulary(), [block for block in BLOCKS if "\ntimeline:" in block]
    path = tmp_path / "journey.yaml"
    path.write_text("".join(blocks))
    assert unmet([("coffee_lovers", read_journey(path, known))], loaded, known) == [[]]


def test_no_block_of_yaml_is_left_unmarked():
    assert [block for block in OTHERS if re.match(r"[a-z_]+:( |\n  )", block)] == []
