"""The schema that editors read: it takes what the language takes, and marks most of what is wrong."""

import json
from random import Random

import jsonschema
import pytest
import yaml

from ml.segments.schema import journey_schema, segment_schema
from ml.segments.templates import read_template, template_files
from ml.segments.vocabulary import load_vocabulary
from ml.settings import PROJECT_DIR
from tests.ml.segments.definitions import around, definition
from tests.ml.segments.worlds import known
from tests.ml.segments.wrong import WRONG

SHIPPED = sorted((PROJECT_DIR / "config" / "segments").glob("*.yaml"))
WORDS = dict.fromkeys(("name", "description", "goal", "owner", "action"), "words")
CONSENT = {"purpose": "marketing", "channel": "email"}


@pytest.fixture(scope="module")
def validator():
    schema = segment_schema(known())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_it_takes_whatever_a_person_may_write(validator):
    dice = Random(1)
    for _ in range(100):
        who = definition(dice, ["vip"])
        validator.validate({**WORDS, "consent": CONSENT, "who": who, **around(dice, ["vip"], who)})


@pytest.mark.parametrize(
    "case",
    [
        "an unknown feature",
        "an unknown comparison",
        "an unknown event",
        "a window of no unit",
        "an unknown stage",
        "an address",
    ],
)
def test_it_marks_wrong_names_and_keys(validator, case):
    assert not validator.is_valid({**WORDS, "consent": CONSENT, "who": yaml.safe_load(WRONG[case][0])})


def test_every_shipped_file_names_it_and_passes():
    templates = [read_template(path) for path in template_files(PROJECT_DIR / "config" / "segments")]
    validator = jsonschema.Draft202012Validator(segment_schema(load_vocabulary(), templates))
    assert SHIPPED
    for path in SHIPPED:
        text = path.read_text()
        assert text.startswith("# yaml-language-server: $schema=../../docs/segment.schema.json"), path
        validator.validate(json.loads(json.dumps(yaml.safe_load(text), default=str)))
    good = {"name": "x", "template": "cart_abandoners", "with": {"wait": "2h"}}
    validator.validate(good)
    wrong = ({"with": {"wiat": "2h"}}, {"template": "likely_buyers"}, {"who": {"event": "order", "ever": True}})
    assert not any(validator.is_valid({**good, **keys}) for keys in wrong)


def test_every_shipped_journey_names_its_schema_and_passes():
    validator = jsonschema.Draft202012Validator(journey_schema(load_vocabulary()))
    for path in (PROJECT_DIR / "config" / "segments" / "journeys").rglob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# yaml-language-server: $schema=../../../../docs/journey.schema.json"), path
        validator.validate(yaml.safe_load(text))
    said = {"description": "x", "timeline": [{"at": "1d", "event": "ordre"}]}
    assert not validator.is_valid(said)
    assert not validator.is_valid({**said, "timeline": [{"at": "1d", "evnt": "order"}]})
