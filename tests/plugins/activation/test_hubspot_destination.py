"""HubSpot against the destination contract, and against every bad answer that a CRM can give."""

import json

import pytest
from contract import SCORE, DestinationContract, contacts

from ml.errors import ConfigError, FatalError, RetriableError
from ml.syncs.platform import Contact, PropertySpec

UPSERT = "batch/upsert"


class TestHubSpotKeepsTheContract(DestinationContract):
    @pytest.fixture
    def platform(self, hook):
        return hook

    @pytest.fixture
    def crm(self, sandbox):
        class Crm:
            emails_on = staticmethod(sandbox.emails_on)

            def value(self, email, name):
                return next(c for c in sandbox.state()["contacts"].values() if c["email"] == email)[name]

        return Crm()


@pytest.fixture
def ready(hook):
    hook.ensure_properties([SCORE])
    return hook


def test_a_batch_holds_a_hundred_and_no_more_bytes_than_allowed(ready, sandbox):
    ready.upsert_contacts(contacts(*range(250)))
    assert [call["records"] for call in sandbox.calls(UPSERT)] == [100, 100, 50]
    sandbox.clear()
    ready._batch_bytes = 1_500
    ready.upsert_contacts(contacts(*range(40)))
    sizes = [call["records"] for call in sandbox.calls(UPSERT)]
    assert sum(sizes) == 40
    assert max(sizes) < 15


def test_a_batch_refused_whole_is_halved_until_the_bad_one_is_alone(ready, sandbox):
    bad = Contact("bad", "nobody@nowhere", {})
    outcomes = ready.upsert_contacts([*contacts(*range(40)), bad, *contacts(*range(40, 99))])
    assert sum(o.remote_id is not None for o in outcomes) == 99
    statuses = [call["status"] for call in sandbox.calls(UPSERT)]
    assert statuses.count(400) == 7  # 100, 50, 25, 13, 6, 3, 1
    assert set(sandbox.state()["writes"].values()) == {1}


def test_a_conflict_for_the_whole_batch_is_halved_too(ready, sandbox):
    sandbox.fault("status", status=409, path=UPSERT)
    assert all(o.remote_id for o in ready.upsert_contacts(contacts(1, 2, 3)))


def test_207_is_matched_record_by_record(ready, sandbox):
    sandbox.fault("refuse", emails=["c2@example.com"], code="VALIDATION_ERROR")
    one, two, three = ready.upsert_contacts(contacts(1, 2, 3))
    assert (two.remote_id, two.terminal) == (None, False)
    assert two.error == "VALIDATION_ERROR: c***@example.com was refused: VALIDATION_ERROR"
    assert one.remote_id
    assert three.remote_id


def test_an_address_that_was_forgotten_by_law_is_terminal(ready, sandbox):
    sandbox.fault("refuse", emails=["c1@example.com"], code="GDPR_FORGOTTEN")
    assert ready.upsert_contacts(contacts(1))[0].terminal


def test_a_word_inside_an_address_makes_nothing_terminal(ready, sandbox):
    email = "gdpr.blocked.invalid_email@example.com"
    sandbox.fault("refuse", emails=[email], code="VALIDATION_ERROR")
    assert not ready.upsert_contacts([Contact("1", email, {})])[0].terminal


def test_a_success_that_confirms_nothing_wrote_nothing(ready, sandbox):
    sandbox.fault("empty", path=UPSERT)
    outcomes = ready.upsert_contacts(contacts(1, 2))
    assert [o.remote_id for o in outcomes] == [None, None]
    assert "confirmed nothing" in outcomes[0].error


def test_a_membership_change_that_names_nothing_is_looked_up(ready, sandbox):
    ids = [o.remote_id for o in ready.upsert_contacts(contacts(1, 2))]
    list_id = ready.ensure_list("AF test")
    sandbox.fault("empty", path="memberships/add-and-remove")
    assert ready.change_membership(list_id, ids, []).present == frozenset()


def test_429_is_waited_for_and_tried_again(ready, sandbox):
    sandbox.fault("status", status=429, retry_after=7, path=UPSERT)
    assert ready.upsert_contacts(contacts(1))[0].remote_id
    assert [call["status"] for call in sandbox.calls(UPSERT)] == [429, 200]


def test_a_longer_wait_than_a_task_may_hold_is_left_to_the_scheduler(ready, sandbox):
    sandbox.fault("status", status=429, retry_after=3600, times=-1, path=UPSERT)
    with pytest.raises(RetriableError) as caught:
        ready.upsert_contacts(contacts(1))
    assert caught.value.retry_after == 3600
    assert len(sandbox.calls(UPSERT)) == 1


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "nothing"}, {"kind": "truncated"}])
def test_a_passing_failure_is_tried_again(ready, sandbox, fault):
    sandbox.fault(**fault, path=UPSERT, times=2)
    assert ready.upsert_contacts(contacts(1))[0].remote_id
    assert len(sandbox.calls(UPSERT)) == 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "status", "status": 500}, "busy or broken \\(500\\) at POST .*told to answer 500"),
        ({"kind": "nothing"}, "answered 200 .* not its JSON: \\(nothing\\)"),
        ({"kind": "html"}, "not its JSON: <html>.*Log in.*Is http://127.0.0.1:.* the platform itself, or a login page"),
        ({"kind": "truncated"}, "not its JSON"),
    ],
)
def test_a_lasting_failure_ends_and_says_what_came(ready, sandbox, fault, message):
    sandbox.fault(**fault, path=UPSERT, times=-1)
    with pytest.raises(RetriableError, match=message):
        ready.upsert_contacts(contacts(1))
    assert len(sandbox.calls(UPSERT)) == 3


