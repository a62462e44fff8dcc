"""Templates: a variant is a few lines, and what is wrong is said where it is written."""

import pytest

from ml.errors import ConfigError
from ml.segments.language import read_segment

TEMPLATE = """\
parameters:
  wait: {type: duration, default: 48h, description: How long.}
  often: {type: number, description: How often.}
description: Costs $$5, waits $wait.
goal: Words.
owner: Words.
action: Words.
consent: {purpose: marketing, channel: email}
holdout: 0.1
who:
  all:
    - {event: add_to_cart, last: "${wait}", at_least: $often}
"""


@pytest.fixture
def variant(tmp_path):
    """Read a segment of a template, each with lines of the test's own."""
    (tmp_path / "templates").mkdir()

    def read(more: str, template: str = TEMPLATE):
        (tmp_path / "templates" / "carts.yaml").write_text(template)
        (tmp_path / "mine.yaml").write_text(f"name: mine\ntemplate: carts\n{more}\n")
        return read_segment(tmp_path / "mine.yaml")[0]

    return read


def test_a_variant_is_an_ordinary_segment_with_its_values(variant):
    found = variant("with: {wait: 2h, often: 3}\nholdout: 0.2")
    said = found.who.model_dump(mode="json", exclude_none=True)
    assert said["all"] == [{"event": "add_to_cart", "last": "2h", "at_least": 3}]
    assert found.description == "Costs $5, waits 2h."
    assert found.holdout == 0.2, "the file's own key replaces the template's"
    assert variant("with: {often: 3}").who.all[0].last.seconds == 48 * 3600, "the default"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("with: {often: 3, wiat: 2h}", "mine.yaml:3: with.wiat: the template carts has no parameter 'wiat'; did you"),
        ("with: {often: 3, wait: soon}", "mine.yaml:3: with.wait: write a length of time such as"),
        ("with: {often: three}", "mine.yaml:3: with.often: write a number"),
        ("with: {often: [3]}", "mine.yaml:3: with.often: write a number, without quotes, not [3]"),
        ("with: {wait: 2h}", "mine.yaml:3: with: the template carts needs often: How often."),
        ("", "mine.yaml:2: template: the template carts needs often"),
        ("with: {often: 3}\nwho: {event: order, ever: true}", "mine.yaml:4: who: the template carts says who"),
        # Found after it was filled in: the value is wrong where it was given, the rest in the template.
        ("with: {often: 1.5}", "mine.yaml:3: who.all[0].at_least: write a whole number"),
        ("with: {often: 3}\nholdouts: 1", "mine.yaml:4: holdouts: unknown key; did you mean holdout?"),
    ],
)
def test_what_a_variant_says_wrongly_is_told_at_its_line(variant, more, said):
    with pytest.raises(ConfigError) as error:
        variant(more)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "$wait.",
            "$wiat.",
            "carts.yaml:4: description: the template declares no parameter 'wiat'; did you mean",
        ),
        ("$$5", "$5", "carts.yaml:4: description: after $ comes the name of a parameter"),
        ("$often", "3", "carts.yaml:3: parameters.often: nothing uses it; write $often"),
        ("default: 48h", "default: 48", "carts.yaml:2: parameters.wait.default: write a length of time"),
        ("type: number", "typ: number", "carts.yaml:3: parameters.often.typ: unknown key; did you mean type?"),
        ("holdout: 0.1", "holdout: 7", "carts.yaml:9: holdout: write 0.5 or less"),
    ],
)
def test_what_a_template_says_wrongly_is_told_in_its_file(variant, right, wrong, said):
    with pytest.raises(ConfigError) as error:
        variant("with: {often: 3}", TEMPLATE.replace(right, wrong))
    assert said in str(error.value)


def test_a_template_that_is_not_there_is_told_with_the_nearest(variant, tmp_path):
    variant("with: {often: 3}")
    (tmp_path / "mine.yaml").write_text("name: mine\ntemplate: cart\n")
    with pytest.raises(ConfigError, match=r"mine.yaml:2: template: there is no template 'cart'; did you mean carts\?"):
        read_segment(tmp_path / "mine.yaml")
