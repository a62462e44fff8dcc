"""A definition is read whole or refused with a message that a marketer can act on."""

import textwrap
from dataclasses import replace

import pytest

from ml.errors import ConfigError
from ml.segments.catalogue import Catalogue, load_catalogue
from ml.segments.language import read_segment
from ml.settings import PROJECT_DIR
from tests.ml.segments.worlds import known
from tests.ml.segments.wrong import FILES, WRONG

GOOD = """\
name: {name}
description: Words.
goal: Words.
owner: Words.
action: Words.
consent: {{purpose: marketing, channel: email}}
who: {who}
"""


def write(folder, name, who, extra=""):
    (folder / f"{name}.yaml").write_text(GOOD.format(name=name, who=who) + textwrap.dedent(extra))


@pytest.fixture
def catalogue(tmp_path):
    """Write the given definitions beside one that is right, and load them all."""

    def load(**definitions: str) -> Catalogue:
        write(tmp_path, "buyers", "{event: order, last: 30d}")
        for name, who in definitions.items():
            write(tmp_path, name, who)
        return load_catalogue(tmp_path, known())

    return load


@pytest.mark.parametrize(("who", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_definition_is_named_with_its_line(catalogue, who, words):
    """File, line, key, what is allowed or nearest; the right definition beside it goes on."""
    found = catalogue(wrong=who)
    assert words in found.problems["wrong"]
    assert "wrong.yaml" in found.problems["wrong"]
    assert ":7: " in found.problems["wrong"]
    assert list(found.segments) == ["buyers"]


@pytest.mark.parametrize(("extra", "words"), FILES.values(), ids=FILES)
def test_a_wrong_file_is_named(tmp_path, extra, words):
    write(tmp_path, "buyers", "{event: order, last: 30d}")
    write(tmp_path, "wrong", "{event: order, last: 30d}", extra)
    found = load_catalogue(tmp_path, known())
    assert words in found.problems["wrong"]
    assert list(found.segments) == ["buyers"]


def test_a_place_in_a_group_is_given_once(tmp_path):
    for name in ("first", "second"):
        write(tmp_path, name, "{event: order, last: 30d}", "exclusive_group: mails\npriority: 1\n")
    write(tmp_path, "buyers", "{event: order, last: 30d}")
    found = load_catalogue(tmp_path, known())
    assert ":9: priority: mails has priority 1 twice, in first and second" in found.problems["first"]
    assert list(found.segments) == ["buyers"]


def test_a_circle_through_a_group_or_a_ranking_is_named(tmp_path):
    write(tmp_path, "buyers", "{event: order, last: 30d}")
    write(tmp_path, "first", "{segment: second}", "exclusive_group: mails\npriority: 1\n")
    write(tmp_path, "second", "{event: order, last: 30d}", "exclusive_group: mails\npriority: 2\n")
    write(tmp_path, "best", "{feature: recency_days, top: {count: 3, within: good}}")
    write(tmp_path, "good", "{event: order, last: 30d}", "exclude: [best]\n")
    found = load_catalogue(tmp_path, known())
    assert ":7: who.segment: segments refer to each other in a circle: first -> sec" in found.problems["first"]
    assert ":8: exclusive_group: segments refer to each other in a circle: " in found.problems["second"]
    assert ":7: who.top.within: segments refer to each other in a circle: best -> good" in found.problems["best"]
    assert ":8: exclude[0].segment: segments refer to each other in a circle" in found.problems["good"]
    assert list(found.segments) == ["buyers"]


def test_a_destination_that_does_not_exist_is_named(tmp_path):
    write(tmp_path, "buyers", "{event: order, last: 30d}", "destinations: [hubspott]\n")
    with pytest.raises(ConfigError, match=r":8: destinations\[0\]: there is no destination.*did you mean hubspot"):
        load_catalogue(tmp_path, replace(known(), destinations=frozenset({"hubspot"})))


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("name: latin\ngoal: Café".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin.yaml:2: not readable as YAML: save the file as UTF-8"):
        read_segment(tmp_path / "latin.yaml")


def test_an_empty_file_says_what_is_missing(tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ConfigError, match="name: is missing"):
        read_segment(tmp_path / "empty.yaml")


def test_the_name_is_the_files(tmp_path):
    write(tmp_path, "buyers", "{event: order, last: 30d}")
    (tmp_path / "buyers.yaml").rename(tmp_path / "others.yaml")
    with pytest.raises(ConfigError, match="must be the file's name, 'others'"):
        read_segment(tmp_path / "others.yaml")


def test_a_cycle_is_named_and_blocks_only_those_who_need_it(catalogue):
    found = catalogue(
        a="{segment: b}", b="{any: [{segment: buyers}, {segment: c}]}", c="{segment: a}", d="{segment: a}"
    )
    assert "a -> b -> c -> a" in found.problems["a"]
    assert set(found.problems) == {"a", "b", "c", "d"}
    assert ":7: who.any[1].segment: segments refer to each other in a circle" in found.problems["b"]
    assert "d.yaml:7: who.segment: it refers to a, which cannot be built" in found.problems["d"]
    assert list(found.segments) == ["buyers"]


def test_the_order_follows_the_references(catalogue):
    found = catalogue(a="{segment: b}", b="{not: {segment: c}}", c="{segment: buyers}")
    assert list(found.segments) == ["buyers", "c", "b", "a"]


def test_when_everything_is_wrong_it_is_an_error(tmp_path):
    write(tmp_path, "wrong", "{segment: nobody}")
    with pytest.raises(ConfigError, match="no segment 'nobody'"):
        load_catalogue(tmp_path, known())
    with pytest.raises(ConfigError, match="add a YAML file"):
        load_catalogue(tmp_path / "none", known())


def test_a_name_nobody_has_is_answered_with_the_nearest(catalogue):
    with pytest.raises(ConfigError, match="did you mean buyers"):
        catalogue()["buyer"]


def test_the_hash_is_of_the_meaning(catalogue, tmp_path):
    before = catalogue(a="{segment: buyers}")
    digest = before.rules["a"].digest(before.rules)
    text = (tmp_path / "a.yaml").read_text()
    (tmp_path / "a.yaml").write_text("# a comment\n" + text.replace("goal: Words.", "goal: Other words."))
    same = load_catalogue(tmp_path, known())
    assert same.rules["a"].digest(same.rules) == digest, "words and comments do not count"
    write(tmp_path, "buyers", "{event: order, last: 31d}")
    other = load_catalogue(tmp_path, known())
    assert other.rules["a"].digest(other.rules) != digest, "what it refers to does"


def test_every_shipped_segment_is_right_and_says_what_it_is_for():
    folder = PROJECT_DIR / "config" / "segments"
    found = load_catalogue(folder)
    assert found.problems == {}
    assert len(found.segments) >= 20
    for name, segment in found.segments.items():
        assert segment.goal != segment.action, name
        assert segment.holdout > 0, name
        assert segment.destinations in {("hubspot",), ()}, name
        assert segment.guard is not None, name
