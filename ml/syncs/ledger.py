"""The ledger: what a platform was told and what it confirmed, committed after every batch.

States of a record: `pending` (planned), `accepted` (the platform has the contact; its membership was asked
for), `confirmed`, `failed` (tried again in the next run), `terminal` (never again with this address). A
killed run loses at most one batch's confirmations; those records are sent again as upserts, which changes
nothing on the platform.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd  # noqa: TID253 - this module only exists for frames

from ml.masking import mask
from ml.syncs.plan import LEDGER_TEXTS, Plan, conform_ledger, empty_ledger

if TYPE_CHECKING:
    from ml.syncs.audience import Audience
    from ml.warehouse import Warehouse


def now() -> datetime:
    """Return the present as naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


class Ledger:
    """One audience's rows of `sync_ledger`, in memory and in the warehouse, and the attempts of this run.

    What another account of the platform was told is not there: its record ids mean nothing here.
    """

    def __init__(self, warehouse: Warehouse, audience: Audience, account: str, run_id: str) -> None:
        self._warehouse = warehouse
        self._audience = {"destination": audience.destination, "audience": audience.segment}
        self._place = {**self._audience, "account": account}
        self._run_id = run_id
        read = warehouse.read("sync_ledger", where=self._place)
        self._rows = _writable(conform_ledger(read.drop(columns=list(self._place))))

    @property
    def rows(self) -> pd.DataFrame:
        """Every record of the audience, as `plan_sync` wants them."""
        return conform_ledger(self._rows.reset_index())

    def known_elsewhere(self) -> int:
        """Return how many records of the audience other accounts were told of, when this one was told of none."""
        if len(self._rows):
            return 0
        return len(self._warehouse.read("sync_ledger", ["customer_key"], self._audience))

    def held_elsewhere(self) -> frozenset[str]:
        """Return the ids of the account's contacts that are members of another audience of ours."""
        where = {
            **self._place,
            "audience": ("!=", self._place["audience"]),
            "is_member": True,
        }
        return frozenset(self._warehouse.read("sync_ledger", ["remote_id"], where)["remote_id"].dropna())

    def forget_other_lists(self, list_id: str) -> int:
        """Treat members of a list that is no longer the audience's as never sent; returns how many.

        A list that somebody deleted or renamed on the platform comes back under another id.
        """
        gone = self._rows.index[self._rows["is_member"] & (self._rows["remote_audience"] != list_id)]
        self._set(gone, is_member=False, confirmed_fingerprint=None)
        return len(gone)

    def begin(self, plan: Plan, list_id: str) -> None:
        """Note what is about to be sent, before the first write to the platform."""
        sent = plan.upserts.set_index("customer_key")
        self._rows = pd.concat([self._rows, _blank(sent.index.difference(self._rows.index))])
        self._rows.loc[sent.index, "identifier_hash"] = sent["identifier_hash"]
        self._rows.loc[sent.index, "desired_fingerprint"] = sent["fingerprint"]
        self._rows.loc[plan.removes["customer_key"], "desired_fingerprint"] = None
        leaving = pd.Index(plan.removes["customer_key"])
        with self._warehouse.held():
            self._set(sent.index, state="pending", remote_audience=list_id)
            self._set(leaving[self._rows.loc[leaving, "state"] != "terminal"], state="pending")

    def accept(self, remote_ids: pd.Series) -> None:
        """Note the contacts that the platform has taken, before their membership is asked for."""
        keys = remote_ids.index
        moved = self._rows.loc[keys, "remote_id"] != remote_ids
        self._rows.loc[keys[moved], "confirmed_fingerprint"] = None
        self._rows.loc[keys, "remote_id"] = remote_ids
        self._set(keys, state="accepted", is_member=True)

    def confirm(self, operations: pd.Series) -> None:
        """Note what the platform confirmed: only now does a fingerprint count as sent."""
        keys = operations.index
        wanted = self._rows.loc[keys, "desired_fingerprint"]
        self._rows.loc[keys, "confirmed_fingerprint"] = wanted
        self._rows.loc[keys, "is_member"] = wanted.notna()
        # A contact that the platform will never take again stays terminal after it was taken off the list.
        state = self._rows.loc[keys, "state"].where(lambda found: found == "terminal", "confirmed")
        with self._warehouse.held():
            self._set(keys, state=state, attempts=0, last_error=None)
            self._attempted(operations, "confirmed")

    def fail(self, errors: pd.DataFrame, operations: pd.Series) -> None:
        """Note records that did not get through. `errors`: error and terminal, indexed by customer_key."""
        keys = errors.index
        self._rows.loc[keys, "last_error"] = errors["error"].map(mask)
        self._rows.loc[keys, "attempts"] += 1
        state = errors["terminal"].map({True: "terminal", False: "failed"})
        with self._warehouse.held():
            self._set(keys, state=state)
            self._attempted(operations, state)

    def still_open(self, keys: pd.Index) -> pd.Index:
        """Return those of `keys` about which nothing was noted since the run began."""
        is_open = self._rows.loc[keys, "state"].isin(["pending", "accepted"])
        found: pd.Index = keys[is_open]
        return found

    def member_ids(self) -> pd.Series:
        """Return the ids on the platform of every member, indexed by customer."""
        members = self._rows[self._rows["is_member"]]
        return members["remote_id"].dropna()

    def _set(self, keys: pd.Index, **values: Any) -> None:
        for column, value in {**values, "updated_at": now()}.items():
            self._rows.loc[keys, column] = value
        if len(keys):
            self._warehouse.write("sync_ledger", self._rows.loc[keys].reset_index(), self._place)

    def _attempted(self, operations: pd.Series, outcome: pd.Series | str) -> None:
        keys = operations.index
        rows = self._rows.loc[keys, ["last_error", "updated_at"]]
        rows = rows.rename(columns={"last_error": "error", "updated_at": "attempted_at"})
        rows = rows.assign(operation=operations, outcome=outcome, **self._audience)
        if len(rows):
            self._warehouse.write("sync_records", rows.reset_index(), {"run_id": self._run_id})


def _blank(keys: pd.Index) -> pd.DataFrame:
    """Return rows of customers who were never tried."""
    rows = empty_ledger().set_index("customer_key").reindex(keys.rename("customer_key"))
    filled = rows.assign(is_member=False, attempts=0, state="pending").reset_index()
    return _writable(conform_ledger(filled))


def _writable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows by customer, their text as objects: writing into Arrow text copies the whole column each time."""
    texts = {name: rows[name].astype(object).where(rows[name].notna(), None) for name in LEDGER_TEXTS}
    return rows.assign(**texts).set_index("customer_key")
