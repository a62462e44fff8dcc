"""From staging to profiles: resolve who is whom, then put every customer's activity under one key."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml.profiles.config import ProfilesConfig, load_profiles_config
from ml.profiles.keys import assign_keys
from ml.profiles.normalise import Contacts, normalise_emails, normalise_phones, policy_fingerprint
from ml.profiles.resolve import Resolution, resolve
from ml.sources.config import load_sources
from ml.sql import table
from ml.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

log = logging.getLogger(__name__)

_QUERIES = "2_profiles/queries"
_ACTIVITY = (
    "customer_orders",
    "customer_order_lines",
    "customer_events",
    "customer_messages",
    "customer_offer_responses",
)
_STAGING = (
    "stg_customers",
    "stg_orders",
    "stg_order_lines",
    "stg_products",
    "stg_events",
    "stg_messages",
    "stg_offer_responses",
    "stg_consents",
)


def build_profiles(warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Build every table of `sql/2_profiles` and return what was found.

    Safe to run twice and to kill anywhere: each table is replaced in one transaction, and the merge log is
    written before the keys that it explains. Raises `ConfigError` for `config/profiles.yaml`.

    Returns:
        customers, identities, shared_identifiers, merges and splits (of this run), unresolved_events,
        unresolved_messages, invalid_contacts, and rows per table.
    """
    config = load_profiles_config(sources=_customer_sources())
    warehouse = warehouse or Warehouse()
    warehouse.create(*_STAGING)
    write_contact_points(warehouse, config)
    found = write_identities(warehouse, config)
    rows = write_tables(warehouse, config)
    unresolved = warehouse.select_arrow(f"{_QUERIES}/unresolved.sql").to_pylist()[0]
    result = {"customers": rows["customer_profiles"], **found, **unresolved, "rows": rows}
    log.info("profiles: %s", result)
    return result


def write_contact_points(warehouse: Warehouse, config: ProfilesConfig) -> int:
    """Normalise the contact values that are new and write `contact_points`. Returns how many were new."""
    import pyarrow as pa
    import pyarrow.compute as pc

    warehouse.create("contact_points", *table("contact_points").reads)
    policy = policy_fingerprint(config.identifiers)
    values = warehouse.select_arrow(f"{_QUERIES}/contact_values.sql", policy=policy)
    is_known, is_email = pc.equal(values["is_known"], 1), pc.equal(values["contact_type"], "email")
    emails = values.filter(pc.and_not(is_email, is_known))
    phones = values.filter(pc.and_not(pc.invert(is_email), is_known))
    clean_emails = normalise_emails(_flat(emails["raw_value"]), config.identifiers.email)
    clean_phones = normalise_phones(_flat(phones["raw_value"]), _flat(phones["country"]), config.identifiers.phone)
    parts = [values.filter(is_known), _cleaned(emails, clean_emails), _cleaned(phones, clean_phones)]
    rows = pa.concat_tables(parts, promote_options="permissive")
    warehouse.write("contact_points", rows.drop_columns("is_known"))
    return len(emails) + len(phones)


def write_identities(warehouse: Warehouse, config: ProfilesConfig) -> dict[str, int]:
    """Resolve all identifiers and write `shared_identifiers`, `identity_merges` and `customer_identities`."""
    references = warehouse.select(f"{_QUERIES}/customer_references.sql")
    links = warehouse.select(f"{_QUERIES}/identity_links.sql")
    resolution = _resolve(warehouse, config, references, links)
    members = _members(references, resolution, links)
    assignment = assign_keys(members, warehouse.read("customer_identities"))
    members["customer_key"] = members["component"].map(assignment.keys)
    _report_shared(resolution.shared)
    warehouse.write("shared_identifiers", resolution.shared)
    warehouse.write("identity_merges", assignment.moves.assign(merged_at=datetime.now(UTC).replace(tzinfo=None)))
    warehouse.write("customer_identities", members.drop(columns="component"))
    changes = assignment.moves["reason"].value_counts()
    return {
        "identities": len(members),
        "shared_identifiers": len(resolution.shared),
        "merges": int(changes.get("merge", 0)),
        "splits": int(changes.get("split", 0)),
    }


def write_tables(warehouse: Warehouse, config: ProfilesConfig) -> dict[str, int]:
    """Write the golden record, the consents and the activity tables. Returns rows per table."""
    golden = config.golden_record
    runs = [
        warehouse.run_table("customer_profiles", rankings=golden.rankings, attributes=golden.attribute_rankings()),
        warehouse.run_table("customer_consents"),
        *(warehouse.run_table(name) for name in _ACTIVITY),
    ]
    return {run.table: run.rows for run in runs}


def _customer_sources() -> list[str]:
    return [name for name, source in load_sources().items() if source.table == "stg_customers"]


def _cleaned(rows: pa.Table, clean: Contacts) -> pa.Table:
    forms = {"identifier": clean.identifier, "address": clean.address}
    for name, values in forms.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _resolve(warehouse: Warehouse, config: ProfilesConfig, references: pd.DataFrame, links: pd.DataFrame) -> Resolution:
    import pandas as pd

    stated = warehouse.select(f"{_QUERIES}/stated_links.sql")
    position = pd.Index(references["customer_ref"]).get_indexer
    return resolve(
        references["customer_ref"],
        (position(stated["customer_ref"]), position(stated["linked_ref"])),
        links.assign(position=position(links["customer_ref"])),
        config.identifiers.limits,
        config.exclusive_namespaces,
    )


def _members(references: pd.DataFrame, resolution: Resolution, links: pd.DataFrame) -> pd.DataFrame:
    """Return every identifier of exactly one customer, its component and when it was first seen."""
    import pandas as pd

    named = references.rename(columns={"customer_ref": "identifier"})
    named = named.assign(identifier_type="customer_ref", component=resolution.component)
    seen = links.groupby(["identifier_type", "identifier"], as_index=False)["first_seen_epoch"].min()
    weak = resolution.owned.merge(seen, on=["identifier_type", "identifier"])
    return pd.concat([named, weak], ignore_index=True)


def _report_shared(shared: pd.DataFrame) -> None:
    counted = shared.groupby(["identifier_type", "reason"], as_index=False).size()
    for row in counted.to_dict("records"):
        log.warning(
            "%s identifiers of type %s join nobody (%s): see table shared_identifiers",
            f"{row['size']:,}",
            row["identifier_type"],
            row["reason"],
        )
