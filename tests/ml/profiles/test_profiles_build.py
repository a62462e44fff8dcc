"""The whole build on a small world: every stream of activity ends under one lasting key."""

import pytest

from ml.errors import ConfigError
from ml.profiles.build import build_profiles, write_contact_points
from ml.profiles.config import ProfilesConfig, load_profiles_config
from ml.sql import load_tables
from ml.warehouse import Warehouse
from tests.sql.golden import put

EVENT = {"source_name": "web", "event_type": "page_view"}
ORDER = {"source_name": "shop", "status": "placed", "currency": "USD", "channel": "store", "total_cents": 5}
CONTACT = {"source_name": "crm", "country": "US"}
MESSAGE = {"source_name": "esp", "message_id": "m", "event_type": "sent", "channel": "email"}


def fill(warehouse):
    """Ann: a household with two contacts, a device, mail. Bo: purchases only. A passer-by: nobody's."""
    contacts = [
        {"customer_ref": "crm:1", "linked_ref": "household:1", "email": "Ann@Example.com", "created_epoch": 50},
        {"customer_ref": "crm:2", "email": "ann@example.com", "phone": "212-555-0123", "created_epoch": 60},
    ]
    put(warehouse, "stg_customers", [CONTACT | row for row in contacts])
    orders = [
        {"order_id": "a", "customer_ref": "household:1", "ordered_epoch": 10},
        {"order_id": "b", "customer_ref": "household:2", "ordered_epoch": 20},
    ]
    put(warehouse, "stg_orders", [ORDER | row for row in orders])
    events = [
        {"event_id": "e1", "anonymous_id": "d1", "event_epoch": 5},
        {"event_id": "e2", "anonymous_id": "d1", "customer_ref": "household:1", "event_epoch": 6},
        {"event_id": "e3", "anonymous_id": "d9", "event_epoch": 7},
    ]
    put(warehouse, "stg_events", [EVENT | row for row in events])
    messages = [
        {"message_event_id": "m1", "email": " ANN@example.com", "event_epoch": 8},
        {"message_event_id": "m2", "email": "stranger@example.com", "event_epoch": 9},
    ]
    put(warehouse, "stg_messages", [MESSAGE | row for row in messages])


def profile_tables(warehouse):
    """Every row of every profile table but the log, whose times differ."""
    names = [t.name for t in load_tables().values() if t.stage == "2_profiles" and t.name != "identity_merges"]
    return {name: warehouse.read_arrow(name, order_by=load_tables()[name].key).to_pylist() for name in names}


def key(warehouse, identifier):
    return warehouse.read("customer_identities", where={"identifier": identifier})["customer_key"].item()


def test_every_stream_ends_under_one_key_and_strangers_are_counted(duck: Warehouse):
    fill(duck)
    found = build_profiles(warehouse=duck)
    assert found["customers"] == 2
    assert found["unresolved_events"] == 1
    assert found["unresolved_messages"] == 1
    ann, bo = key(duck, "crm:1"), key(duck, "household:2")
    assert duck.read("customer_orders", order_by=["order_id"])["customer_key"].tolist() == [ann, bo]
    assert duck.read("customer_events")["customer_key"].tolist() == [ann, ann]
    assert duck.read("customer_messages")["customer_key"].tolist() == [ann]
    assert key(duck, "+12125550123") == ann


def test_engines_agree_on_every_row(both_engines: tuple[Warehouse, Warehouse]):
    tables = []
    for warehouse in both_engines:
        fill(warehouse)
        build_profiles(warehouse=warehouse)
        tables.append(profile_tables(warehouse))
    assert tables[0] == tables[1]


def test_a_second_build_changes_nothing(duck: Warehouse):
    fill(duck)
    first = build_profiles(warehouse=duck)
    before = profile_tables(duck)
    assert build_profiles(warehouse=duck) == first
    assert profile_tables(duck) == before
    assert duck.count("identity_merges") == 0


