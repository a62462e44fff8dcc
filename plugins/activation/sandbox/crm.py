"""HubSpot's side of the contract: what each request does to the state, and how it is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from activation.sandbox.faults import error
from activation.sandbox.state import DEFINED, Journal, timestamp

LIMIT = 100
CONTACT_TYPE = "0-1"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Crm:
    """Answers requests; every method takes the body and gives the response."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.state = journal.state

    # -- contacts -----------------------------------------------------------------------------------

    def upsert(self, body: dict[str, Any], refused: Mapping[str, str]) -> Response:
        """Create or update by e-mail: all, or 207 with the errors, or a refusal of the whole batch."""
        inputs = body.get("inputs", [])
        problem = self._batch_problem(inputs) or self._upsert_problem(inputs)
        if problem:
            return problem
        started = timestamp()
        good = [one for one in inputs if one["id"].lower() not in refused]
        results = [self._upsert_one(one) for one in good]
        self._journal.do(*({"do": "contact", "id": r["id"], "properties": r["properties"]} for r in results))
        bad = [one for one in inputs if one["id"].lower() in refused]
        errors = [_multi_status_error(one, refused[one["id"].lower()]) for one in bad]
        return _batch(started, results, errors)

    def _upsert_one(self, one: dict[str, Any]) -> dict[str, Any]:
        email = one["id"].lower()
        known = self.state.by_email.get(email)
        properties = {**one["properties"], "email": email}
        self.state.writes[email] += 1
        return _record(known or self._journal.next_id(), properties, one, new=known is None)

    def update(self, body: dict[str, Any]) -> Response:
        """Update by record id; unknown ids are 207 errors."""
        inputs = body.get("inputs", [])
        problem = self._batch_problem(inputs)
        if problem:
            return problem
        started = timestamp()
        known = [one for one in inputs if one["id"] in self.state.contacts]
        self._journal.do(*({"do": "contact", "id": o["id"], "properties": o["properties"]} for o in known))
        results = [_record(one["id"], self.state.contacts[one["id"]], one) for one in known]
        unknown = [one for one in inputs if one["id"] not in self.state.contacts]
        errors = [_multi_status_error(one, "OBJECT_NOT_FOUND") for one in unknown]
        return _batch(started, results, errors)

    def _batch_problem(self, inputs: list[dict[str, Any]]) -> Response | None:
        if not 1 <= len(inputs) <= LIMIT:
            return error(400, f"inputs must hold 1 to {LIMIT} records, not {len(inputs)}")
        names = {name for one in inputs for name in one["properties"]}
        unknown = sorted(names - self.state.properties.keys() - DEFINED.keys())
        if unknown:
            return error(400, f'Property "{unknown[0]}" does not exist', errors=[_detail("PROPERTY_DOESNT_EXIST")])
        wrong = [v for one in inputs for v in one["properties"].values() if not isinstance(v, str)]
        return error(400, f"property values are strings, not {wrong[0]!r}") if wrong else None

    def _upsert_problem(self, inputs: list[dict[str, Any]]) -> Response | None:
        emails = [one["id"].lower() for one in inputs]
        twice = sorted({email for email in emails if emails.count(email) > 1})
        if twice:
            return error(409, f"Duplicate IDs found in batch input: {twice}. IDs must be unique")
        if any(one.get("idProperty") != "email" for one in inputs):
            return error(400, "Unable to perform update/upsert by non-unique 0-1 property")
        bad = next((email for email in emails if not _EMAIL.fullmatch(email)), None)
        if bad is None:
            return None
        text = (
            f'Property values were not valid: [{{"message":"Email address {bad} is invalid","error":"INVALID_EMAIL"}}]'
        )
        return error(400, text, errors=[_detail("INVALID_EMAIL")])

    # -- properties ---------------------------------------------------------------------------------

    def properties(self) -> Response:
        """List every contact property."""
        defined = [_property({"name": n, "label": n, "type": t, "fieldType": "text"}) for n, t in DEFINED.items()]
        return JSONResponse({"results": [*defined, *self.state.properties.values()]})

    def create_property(self, body: dict[str, Any]) -> Response:
        """Create a property; its name must be free."""
        if body["name"] in self.state.properties:
            return error(409, f"Property {body['name']!r} already exists")
        made = _property(body)
        self._journal.do({"do": "property", "body": made})
        return JSONResponse(made, status_code=201)

    # -- lists --------------------------------------------------------------------------------------

    def find_list(self, name: str) -> Response:
        """Return a list by name, letter case aside."""
        found = next((one for one in self.state.lists.values() if one["name"].lower() == name.lower()), None)
        return JSONResponse({"list": self._sized(found)}) if found else error(404, f"no list named {name!r}")

    def create_list(self, body: dict[str, Any]) -> Response:
        """Create a list; its name must be free."""
        if any(one["name"].lower() == body["name"].lower() for one in self.state.lists.values()):
            return error(400, f"A list named {body['name']!r} exists", errors=[_detail("DUPLICATE_LIST_NAME")])
        made = {
            "listId": self._journal.next_id(),
            "listVersion": 1,
            "name": body["name"],
            "objectTypeId": body["objectTypeId"],
            "processingStatus": "COMPLETE",
            "processingType": body["processingType"],
            "createdAt": timestamp(),
        }
        self._journal.do({"do": "list", "body": made})
        return JSONResponse({"list": self._sized(made)})

    def _sized(self, found: dict[str, Any]) -> dict[str, Any]:
        return {**found, "size": len(self.state.members[found["listId"]])}

    def change_members(self, list_id: str, body: dict[str, Any]) -> Response:
        """Add and remove record ids; names only what changed, and what it does not know."""
        found = self.state.lists.get(list_id)
        if found is None:
            return error(404, f"List {list_id} does not exist")
        if found["processingType"] == "DYNAMIC":
            return error(400, "Memberships of a DYNAMIC list cannot be changed")
        asked_on, asked_off = body["recordIdsToAdd"], body["recordIdsToRemove"]
        if not all(isinstance(record, str) for record in (*asked_on, *asked_off)):
            return error(400, "record ids are strings")
        members = self.state.members[list_id]
        added = [r for r in dict.fromkeys(asked_on) if r in self.state.contacts and r not in members]
        removed = [r for r in dict.fromkeys(asked_off) if r in members]
        missing = [r for r in dict.fromkeys((*asked_on, *asked_off)) if r not in self.state.contacts]
        self._journal.do({"do": "members", "list": list_id, "add": added, "remove": removed, "at": timestamp()})
        return JSONResponse({"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing})

    def memberships(self, body: dict[str, Any]) -> Response:
        """Return the lists that each record is on."""
        started = timestamp()
        return _batch(started, [self._memberships_of(one["recordId"]) for one in body["inputs"]], [])

    def _memberships_of(self, record: str) -> dict[str, Any]:
        on = [(name, members[record]) for name, members in self.state.members.items() if record in members]
        lists = [
            {"listId": name, "listVersion": 1, "firstAddedTimestamp": at, "lastAddedTimestamp": at} for name, at in on
        ]
        return {"objectTypeId": CONTACT_TYPE, "recordId": record, "recordListMemberships": lists}

    def members(self, list_id: str) -> Response:
        """Return a list's members, ordered by record id."""
        if list_id not in self.state.members:
            return error(404, f"List {list_id} does not exist")
        found = sorted(self.state.members[list_id].items(), key=lambda member: int(member[0]))
        results = [{"recordId": record, "membershipTimestamp": at} for record, at in found]
        return JSONResponse({"results": results, "total": len(results)})

    # -- what a person does on the platform -----------------------------------------------------------

    def drop_list(self, list_id: str) -> Response:
        """Delete a list, as somebody in the CRM may."""
        self._journal.do({"do": "drop_list", "id": list_id})
        return Response(status_code=204)

    def drop_contact(self, record: str) -> Response:
        """Delete a contact, as somebody in the CRM may."""
        self._journal.do({"do": "drop_contact", "id": record})
        return Response(status_code=204)


def _record(record: str, properties: dict[str, str], one: dict[str, Any], **more: Any) -> dict[str, Any]:
    at = timestamp()
    trace = {"objectWriteTraceId": one["objectWriteTraceId"]} if "objectWriteTraceId" in one else {}
    return {
        "id": record,
        "properties": properties,
        "createdAt": at,
        "updatedAt": at,
        "archived": False,
        **trace,
        **more,
    }


def _batch(started: str, results: list[dict[str, Any]], errors: list[dict[str, Any]]) -> Response:
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": started, "completedAt": timestamp()}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return JSONResponse(body, status_code=207 if errors else 200)


def _multi_status_error(one: dict[str, Any], category: str) -> dict[str, Any]:
    trace = {"objectWriteTraceId": [one["objectWriteTraceId"]]} if "objectWriteTraceId" in one else {"id": [one["id"]]}
    return {
        "status": "error",
        "category": category,
        "message": f"{one['id']} was refused: {category}",
        "context": trace,
        "errors": [],
        "links": {},
    }


def _detail(code: str) -> dict[str, str]:
    return {"message": code, "code": code}


def _property(body: dict[str, Any]) -> dict[str, Any]:
    return {"description": "", "groupName": "contactinformation", "options": [], **body}
