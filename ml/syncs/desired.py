"""Who should be in an audience, and with which properties. The only place of a sync that reads personal data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd  # noqa: TID253 - this module only exists for frames
import pyarrow as pa
import pyarrow.compute as pc

from ml.errors import FatalError, GuardTripped, NotEnoughData
from ml.settings import settings
from ml.syncs.config import Property, SegmentsValue
from ml.syncs.fingerprint import fingerprints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.syncs.audience import Audience
    from ml.times import AsOf
    from ml.warehouse import Warehouse

log = logging.getLogger(__name__)
REASONS = ("holdout", "no_email", "no_consent", "shared_with_holdout", "shared_with_refusal", "duplicate_email")


@dataclass(frozen=True)
class Desired:
    """Contacts to send and members held back.

    `contacts` has one row per customer: customer_key, email, one text column per property, identifier_hash,
    fingerprint. `suppressed` counts the other members of the segment by reason.
    """

    contacts: pd.DataFrame
    suppressed: dict[str, int]


def load_desired(warehouse: Warehouse, audience: Audience, as_of: AsOf) -> Desired:
    """Read who may be sent to the audience at `as_of`.

    Raises `GuardTripped` when the segment's run was halted or is untested, `FatalError` when the segment was not built
    at `as_of`, `NotEnoughData` when a configured property has no scores there.
    """
    _check_run(warehouse, audience, as_of)
    members = read_members(warehouse, audience, as_of)
    chosen, suppressed = gate(members)
    keys, wanted = chosen["customer_key"], audience.settings.properties
    found = {one.name: _value(warehouse, audience, as_of, one, keys) for one in wanted}
    properties = {name: values for name, values in found.items() if values is not None}
    log.info(
        "%s at %s: %s should be members there, held back: %s",
        audience,
        as_of,
        f"{len(chosen):,}",
        suppressed or "nobody",
    )
    return Desired(with_fingerprints(chosen, properties), suppressed)


def _check_run(warehouse: Warehouse, audience: Audience, as_of: AsOf) -> None:
    runs = warehouse.read("segment_runs", ["status", "status_reason"], {"segment": audience.segment, "as_of": as_of})
    if not len(runs):
        raise FatalError(f"segment {audience.segment} was not built at {as_of}: run build_segments for it first")
    status, reason = runs.iloc[0]
    if status in {"halted", "untested"}:
        raise GuardTripped(f"segment {audience.segment} is {status} at {as_of}: {reason}")


def read_members(warehouse: Warehouse, audience: Audience, as_of: AsOf) -> pd.DataFrame:
    """Return customer_key, email (NaN if there is none), is_holdout and granted (missing: never asked)."""
    warehouse.create("segment_members", "customer_profiles", "customer_consents")
    rows = warehouse.select(
        "6_segments/queries/sync_members.sql",
        segment=audience.segment,
        as_of=as_of,
        purpose=audience.purpose,
        channel=audience.channel,
    )
    return rows.astype({"customer_key": "int64", "is_holdout": "bool", "email": "str", "granted": "boolean"})


def gate(members: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Split members into those who may be sent and a count of the others by reason.

    An address that a holdout member or somebody who refused shares with others is sent for none of them;
    of several customers with one address the lowest key is sent.
    """
    rows = members.assign(email=members["email"].str.strip().str.lower()).sort_values("customer_key", ignore_index=True)
    email, granted = rows["email"], rows["granted"]
    allowed = granted.fillna(value=False).astype(bool)
    refused = ~granted.fillna(value=True).astype(bool)
    no_email = email.isna() | (email == "")
    hit = [
        rows["is_holdout"],
        no_email,
        ~allowed,
        email.isin(email[rows["is_holdout"] & ~no_email]),
        email.isin(email[refused & ~no_email]),
    ]
    earlier = np.select([np.asarray(mask, dtype=bool) for mask in hit], REASONS[:-1], default="")
    kept = rows[earlier == ""]
    first = kept[~kept["email"].duplicated()]
    counts = {reason: int((earlier == reason).sum()) for reason in REASONS}
    counts[REASONS[-1]] = len(kept) - len(first)
    return first[["customer_key", "email"]].reset_index(drop=True), {r: n for r, n in counts.items() if n}


def with_fingerprints(contacts: pd.DataFrame, properties: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return the contacts with their properties, the hash of their address and the fingerprint of it all."""
    rows = contacts.assign(**properties)
    return rows.assign(
        identifier_hash=fingerprints(rows, ["email"], settings().salt),
        fingerprint=fingerprints(rows, ["email", *properties], settings().salt),
    )


def _value(
    warehouse: Warehouse, audience: Audience, as_of: AsOf, wanted: Property, keys: pd.Series
) -> pd.Series | None:
    """Return the property's text for each customer, empty for no value; None when it is not to be sent."""
    if isinstance(wanted.value, SegmentsValue):
        where = {"as_of": as_of, "is_holdout": False, "segment": list(audience.siblings)}
        return segment_names(warehouse.read("segment_members", ["segment", "customer_key"], where), keys)
    value = wanted.value
    columns, where = ["customer_key", value.column], {"as_of": as_of, "model": value.score}
    scores = warehouse.read("customer_scores", columns, where)
    if len(scores):
        numbers = pd.Series(scores[value.column].to_numpy(dtype=float), index=scores["customer_key"].astype("int64"))
        return decimal_text(keys.map(numbers) * value.scale, value.decimals)
    problem = f"property {wanted.name}: no scores of {value.score} at {as_of}"
    if value.on_missing == "error":
        raise NotEnoughData(f"{problem}. Run score_customers, or set on_missing: omit in config/destinations.yaml")
    log.warning("%s; it is left as it is", problem)
    return None


def decimal_text(numbers: pd.Series, decimals: int) -> pd.Series:
    """Return plain decimal text with a fixed number of decimals; empty for a missing number."""
    rounded = pc.round(pa.array(numbers.astype(float), pa.float64(), from_pandas=True), decimals)
    texts = pc.cast(pc.cast(rounded, pa.decimal128(30, decimals)), pa.string())
    return pd.Series(pc.fill_null(texts, "").to_pandas(), index=numbers.index, dtype="str")


def segment_names(members: pd.DataFrame, keys: pd.Series) -> pd.Series:
    """Return each customer's segments in alphabetical order, joined by `;`; empty for none."""
    is_in = {
        name: keys.isin(members.loc[members["segment"] == name, "customer_key"])
        for name in sorted(members["segment"].unique())
    }
    # Not null_handling="skip": pyarrow 25 drops the rows in which every text is null.
    texts = [pc.if_else(pa.array(mask.to_numpy()), f"{name};", "") for name, mask in is_in.items()]
    if not texts:
        return pd.Series("", index=keys.index, dtype="str")
    joined = pc.utf8_rtrim(pc.binary_join_element_wise(*texts, ""), characters=";")
    return pd.Series(joined.to_pandas(), index=keys.index, dtype="str")