def test_a_contact_that_joins_two_customers_merges_them_and_is_logged_even_when_killed(duck: Warehouse, monkeypatch):
    """The older key stays and the younger one's orders move under it; the log is written before the keys."""
    fill(duck)
    build_profiles(warehouse=duck)
    ann, bo = key(duck, "household:1"), key(duck, "household:2")
    put(duck, "stg_customers", [CONTACT | {"customer_ref": "crm:1", "linked_ref": "household:2", "source_name": "app"}])
    real = Warehouse._transact

    def dying(self, spec, *rest):
        if spec.name == "customer_identities":
            raise KeyboardInterrupt
        return real(self, spec, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Warehouse, "_transact", dying)
        with pytest.raises(KeyboardInterrupt):
            build_profiles(warehouse=duck)
    found = build_profiles(warehouse=duck)
    assert (found["customers"], found["merges"], found["splits"]) == (1, 1, 0)
    assert set(duck.read("customer_orders")["customer_key"]) == {ann}
    (logged,) = duck.read_arrow("identity_merges", ["from_key", "into_key", "reason"]).to_pylist()
    assert logged == {"from_key": bo, "into_key": ann, "reason": "merge"}


def test_only_new_contact_values_are_read_again(duck: Warehouse):
    """Until the policy changes: then all of them are."""
    fill(duck)
    config = load_profiles_config()
    assert write_contact_points(duck, config) == 5
    rows = duck.read_arrow("contact_points", order_by=["raw_value"]).to_pylist()
    assert write_contact_points(duck, config) == 0
    assert duck.read_arrow("contact_points", order_by=["raw_value"]).to_pylist() == rows
    put(duck, "stg_customers", [CONTACT | {"customer_ref": "crm:3", "email": "Cy@example.com"}])
    assert write_contact_points(duck, config) == 1
    strict = {"identifiers": {"email": {"ignore_plus_tags": False}}}
    assert write_contact_points(duck, ProfilesConfig.model_validate(strict)) == 6


def test_nothing_staged_is_no_customer_and_no_error(duck: Warehouse):
    assert build_profiles(warehouse=duck)["customers"] == 0


def test_shared_identifiers_are_listed(duck: Warehouse):
    rows = [CONTACT | {"customer_ref": f"crm:{i}", "email": "info@example.com"} for i in range(6)]
    put(duck, "stg_customers", rows)
    found = build_profiles(warehouse=duck)
    assert (found["customers"], found["shared_identifiers"]) == (6, 1)
    assert duck.read("shared_identifiers").iloc[0].tolist() == ["email", "info@example.com", 6, "limit"]
    assert set(duck.read("customer_profiles")["email_shared_by"]) == {6}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "identifiers: {email: {max_customer: 3}}",
            "identifiers.email.max_customer: unknown key; did you mean max_customers",
        ),
        ("identifiers: {phone: {max_customers: 0}}", "identifiers.phone.max_customers"),
        ("identifiers: {phone: {default_country: Germany}}", "identifiers.phone.default_country"),
        ("golden_record: {attributes: {emial: [crm]}}", "emial"),
        ('golden_record: {default: ["x\' OR 1"]}', "golden_record.default"),
    ],
)
def test_a_wrong_configuration_is_named_by_key(tmp_path, text, words):
    path = tmp_path / "profiles.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_profiles_config(path)
    assert str(path) in str(error.value)
    assert words in str(error.value)


def test_a_source_that_does_not_exist_cannot_be_ranked(tmp_path):
    path = tmp_path / "profiles.yaml"
    path.write_text("golden_record: {attributes: {email: [crm_contact]}}")
    with pytest.raises(ConfigError, match=r"golden_record\.attributes\.email: .*did you mean crm_contacts"):
        load_profiles_config(path, ["crm_contacts", "panel"])


def test_the_shipped_configuration_is_readable():
    assert load_profiles_config().identifiers.limits["email"] >= 2
