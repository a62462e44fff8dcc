"""A definition is read whole or refused with a message that a marketer can act on."""

import textwrap
from dataclasses import replace

import pytest

from ml.errors import ConfigError
from ml.segments.catalogue import Catalogue, load_catalogue
from ml.segments.language import read_segment
from ml.settings import PROJECT_DIR
from tests.ml.segments.worlds import known

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


WRONG = {
    "an unknown feature": ("{feature: recency_day, below: 3}", "who.feature: there is no feature 'recency_day'"),
    "nearest feature": ("{feature: recency_day, below: 3}", "did you mean recency_days?"),
    "an unknown comparison": ("{feature: recency_days, bellow: 3}", "who.bellow: unknown key; did you mean below?"),
    "no comparison": ("{feature: recency_days}", "say how recency_days compares"),
    "text for a number": ('{feature: recency_days, below: "3"}', "write a number here, not '3'"),
    "a number for text": ("{feature: lifecycle_stage, equals: 3}", "3 is not a text, but lifecycle_stage is"),
    "a value it never has": ("{feature: lifecycle_stage, equals: atrisk}", "did you mean at_risk?"),
    "a ranking of text": ("{feature: lifecycle_stage, top: {share: 0.1}}", "who.top: lifecycle_stage is a category"),
    "bounds that exclude all": ("{feature: recency_days, above: 9, below: 3}", "swap the bounds"),
    "a share of zero": ("{feature: recency_days, top: {share: 0}}", "who.top.share"),
    "share and count": ("{feature: recency_days, top: {share: 0.1, count: 3}}", "say share or count"),
    "an unknown model": ("{score: churn_28, top: {count: 3}}", "did you mean churn_28d?"),
    "a percentage": ("{score: churn_28d, probability: {at_least: 80}}", "80 percent is 0.8"),
    "a probability of an amount": ("{score: clv_84d, probability: {at_least: 0.8}}", "use expected_value"),
    "a contact that never pays": ("{score: churn_28d, break_even: {cost_cents: 9, value_cents: 9}}", "never pays"),
    "an unknown event": ("{event: purchses, last: 3d}", "did you mean purchase?"),
    "no window": ("{event: purchase}", "say when, once"),
    "two windows": ("{event: purchase, last: 3d, ever: true}", "say when, once"),
    "a window of zero": ("{event: purchase, last: 0d}", "a time of zero holds nothing"),
    "a window of no unit": ("{event: purchase, last: 30}", "who.last: 30 is not a length of time"),
    "a window turned round": ("{event: purchase, between: [30d, 60d]}", "write the longer time first"),
    "a count of zero or more": ("{event: purchase, at_least: 0, last: 3d}", "who.at_least"),
    "counts that exclude all": ("{event: purchase, at_least: 3, at_most: 2, last: 3d}", "at least 3 and at most 2"),
    "a property it has not": ("{event: order, where: {device: mobile}, last: 3d}", "order has no device"),
    "a country read as false": ("{event: purchase, where: {country: NO}, last: 3d}", "put them in quotes"),
    "a sequence of nothing": ("{sequence: [], last: 3d}", "who.sequence"),
    "a span of one": ("{sequence: [{event: purchase, within: 3m}], last: 3d}", "within spans a count"),
    "a limit before the first": ("{sequence: [{event: search, no_later_than: 3m}], last: 3d}", "follows nothing"),
    "a closing not understood": (
        "{sequence: [{event: search}], then_not: buy soon, last: 3d}",
        "`purchase within 24h`",
    ),
    "an unknown closing": ("{sequence: [{event: search}], then_not: buy within 3h, last: 3d}", "no event 'buy'"),
    "an unknown segment": ("{segment: buyer}", "did you mean buyers?"),
    "no condition": ("{evnt: purchase}", "'evnt' starts no condition; did you mean event?"),
    "two conditions": ("{event: purchase, segment: buyers}", "event and segment are two conditions"),
    "a bare word": ("{not: buyers}", "a condition is a mapping"),
    "an empty list": ("{all: []}", "who.all"),
    "half a consent": ("{consent: {purpose: marketing}}", "who.consent.channel: is missing"),
    "itself": ("{segment: wrong}", "in a circle: wrong -> wrong"),
}


@pytest.mark.parametrize(("who", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_definition_is_named_with_its_line(catalogue, who, words):
    """File, line, key, what is allowed or nearest; the right definition beside it goes on."""
    found = catalogue(wrong=who)
    assert words in found.problems["wrong"]
    assert "wrong.yaml" in found.problems["wrong"]
    assert ":7: " in found.problems["wrong"] or "circle" in words
    assert list(found.segments) == ["buyers"]


FILES = {
    "unknown key": ("colour: blue\n", ":8: colour: unknown key"),
    "a holdout of everybody": ("holdout: 1.0\n", "holdout: "),
    "a key twice": ("goal: Again.\n", ":8: goal is there twice; first on line 3"),
    "no parent": ("parent: nobody\n", "parent: there is no segment 'nobody'"),
    "limits turned round": ("limits: {minimum_size: 5, maximum_size: 2}\n", "maximum_size is below minimum_size"),
    "a guard's unknown key": ("guard: {max_removal: 0.1}\n", "guard.max_removal: unknown key"),
    "a refresh unknown": ("refresh: hourly\n", "refresh: "),
    "not YAML": ("who: [", "not readable as YAML"),
    "a NUL byte": ("# \0\n", "not readable as YAML"),
}


@pytest.mark.parametrize(("extra", "words"), FILES.values(), ids=FILES)
def test_a_wrong_file_is_named(tmp_path, extra, words):
    write(tmp_path, "buyers", "{event: order, last: 30d}")
    write(tmp_path, "wrong", "{event: order, last: 30d}", extra)
    found = load_catalogue(tmp_path, known())
    assert words in found.problems["wrong"]
    assert list(found.segments) == ["buyers"]


def test_a_destination_that_does_not_exist_is_named(tmp_path):
    write(tmp_path, "buyers", "{event: order, last: 30d}", "destinations: [hubspott]\n")
    with pytest.raises(ConfigError, match=r":8: destinations\[0\]: there is no destination.*did you mean hubspot"):
        load_catalogue(tmp_path, replace(known(), destinations=frozenset({"hubspot"})))


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
    assert "it refers to a, which cannot be built" in found.problems["d"]
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
    assert len(found.segments) >= 9
    for name, segment in found.segments.items():
        assert segment.goal != segment.action, name
        assert segment.holdout > 0, name
        assert segment.destinations == ("hubspot",), name
        assert segment.guard is not None, name
