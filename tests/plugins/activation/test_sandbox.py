import subprocess
import sys

import httpx
import pytest
from contract import SCORE, contacts

from activation.sandbox import running_sandbox
from activation.sandbox.state import Journal
from ml.errors import FatalError


def test_the_state_is_there_again_the_next_time(hook, sandbox, tmp_path):
    hook.ensure_properties([SCORE])
    ids = [o.remote_id for o in hook.upsert_contacts(contacts(1, 2, 3))]
    list_id = hook.ensure_list("AF test")
    hook.change_membership(list_id, ids, [])
    hook.change_membership(list_id, [], ids[:1])
    before = sandbox.state()
    with running_sandbox(tmp_path / "crm.jsonl") as url:
        after = httpx.get(f"{url}/_sandbox/state").json()
    assert {**after, "writes": before["writes"]} == before


def test_a_line_that_was_cut_off_by_a_kill_is_forgotten(tmp_path):
    path = tmp_path / "crm.jsonl"
    journal = Journal(path)
    journal.do({"do": "contact", "id": "1001", "properties": {"email": "a@x.com"}})
    journal.close()
    with path.open("a") as file:
        file.write('{"do": "contact", "id": "1002", "prop')
    assert list(Journal(path).state.contacts) == ["1001"]


def test_ids_are_never_given_twice(tmp_path):
    journal = Journal(tmp_path / "crm.jsonl")
    journal.do({"do": "contact", "id": journal.next_id(), "properties": {"email": "a@x.com"}})
    journal.close()
    assert Journal(tmp_path / "crm.jsonl").next_id() == "1002"


def test_the_page_shows_lists_with_sizes_and_masks_addresses(hook, sandbox):
    hook.ensure_properties([SCORE])
    ids = [o.remote_id for o in hook.upsert_contacts(contacts(*range(60)))]
    hook.change_membership(hook.ensure_list("AF <b>test</b>"), ids, [])
    page = sandbox.http.get("/").text
    assert "AF &lt;b&gt;test&lt;/b&gt;" in page
    assert "60 members" in page
    assert "c***@example.com" in page
    assert "c5@example.com" not in page
    assert "and 10 more" in page


def test_an_empty_page_says_what_to_do(sandbox):
    assert "No list yet: run a sync" in sandbox.http.get("/").text


def test_the_rate_limit_is_kept(tmp_path):
    with running_sandbox(tmp_path / "crm.jsonl", rate=2) as url:
        headers = {"authorization": "Bearer sandbox-token"}
        answers = [httpx.get(f"{url}/crm/properties/2026-03/contacts", headers=headers) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "1"


def test_it_listens_on_loopback_only_and_names_a_taken_port(sandbox, tmp_path):
    port = int(sandbox.url.rsplit(":", 1)[1])
    assert sandbox.url.startswith("http://127.0.0.1:")
    with pytest.raises(FatalError, match=f"cannot listen on 127.0.0.1:{port}"), running_sandbox(tmp_path / "x", port):
        pass


def test_it_starts_from_the_command_line():
    shown = subprocess.run(
        [sys.executable, "-m", "activation.sandbox", "--help"], capture_output=True, text=True, check=True
    )
    assert "--port" in shown.stdout
    assert "--state" in shown.stdout


def one(address, **properties):
    return {"id": address, "idProperty": "email", "properties": properties}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "1 to 100 records, not 0"),
        ([one(f"c{n}@x.com") for n in range(101)], "not 101"),
        ([one("a@x.com", nope="1")], 'Property "nope" does not exist'),
        ([{"id": "a@x.com", "properties": {}}], "non-unique"),
        ([one("a@x.com", email=5)], "are strings, not 5"),
        ([one("A@x.com"), one("a@x.com")], "Duplicate IDs"),
    ],
)
def test_a_batch_that_breaks_the_contract_is_refused_whole(sandbox, inputs, message):
    answer = sandbox.http.post(
        "/crm/objects/2026-03/contacts/batch/upsert",
        json={"inputs": inputs},
        headers={"authorization": "Bearer sandbox-token"},
    )
    assert answer.status_code in (400, 409)
    assert message in answer.json()["message"]
    assert sandbox.state()["contacts"] == {}


@pytest.mark.parametrize("body", ["", "nonsense", "[]", '{"inputs": [5]}', '{"inputs": [{"id": "a@x.com"}]}'])
def test_a_body_of_another_shape_is_refused(sandbox, body):
    headers = {"authorization": "Bearer sandbox-token"}
    answer = sandbox.http.post("/crm/objects/2026-03/contacts/batch/upsert", content=body, headers=headers)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


def test_an_unknown_fault_is_refused_and_names_the_known_ones(sandbox):
    answer = sandbox.http.post("/_sandbox/faults", json={"kind": "bogus"})
    assert answer.status_code == 400
    assert "'truncated'" in answer.json()["message"]
