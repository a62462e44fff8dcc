"""The journeys that ship with the segments: each made-up customer is in when it should be, and out when not."""

import pytest

from ml.segments.catalogue import load_catalogue
from ml.segments.journeys import journey_files, read_journey
from ml.segments.play import unmet
from ml.segments.vocabulary import load_vocabulary
from ml.settings import PROJECT_DIR

FOLDER = PROJECT_DIR / "config" / "segments"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
FILES = [(name, path) for name in NAMES for path in journey_files(FOLDER, name)]


@pytest.fixture(scope="module")
def found():
    """Every expectation that is not met, by file: all journeys are played at once."""
    known = load_vocabulary()
    journeys = [(name, read_journey(path, known)) for name, path in FILES]
    missed = unmet(journeys, load_catalogue(FOLDER, known), known)
    return {path: wrong for (_, path), wrong in zip(FILES, missed, strict=True)}


@pytest.mark.parametrize(("name", "path"), FILES, ids=[f"{name}-{path.stem}" for name, path in FILES])
def test_a_customer_is_in_when_it_should_be(name, path, found):
    assert found[path] == [], name


@pytest.mark.parametrize("name", NAMES)
def test_each_segment_has_journeys_into_it_and_past_it(name):
    known = load_vocabulary()
    journeys = [read_journey(path, known) for path in journey_files(FOLDER, name)]
    came = [any(one.member for one in journey.expect) for journey in journeys]
    assert any(came), "one that enters"
    assert not all(came), "one that never does"
    assert any(not one.member for journey in journeys for one in journey.expect)


def test_every_journey_belongs_to_a_segment():
    assert {path.parent.name for path in (FOLDER / "journeys").rglob("*.yaml")} == set(NAMES)


def test_the_guide_names_every_shipped_segment():
    guide = (PROJECT_DIR / "docs" / "segments.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in guide] == []