def test_silence_ends_too(ready, sandbox):
    ready.client._http.timeout = 0.05
    sandbox.fault("hang", path=UPSERT, times=-1, seconds=1)
    with pytest.raises(RetriableError, match="HubSpot did not answer: ReadTimeout at POST"):
        ready.upsert_contacts(contacts(1))


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_fatal_at_once_and_say_where_to_look(ready, sandbox, status):
    sandbox.fault("status", status=status, path=UPSERT)
    with pytest.raises(FatalError, match=rf"HubSpot refused us \({status}\).*Look at connection hubspot_default"):
        ready.upsert_contacts(contacts(1))
    assert len(sandbox.calls(UPSERT)) == 1


def test_a_token_that_may_only_read_is_fatal(ready, sandbox, monkeypatch):
    ready.client._http.headers["authorization"] = "Bearer sandbox-read-only"
    with pytest.raises(FatalError, match=r"403.*required scopes: crm.objects.contacts.write"):
        ready.upsert_contacts(contacts(1))


def test_a_wrong_token_is_fatal(ready):
    ready.client._http.headers["authorization"] = "Bearer wrong"
    with pytest.raises(FatalError, match="refused us \\(401\\)"):
        ready.ensure_list("AF test")


def test_json_of_another_shape_is_named(hook, sandbox):
    sandbox.fault("empty", path="name/AF", times=-1)
    with pytest.raises(RetriableError, match="HubSpot's answer \\(200\\) lacks 'list'"):
        hook.ensure_list("AF test")


def test_a_list_whose_creation_was_answered_late_is_not_made_twice(hook, sandbox):
    sandbox.fault("status", status=502, after=True, path="/crm/lists/2026-03", skip=1)
    assert hook.ensure_list("AF test")
    assert list(sandbox.state()["lists"]) == ["AF test"]


def test_a_list_that_fills_itself_is_refused(hook, sandbox):
    body = {"name": "AF test", "objectTypeId": "0-1", "processingType": "DYNAMIC"}
    hook.client.request("POST", "/crm/lists/2026-03", body)
    with pytest.raises(FatalError, match=r"'AF test' is DYNAMIC, not MANUAL.*audience_names"):
        hook.ensure_list("AF test")


def test_a_property_of_another_type_is_a_configuration_error(hook):
    hook.ensure_properties([SCORE])
    with pytest.raises(ConfigError, match="property af_score is text, but in HubSpot it is number"):
        hook.ensure_properties([PropertySpec("af_score", "Score", "", "text")])


# -- connection -----------------------------------------------------------------------------------------


@pytest.fixture
def unset(home, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", raising=False)
    return monkeypatch


def make():
    from activation.hooks.hubspot import HubSpotHook

    return HubSpotHook()


def test_a_missing_connection_says_what_to_set(unset):
    message = (
        r"There is no connection 'hubspot_default'.*set AIRFLOW_CONN_HUBSPOT_DEFAULT='\{\"conn_type\": \"hubspot\""
    )
    with pytest.raises(ConfigError, match=message):
        make().ensure_list("AF test")


@pytest.mark.parametrize("missing", ["host", "password"])
def test_an_incomplete_connection_says_what_lacks(unset, missing):
    whole = {"conn_type": "hubspot", "host": "https://api.hubapi.com", "password": "t"}
    whole.pop(missing)
    unset.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(whole))
    with pytest.raises(ConfigError, match=f"'hubspot_default' has no {missing}: set AIRFLOW_CONN"):
        make().ensure_list("AF test")


@pytest.mark.parametrize(
    ("connection", "account"),
    [
        ({"host": "https://api.hubapi.com"}, "api.hubapi.com"),
        ({"host": "https://api.hubapi.com", "password": "renewed"}, "api.hubapi.com"),
        ({"host": "api.hubapi.com", "login": "1234567"}, "api.hubapi.com/1234567"),
        ({"host": "http://127.0.0.1:8070"}, "127.0.0.1"),
        ({"host": "http://127.0.0.1", "port": 8071}, "127.0.0.1"),
        ({"host": "https://us:secret@proxy.example"}, "proxy.example"),
    ],
)
def test_an_account_is_its_address_and_portal_whatever_port_and_token(unset, connection, account):
    whole = {"conn_type": "hubspot", "password": "t", **connection}
    unset.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(whole))
    assert make().account == account


@pytest.mark.parametrize(
    ("host", "address"),
    [("api.hubapi.com", "https://api.hubapi.com"), ("http://127.0.0.1:9/", "http://127.0.0.1:9")],
)
def test_the_address_may_leave_out_its_scheme(unset, host, address):
    unset.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", f'{{"conn_type": "hubspot", "host": "{host}", "password": "t"}}')
    assert make()._credentials() == (address, "t")
