import pytest
import yaml

from ml.errors import ConfigError
from ml.masking import mask, mask_email
from ml.models.spec import load_specs
from ml.syncs.config import ScoreValue, destination, load_destinations

PROPERTY = {"name": "af_churn", "label": "Churn", "kind": "number", "value": {"score": "churn_28d"}}


def load(tmp_path, **changes):
    spec = {
        "platform": "hubspot",
        "connection": "hubspot_default",
        "audience_name": "AF {segment}",
        "rate": {"requests": 190, "seconds": 10},
        "properties": [PROPERTY],
        **changes,
    }
    path = tmp_path / "destinations.yaml"
    path.write_text(yaml.safe_dump({"destinations": {"hubspot": spec}}))
    return load_destinations(path)["hubspot"]


def test_the_shipped_file_is_right_and_names_models_that_exist():
    shipped = load_destinations()["hubspot"]
    scores = {p.value.score for p in shipped.properties if isinstance(p.value, ScoreValue)}
    assert scores <= set(load_specs())
    assert shipped.batch_rows == 100
    assert (shipped.rate.requests, shipped.rate.seconds) == (190, 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conection": "x"}, r"destinations.hubspot.conection: unknown key; did you mean connection"),
        ({"platform": "hubspott"}, r"destinations.hubspot.platform: Input should be 'hubspot'"),
        ({"audience_name": "AF"}, r"audience_name must contain \{segment\}"),
        ({"rate": {"requests": 0, "seconds": 10}}, r"rate.requests: .*greater than or equal to 1 \(found 0\)"),
        ({"guard": {"maximum_removal_share": 2}}, r"guard.maximum_removal_share"),
        ({"guard": {"on_empty": "ignore"}}, r"guard.on_empty: .*'error', 'skip' or 'send'"),
        ({"properties": [PROPERTY, PROPERTY]}, r"properties named twice: af_churn"),
        ({"properties": [{**PROPERTY, "name": "email"}]}, r"email is the sync's own column"),
        ({"properties": [{**PROPERTY, "value": {"score": "churn_28d", "decimal": 2}}]}, r"decimal"),
    ],
)
def test_a_wrong_file_names_key_and_what_is_allowed(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, **changes)
    assert "destinations.yaml" in str(caught.value)


def test_a_destination_that_does_not_exist_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"no destination 'hubsport'; did you mean hubspot\?"):
        destination("hubsport")


def test_audience_names_follow_the_pattern_or_the_exception(tmp_path):
    named = load(tmp_path, audience_names={"high_value": "Audience 12"})
    assert (named.name_of("lapsed"), named.name_of("high_value")) == ("AF lapsed", "Audience 12")


def test_addresses_are_masked_wherever_they_stand():
    assert mask_email("ann@example.com") == "a***@example.com"
    assert mask('{"id":"ann.lee+x@mail.example.com"}, bob@x.org.') == '{"id":"a***@mail.example.com"}, b***@x.org.'
    assert mask("phone=+1 (555) 010-1234;") == "phone=+***;"
    assert mask("nobody here at 12:00:00+00:00, +0.0123456789") == "nobody here at 12:00:00+00:00, +0.0123456789"
