"""The hook's requests and the sandbox's answers against HubSpot's own specifications, where they are at hand.

They lie beside the project (`../shared/contracts`), not in it; without them these tests say so and do not run.
"""

import json
import re
from contextlib import suppress

import httpx
import pytest
from contract import SCORE, contacts
from jsonschema import Draft4Validator

from activation.hooks.limits import account_limiter
from activation.sandbox import connection_json
from ml.errors import FatalError, RetriableError
from ml.settings import PROJECT_DIR
from ml.syncs.platform import Contact

CONTRACTS = PROJECT_DIR.parent / "shared" / "contracts"
FILES = ("hubspot-contacts-2026-03.json", "hubspot-lists-2026-03.json", "hubspot-properties-2026-03.json")
pytestmark = pytest.mark.skipif(
    not all((CONTRACTS / name).exists() for name in FILES), reason=f"HubSpot's specifications are not in {CONTRACTS}"
)


class Specification:
    """Finds the operation of a request and validates bodies by its schemas."""

    def __init__(self):
        self.documents = [json.loads((CONTRACTS / name).read_text()) for name in FILES]

    def operation(self, method, path):
        """Return the document and the operation; a literal path wins over one with parameters."""
        found = [
            (pattern.count("{"), document, operations[method.lower()])
            for document in self.documents
            for pattern, operations in document["paths"].items()
            if method.lower() in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path)
        ]
        assert found, f"no specification has {method} {path}"
        return min(found, key=lambda one: one[0])[1:]

    def problems(self, document, schema, body):
        whole = {**schema, "components": document["components"]}
        return [error.message for error in Draft4Validator(whole).iter_errors(body)]

    def check_request(self, request):
        if not request.content:
            return
        document, operation = self.operation(request.method, request.url.path)
        schema, body = _json_schema(operation["requestBody"]), json.loads(request.content)
        assert self.problems(document, schema, body) == []
        name = schema["$ref"].rsplit("/", 1)[-1]
        unknown = set(body) - set(document["components"]["schemas"][name]["properties"])
        assert not unknown, f"{request.url.path}: {unknown} are not in {name}"

    def check_response(self, request, response):
        document, operation = self.operation(request.method, request.url.path)
        answers = operation["responses"]
        described = answers.get(str(response.status_code), answers["default"])
        if "$ref" in described:
            described = document["components"]["responses"][described["$ref"].rsplit("/", 1)[-1]]
        if described.get("content"):
            assert self.problems(document, _json_schema(described), response.json()) == []


def _json_schema(described):
    return next(iter(described["content"].values()))["schema"]


class Checking(httpx.BaseTransport):
    """Passes requests on and validates both directions."""

    def __init__(self, specification):
        self.specification, self.inner, self.seen = specification, httpx.HTTPTransport(), []

    def handle_request(self, request):
        self.specification.check_request(request)
        response = self.inner.handle_request(request)
        response.read()
        self.specification.check_response(request, response)
        self.seen.append((request.method, request.url.path.rsplit("/", 1)[-1], response.status_code))
        return response


@pytest.fixture
def checking(sandbox, home, monkeypatch, no_waiting):
    from activation.hooks.hubspot import HubSpotHook

    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", connection_json(sandbox.url))
    account_limiter.cache_clear()
    transport = Checking(Specification())
    return HubSpotHook(requests=100_000, transport=transport), transport


def test_every_request_and_every_answer_of_a_sync_keeps_the_specification(checking, sandbox):
    hook, transport = checking
    hook.ensure_properties([SCORE])
    list_id = hook.ensure_list("AF test")
    ids = [outcome.remote_id for outcome in hook.upsert_contacts(contacts(*range(150)))]
    hook.upsert_contacts(contacts(1))
    hook.change_membership(list_id, [*ids[:100], "999999"], [])
    hook.change_membership(list_id, ids[:2], ids[2:4])
    hook.clear_properties(ids[:3], ["af_score"])
    assert len(transport.seen) == 11
    assert {status for *_, status in transport.seen} == {200, 201, 404}


def test_partial_and_whole_refusals_keep_the_specification(checking, sandbox):
    hook, transport = checking
    hook.ensure_properties([SCORE])
    sandbox.fault("refuse", emails=["c2@example.com"])
    hook.upsert_contacts([*contacts(1, 2), Contact("bad", "nobody", {})])
    hook.clear_properties(["999999"], ["af_score"])
    statuses = {status for *_, status in transport.seen}
    assert {207, 400} <= statuses


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500])
def test_errors_made_on_request_keep_the_specification(checking, sandbox, status):
    hook, transport = checking
    sandbox.fault("status", status=status, path="batch/upsert", times=-1)
    with suppress(FatalError, RetriableError):
        hook.upsert_contacts(contacts(1))
    assert transport.seen[-1][-1] == status


def test_a_wrong_body_would_be_seen():
    """The gate itself: a number where a string must be, and an unknown key."""
    specification = Specification()
    path = "https://api.hubapi.com/crm/objects/2026-03/contacts/batch/upsert"
    for wrong in ({"inputs": [{"id": "a@x.com", "properties": {"af": 5}}]}, {"inputs": [], "list": 1}, {}):
        with pytest.raises(AssertionError):
            specification.check_request(httpx.Request("POST", path, json=wrong))
