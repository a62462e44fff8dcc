"""The plan of a sync: a pure diff of who should be in an audience against what the platform confirmed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd  # noqa: TID253 - this module only exists for frames

from ml.errors import GuardTripped
from ml.segments.guards import exceeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.segments.language import Guard

LEDGER_TEXTS = (
    "identifier_hash",
    "desired_fingerprint",
    "confirmed_fingerprint",
    "remote_audience",
    "remote_id",
    "state",
    "last_error",
)


def check_guard(guard: Guard, *, members: int, desired: int, removes: int) -> None:
    """Raise `GuardTripped`, saying which limit was passed and by how much.

    Args:
        guard: the segment's limits, or its destination's.
        members: members on the platform, and those whom a push that was let through has yet to add.
        desired: how many should be members.
        removes: how many would be removed.
    """
    if not desired and guard.on_empty == "error":
        raise GuardTripped(
            f"nobody is left to send; {members:,} members are confirmed. Look at the segment, its consent and its "
            "inputs; `on_empty: send` empties the audience, `on_empty: skip` leaves it as it is"
        )
    if not desired:
        return
    counts = {"members": members, "desired": desired, "removes": removes}
    broken = exceeded(guard, **counts, who="confirmed members", what="the audience")
    if broken:
        raise GuardTripped(broken)


@dataclass(frozen=True)
class Plan:
    """Who is added, updated and removed, one row per customer.

    Adds and updates carry the columns of the desired frame and the ledger's `remote_id` (the contact they
    were sent as before) and `was_member`; removes carry the ledger's columns and `shared`: another member
    who stays is the same contact, so only the ledger changes. `refused` counts addresses that the
    platform will never take.
    """

    adds: pd.DataFrame
    updates: pd.DataFrame
    removes: pd.DataFrame
    refused: int = 0

    @property
    def upserts(self) -> pd.DataFrame:
        """Adds and updates in one frame, ordered by customer."""
        return pd.concat([self.adds, self.updates]).sort_values("customer_key", ignore_index=True)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell the platform."""
        return not (len(self.adds) or len(self.updates) or len(self.removes))


def plan_sync(desired: pd.DataFrame, ledger: pd.DataFrame, guard: Guard | None = None) -> Plan:
    """Diff the desired audience against what the platform has confirmed.

    Args:
        desired: one row per customer: customer_key, fingerprint, identifier_hash and whatever is to be sent.
        ledger: one row per customer ever tried, with the columns of `empty_ledger`.
        guard: limits; None plans without them.

    A record is sent when its fingerprint is not the confirmed one; a terminal one only when its address
    changed. Only members that this project added are ever removed. A push that was cut short goes on under the guard
    that let it begin. Raises `GuardTripped`.
    """
    known = ledger[["customer_key", "remote_id", "confirmed_fingerprint", "is_member", "state"]]
    known = known.assign(known_hash=ledger["identifier_hash"])
    joined = desired.merge(known, how="left", on="customer_key", validate="one_to_one")
    refused = (joined["state"] == "terminal") & (joined["known_hash"] == joined["identifier_hash"])
    wanted = joined[~refused]
    leaving = ledger["is_member"] & ~ledger["customer_key"].isin(wanted["customer_key"])
    if guard is not None:
        check_guard(guard, members=int(_intended(ledger).sum()), desired=len(wanted), removes=int(leaving.sum()))
    if guard is not None and not len(wanted) and guard.on_empty == "skip":
        leaving &= False
    plan = _upserts(wanted, list(desired.columns))
    return replace(plan, removes=_removes(ledger, leaving), refused=int(refused.sum()))


def _intended(ledger: pd.DataFrame) -> pd.Series:
    """Return who is a member, or will be once a push that was cut short goes on: a guard let that one through."""
    is_open = ledger["desired_fingerprint"].notna() & (ledger["state"] != "terminal")
    return ledger["is_member"] | is_open


def _upserts(wanted: pd.DataFrame, columns: Sequence[str]) -> Plan:
    changed = wanted[wanted["confirmed_fingerprint"].ne(wanted["fingerprint"])]
    confirmed = changed["confirmed_fingerprint"].notna()
    is_update = confirmed & changed["is_member"].astype("boolean").fillna(value=False).astype(bool)
    sent = changed[[*columns, "remote_id"]].assign(was_member=is_update)
    return Plan(sent[~is_update], sent[is_update], sent[:0])


def _removes(ledger: pd.DataFrame, leaving: pd.Series) -> pd.DataFrame:
    staying = ledger.loc[ledger["is_member"] & ~leaving, "remote_id"].dropna()
    removes = ledger[leaving]
    return removes.assign(shared=removes["remote_id"].isin(staying))


def empty_ledger() -> pd.DataFrame:
    """Return a ledger without rows."""
    return conform_ledger(pd.DataFrame(columns=["customer_key", *LEDGER_TEXTS, "is_member", "attempts", "updated_at"]))


def conform_ledger(rows: pd.DataFrame) -> pd.DataFrame:
    """Return ledger rows with the types that planning relies on: text with NaN, integers, booleans."""
    types = {"customer_key": "int64", "is_member": "bool", "attempts": "int64", **dict.fromkeys(LEDGER_TEXTS, "str")}
    return rows.astype({"updated_at": "datetime64[us]", **types})
