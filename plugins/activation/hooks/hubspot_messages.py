"""HubSpot's message shapes: contacts into request bodies, answers into outcomes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ml.masking import mask
from ml.syncs.platform import Contact, Outcome, PropertySpec

if TYPE_CHECKING:
    from activation.hooks.http import Answer

GROUP = "contactinformation"
KINDS = {"number": ("number", "number"), "text": ("string", "text")}
"""Our kinds of property as HubSpot's type and fieldType."""

NOTHING = "HubSpot answered without an error, but confirmed nothing for this record"
_TERMINAL = re.compile(r"INVALID_EMAIL|GDPR|FORGOTTEN|BLOCK|SUPPRESS")
_CODES_IN_TEXT = re.compile(r'"error":\s*"([A-Z_]+)"')


def property_body(wanted: PropertySpec) -> dict[str, str]:
    """Return the body that creates a contact property."""
    kind, field = KINDS[wanted.kind]
    return {
        "name": wanted.name,
        "label": wanted.label,
        "description": wanted.description,
        "type": kind,
        "fieldType": field,
        "groupName": GROUP,
    }


def upsert_input(contact: Contact) -> dict[str, Any]:
    """Return one entry of a batch upsert; property values are strings."""
    return {
        "idProperty": "email",
        "id": contact.email,
        "objectWriteTraceId": contact.trace_id,
        "properties": {"email": contact.email, **contact.properties},
    }


def merge_by_email(contacts: Sequence[Contact]) -> dict[str, Contact]:
    """Return one contact per address, in order of first appearance; later properties win."""
    merged: dict[str, Contact] = {}
    for contact in contacts:
        email = contact.email.lower()
        earlier = merged.get(email)
        properties = {**(earlier.properties if earlier else {}), **contact.properties}
        merged[email] = Contact(earlier.trace_id if earlier else contact.trace_id, email, properties)
    return merged


def cut(contacts: Sequence[Contact], rows: int, size: int) -> Iterator[list[Contact]]:
    """Cut contacts into batches capped by rows and by bytes of JSON; one that is too large goes alone."""
    batch: list[Contact] = []
    used = 0
    for contact in contacts:
        weight = len(json.dumps(upsert_input(contact))) + 1
        if batch and (len(batch) == rows or used + weight > size):
            yield batch
            batch, used = [], 0
        batch.append(contact)
        used += weight
    if batch:
        yield batch


def read_outcomes(answer: Answer, batch: Sequence[Contact]) -> dict[str, Outcome]:
    """Match results and errors to the contacts by trace id, else by address; the rest was not confirmed."""
    by_email = {contact.email: contact.trace_id for contact in batch}
    found = {contact.trace_id: Outcome(contact.trace_id, error=NOTHING) for contact in batch}
    for error in answer.body.get("errors", ()):
        found.update({trace: refusal(trace, error) for trace in _named(error, by_email) if trace in found})
    for result in answer.body.get("results", ()):
        email = str(result.get("properties", {}).get("email", "")).lower()
        trace = result.get("objectWriteTraceId") or by_email.get(email)
        if trace in found and result.get("id"):
            found[trace] = Outcome(trace, remote_id=str(result["id"]))
    return found


def _named(error: dict[str, Any], by_email: dict[str, str]) -> list[str]:
    context = error.get("context") or {}
    by_id = [by_email.get(str(email).lower(), "") for name in ("id", "ids") for email in context.get(name, ())]
    return [*context.get("objectWriteTraceId", ()), *by_id]


def refusal(trace_id: str, error: dict[str, Any]) -> Outcome:
    """Return the outcome of a refused record; an address that will never be taken is terminal."""
    text = mask(f"{error.get('category', 'refused')}: {error.get('message', 'no message')}")
    return Outcome(trace_id, error=text[:500], terminal=any(_TERMINAL.search(code) for code in _codes(error)))


def _codes(error: dict[str, Any]) -> list[str]:
    """Return every code of an error; some stand only inside the message, as JSON."""
    details = [error, *(error.get("errors") or ())]
    named = [str(detail.get(key, "")) for detail in details for key in ("category", "subCategory", "code")]
    texts = [str(detail.get("message", "")) for detail in details]
    return [*named, *(code for text in texts for code in _CODES_IN_TEXT.findall(text))]
