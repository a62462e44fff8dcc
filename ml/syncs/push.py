"""Carry a plan out, batch by batch: contacts, then membership, then the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd  # noqa: TID253 - this module only exists for frames

from ml.errors import AudienceflowError, FatalError, RetriableError
from ml.syncs.platform import Contact, Platform

if TYPE_CHECKING:
    from ml.syncs.audience import Audience
    from ml.syncs.ledger import Ledger
    from ml.syncs.plan import Plan

log = logging.getLogger(__name__)
GIVE_UP_AFTER = 3
"""Batches in a row of which nothing gets through before the push stops: the platform is down or refuses us all."""


@dataclass
class Tally:
    """What came of the records so far."""

    confirmed: int = 0
    failed: int = 0
    terminal: int = 0


class Push:
    """One audience's push to one list. Failed records are noted and the others go on.

    Raises `FatalError` at once when the platform refuses us as such, and `RetriableError` or `FatalError` when
    nothing gets through for `GIVE_UP_AFTER` batches in a row; the ledger then holds what was confirmed until there.
    """

    def __init__(self, platform: Platform, ledger: Ledger, audience: Audience, list_id: str) -> None:
        self.tally = Tally()
        self._platform = platform
        self._ledger = ledger
        self._audience = audience
        self._list_id = list_id
        self._names = [found.name for found in audience.settings.properties]
        self._held_elsewhere = ledger.held_elsewhere()
        self._in_vain = 0

    def run(self, plan: Plan) -> None:
        """Remove first, then add and update: a contact that two customers share must end as a member."""
        self._ledger.begin(plan, self._list_id)
        for batch in self._batches(plan.removes):
            self._attempt(self._remove, batch.assign(operation="remove"))
        upserts = plan.upserts
        upserts["operation"] = upserts["was_member"].map({True: "update", False: "add"})
        for batch in self._batches(upserts):
            self._attempt(self._upsert, batch)

    def _batches(self, rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
        size = self._audience.settings.batch_rows
        for start in range(0, len(rows), size):
            yield rows.iloc[start : start + size].set_index("customer_key")

    def _attempt(self, send: Callable[[pd.DataFrame], None], batch: pd.DataFrame) -> None:
        before = self.tally.confirmed
        reason: AudienceflowError = FatalError(f"{self._audience}: every record is refused; sync_records says why")
        try:
            send(batch)
        except RetriableError as error:
            reason = error
            self._fail(batch, pd.Series(str(error), index=self._ledger.still_open(batch.index)))
        log.info("%s: %s confirmed, %s failed", self._audience, self.tally.confirmed, self.tally.failed)
        self._in_vain = 0 if self.tally.confirmed > before else self._in_vain + 1
        if self._in_vain >= GIVE_UP_AFTER:
            raise reason

    # -- adding and updating ------------------------------------------------------------------------

    def _upsert(self, batch: pd.DataFrame) -> None:
        outcomes = self._outcomes(batch)
        refused = outcomes[outcomes["remote_id"].isna()]
        self._fail(batch, refused["error"], refused["terminal"])
        taken = batch.join(outcomes[["remote_id"]].dropna(), how="inner", rsuffix="_now")
        if len(taken):
            self._leave_behind(taken)
            self._ledger.accept(taken["remote_id_now"].rename("remote_id"))
            self._join(taken)

    def _outcomes(self, batch: pd.DataFrame) -> pd.DataFrame:
        names = [name for name in self._names if name in batch]
        rows = batch[["email", *names]].itertuples(name=None)
        contacts = [Contact(str(key), email, dict(zip(names, values, strict=True))) for key, email, *values in rows]
        outcomes = pd.DataFrame(self._platform.upsert_contacts(contacts))
        outcomes = outcomes.rename(columns={"trace_id": "customer_key"})
        types = {"customer_key": "int64", "remote_id": "str", "terminal": "bool"}
        return outcomes.astype(types).set_index("customer_key")

    def _leave_behind(self, taken: pd.DataFrame) -> None:
        """Take the contacts off the list that a changed address left behind, before their ids are forgotten."""
        moved = taken.loc[taken["remote_id"].notna() & (taken["remote_id_now"] != taken["remote_id"]), "remote_id"]
        if moved.empty:
            return
        others = self._ledger.member_ids().drop(moved.index, errors="ignore")
        left = moved[~moved.isin(others) & ~moved.isin(taken["remote_id_now"])]
        if len(left):
            self._platform.change_membership(self._list_id, [], list(left))

    def _join(self, taken: pd.DataFrame) -> None:
        """Ask for the membership of those who lack it, and confirm all but those who did not get it."""
        settled = taken["was_member"] & (taken["remote_id_now"] == taken["remote_id"])
        joining = taken.loc[~settled, "remote_id_now"]
        if len(joining):
            change = self._platform.change_membership(self._list_id, list(joining), [])
            joining = joining[~joining.isin(change.present)]
        self._fail(taken, pd.Series("the platform did not confirm the membership", index=joining.index))
        self._confirm(taken.drop(index=joining.index))

    # -- removing -----------------------------------------------------------------------------------

    def _remove(self, batch: pd.DataFrame) -> None:
        alone = batch.loc[~batch["shared"] & batch["remote_id"].notna(), "remote_id"]
        change = self._platform.change_membership(self._list_id, [], list(alone)) if len(alone) else None
        gone = change.absent | change.missing if change else frozenset()
        still_there = alone[~alone.isin(gone)]
        self._clear(alone[alone.isin(gone) & ~alone.isin(self._held_elsewhere)])
        self._fail(batch, pd.Series("the platform did not confirm the removal", index=still_there.index))
        self._confirm(batch.drop(index=still_there.index))

    def _clear(self, record_ids: pd.Series) -> None:
        if len(record_ids) and self._names and self._audience.settings.clear_on_exit:
            self._platform.clear_properties(list(record_ids), self._names)

    # -- noting -------------------------------------------------------------------------------------

    def _confirm(self, rows: pd.DataFrame) -> None:
        if len(rows):
            self._ledger.confirm(rows["operation"])
            self.tally.confirmed += len(rows)

    def _fail(self, batch: pd.DataFrame, errors: pd.Series, terminal: pd.Series | None = None) -> None:
        if not len(errors):
            return
        final = pd.Series(data=False, index=errors.index) if terminal is None else terminal.astype(bool)
        self._ledger.fail(pd.DataFrame({"error": errors, "terminal": final}), batch.loc[errors.index, "operation"])
        self.tally.failed += len(errors)
        self.tally.terminal += int(final.sum())
