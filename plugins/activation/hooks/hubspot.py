"""HubSpot: contacts, their properties and static lists, over the date-versioned CRM API (2026-03).

Sources: developers.hubspot.com, API reference of contacts, lists and properties; error handling.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from activation.hooks.http import Account, Answer, JsonClient
from activation.hooks.hubspot_messages import (
    KINDS,
    cut,
    merge_by_email,
    property_body,
    read_outcomes,
    refusal,
    upsert_input,
)
from activation.hooks.limits import account_limiter
from ml.errors import ConfigError, FatalError, RetriableError
from ml.settings import settings
from ml.syncs.platform import Contact, Membership, Outcome, PropertySpec

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

CONTACTS = "/crm/objects/2026-03/contacts"
LISTS = "/crm/lists/2026-03"
PROPERTIES = "/crm/properties/2026-03/contacts"
CONTACT_TYPE = "0-1"
EXAMPLE = '{"conn_type": "hubspot", "host": "https://api.hubapi.com", "password": "<private app token>"}'


class HubSpotHook(BaseHook):
    """Transport to one HubSpot account. Knows nothing of segments.

    Args:
        hubspot_conn_id: Airflow connection with `host`, `password` (a private app's token) and, where several
            portals are used, `login` (the portal's number).
        requests, seconds: what the account allows in a sliding window.
        batch_rows, batch_bytes: caps of one upsert.
        timeout: seconds for one answer.
        transport: replaces the network in tests.
    """

    conn_name_attr = "hubspot_conn_id"
    default_conn_name = "hubspot_default"
    conn_type = "hubspot"
    hook_name = "HubSpot"

    def __init__(
        self,
        hubspot_conn_id: str = default_conn_name,
        *,
        requests: int = 190,
        seconds: float = 10.0,
        batch_rows: int = 100,
        batch_bytes: int = 1_000_000,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__()
        self.hubspot_conn_id = hubspot_conn_id
        self.batch_rows = min(batch_rows, 100)
        self._rate = (requests, seconds)
        self._batch_bytes = batch_bytes
        self._timeout = timeout
        self._transport = transport

    @cached_property
    def client(self) -> JsonClient:
        """The HTTP client, made from the connection on first use. Raises `ConfigError` when there is none."""
        host, token = self._credentials()
        account = Account(
            "HubSpot",
            host,
            {"Authorization": f"Bearer {token}"},
            f"connection {self.hubspot_conn_id} (token and scopes)",
        )
        limiter = account_limiter(settings().home / "rate_limits", host, token, *self._rate)
        return JsonClient(account, limiter.wait, self._timeout, self._transport)

    @property
    def account(self) -> str:
        """The address without its port, and the portal's number where the connection's login gives it.

        Neither port nor token counts: a sandbox takes a new port each time, and a token is renewed. Raises
        `ConfigError` when there is no connection.
        """
        found = self._connection()
        host = urlsplit(_base_url(found)).hostname or ""
        return f"{host}/{found.login}" if found.login else host

    def get_conn(self) -> JsonClient:
        """Return the HTTP client (Airflow's name for it)."""
        return self.client

    def _credentials(self) -> tuple[str, str]:
        found = self._connection()
        return _base_url(found), str(found.password)

    def _connection(self) -> Any:
        variable = f"AIRFLOW_CONN_{self.hubspot_conn_id.upper()}"
        mend = f"set {variable}='{EXAMPLE}', or add it in Airflow under Admin, Connections"
        try:
            found = self.get_connection(self.hubspot_conn_id)
        except AirflowNotFoundException as error:
            raise ConfigError(f"There is no connection {self.hubspot_conn_id!r} (or it is not JSON): {mend}") from error
        for name, value in (("host", found.host), ("password", found.password)):
            if not value:
                raise ConfigError(f"Connection {self.hubspot_conn_id!r} has no {name}: {mend}")
        return found

    # -- properties and lists -----------------------------------------------------------------------

    def ensure_properties(self, properties: Sequence[PropertySpec]) -> list[str]:
        """Create the contact properties that are missing and return their names.

        Raises `ConfigError` when one exists with another type, `FatalError` when HubSpot refuses one.
        """
        if not properties:
            return []
        results = self._good(self.client.request("GET", PROPERTIES), "results")
        found = {known["name"]: known["type"] for known in results}
        _check_kinds(properties, found)
        missing = [wanted for wanted in properties if wanted.name not in found]
        for wanted in missing:
            answer = self.client.request("POST", PROPERTIES, property_body(wanted))
            if answer.status != 409:  # somebody else created it in between
                self._good(answer, "name")
        return [wanted.name for wanted in missing]

    def ensure_list(self, name: str) -> str:
        """Return the id of the static list `name`, creating it when it is missing.

        Raises `FatalError` when a list of that name exists that fills itself.
        """
        found = self._find_list(name)
        if found is None:
            body = {"name": name, "objectTypeId": CONTACT_TYPE, "processingType": "MANUAL"}
            answer = self.client.request("POST", LISTS, body)
            # Names are unique, so a create that was answered late or twice is a conflict, not a second list.
            found = self._good(answer, "list") if answer.ok else self._find_list(name)
        if found is None:
            raise FatalError(f"HubSpot refused to create the list {name!r}: {answer.message}")
        if found["processingType"] != "MANUAL":
            raise FatalError(
                f"HubSpot's list {name!r} is {found['processingType']}, not MANUAL: it cannot be written. Rename it "
                "there, or set audience_names in config/destinations.yaml"
            )
        return str(found["listId"])

    def _find_list(self, name: str) -> dict[str, Any] | None:
        path = f"{LISTS}/object-type-id/{CONTACT_TYPE}/name/{quote(name, safe='')}"
        answer = self.client.request("GET", path)
        if answer.status == 404:
            return None
        found: dict[str, Any] = self._good(answer, "list")
        return found

    # -- contacts -----------------------------------------------------------------------------------

    def upsert_contacts(self, contacts: Sequence[Contact]) -> list[Outcome]:
        """Create or update contacts by e-mail; one outcome for each, in the order given.

        One address given twice becomes one contact (later properties win) and both get its outcome. A batch
        that HubSpot refuses whole is split in halves until the bad record is alone; the rest is written.
        """
        merged = merge_by_email(contacts)
        outcomes: dict[str, Outcome] = {}
        for batch in cut(list(merged.values()), self.batch_rows, self._batch_bytes):
            outcomes.update(self._upsert(batch))
        by_email = {email: outcomes[contact.trace_id] for email, contact in merged.items()}
        return [replace(by_email[contact.email.lower()], trace_id=contact.trace_id) for contact in contacts]

    def _upsert(self, batch: list[Contact]) -> dict[str, Outcome]:
        answer = self.client.request("POST", f"{CONTACTS}/batch/upsert", {"inputs": [upsert_input(c) for c in batch]})
        if answer.ok:
            return read_outcomes(answer, batch)
        if len(batch) == 1:
            return {batch[0].trace_id: refusal(batch[0].trace_id, answer.body)}
        middle = len(batch) // 2
        log.info("HubSpot refused %s contacts whole (%s): splitting", len(batch), answer.message)
        return {**self._upsert(batch[:middle]), **self._upsert(batch[middle:])}

    def clear_properties(self, record_ids: Sequence[str], names: Sequence[str]) -> None:
        """Empty the named properties of these records; records that are gone are passed over."""
        empty = dict.fromkeys(names, "")
        for start in range(0, len(record_ids), self.batch_rows):
            self._clear(list(record_ids[start : start + self.batch_rows]), empty)

    def _clear(self, ids: list[str], empty: dict[str, str]) -> None:
        body = {"inputs": [{"id": record, "properties": empty} for record in ids]}
        answer = self.client.request("POST", f"{CONTACTS}/batch/update", body)
        if answer.ok or (len(ids) == 1 and answer.status in (400, 404)):
            return
        if len(ids) == 1:
            raise FatalError(f"HubSpot refused ({answer.status}) to empty a contact's properties: {answer.message}")
        middle = len(ids) // 2
        self._clear(ids[:middle], empty)
        self._clear(ids[middle:], empty)

    # -- membership ---------------------------------------------------------------------------------

    def change_membership(self, list_id: str, add: Sequence[str], remove: Sequence[str]) -> Membership:
        """Put record ids on a list and take others off; says what is true afterwards.

        HubSpot names only what changed, so ids it passes over in silence are looked up.
        """
        path = f"{LISTS}/{list_id}/memberships/add-and-remove"
        answer = self.client.request("PUT", path, {"recordIdsToAdd": list(add), "recordIdsToRemove": list(remove)})
        added, removed, missing = (
            frozenset(map(str, self._good(answer, name)))
            for name in ("recordsIdsAdded", "recordIdsRemoved", "recordIdsMissing")
        )
        silent = [record for record in (*add, *remove) if record not in added | removed | missing]
        on_list = self._on_list(list_id, silent) if silent else frozenset()
        return Membership(added | on_list, removed | (frozenset(silent) - on_list), missing)

    def _on_list(self, list_id: str, record_ids: Sequence[str]) -> frozenset[str]:
        inputs = [{"objectTypeId": CONTACT_TYPE, "recordId": record} for record in record_ids]
        path = f"{LISTS}/records/memberships/batch/read"
        results = self._good(self.client.request("POST", path, {"inputs": inputs}), "results")
        return frozenset(
            str(found.get("recordId"))
            for found in results
            if any(str(on.get("listId")) == list_id for on in found.get("recordListMemberships", ()))
        )

    def _good(self, answer: Answer, expected: str) -> Any:
        """Return what stands under `expected`. Raises `FatalError` on a refusal, `RetriableError` on nonsense."""
        if not answer.ok:
            raise FatalError(f"HubSpot refused ({answer.status}): {answer.message}")
        if expected not in answer.body:
            raise RetriableError(f"HubSpot's answer ({answer.status}) lacks {expected!r}; it has {sorted(answer.body)}")
        return answer.body[expected]


def _base_url(connection: Any) -> str:
    host = str(connection.host).rstrip("/")
    base = host if "://" in host else f"https://{host}"
    return f"{base}:{connection.port}" if connection.port else base


def _check_kinds(properties: Sequence[PropertySpec], found: Mapping[str, str]) -> None:
    for wanted in properties:
        kind = KINDS[wanted.kind][0]
        if found.get(wanted.name, kind) != kind:
            raise ConfigError(
                f"config/destinations.yaml: property {wanted.name} is {wanted.kind}, but in HubSpot it is "
                f"{found[wanted.name]}: choose another name"
            )
