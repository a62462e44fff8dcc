"""Small frames for planning, and what a platform's confirmation of a plan makes of a ledger."""

import pandas as pd

from ml.syncs.plan import LEDGER_TEXTS, conform_ledger, empty_ledger


def desired(versions):
    """versions: customer -> what is to be sent; the address is the customer's."""
    rows = [(key, f"{key}@example.com", f"h{key}", f"f{version}") for key, version in versions.items()]
    return pd.DataFrame(rows, columns=["customer_key", "email", "identifier_hash", "fingerprint"])


def ledger(*rows):
    """rows: dictionaries; what they leave out is a confirmed member."""
    if not rows:
        return empty_ledger()
    filled = [
        {
            **dict.fromkeys(LEDGER_TEXTS),
            "identifier_hash": f"h{row['customer_key']}",
            "remote_id": f"r{row['customer_key']}",
            "remote_audience": "list",
            "state": "confirmed",
            "is_member": True,
            "attempts": 0,
            "updated_at": pd.Timestamp("2018-01-01"),
            **row,
        }
        for row in rows
    ]
    return conform_ledger(pd.DataFrame(filled))


def confirmed(old, plan):
    """The ledger after the platform confirmed every record of the plan."""
    upserts = plan.upserts
    kept = old[~old["customer_key"].isin(upserts["customer_key"])]
    kept = kept.assign(is_member=kept["is_member"] & ~kept["customer_key"].isin(plan.removes["customer_key"]))
    kept.loc[~kept["is_member"], "confirmed_fingerprint"] = None
    sent = [
        {"customer_key": r.customer_key, "confirmed_fingerprint": r.fingerprint, "identifier_hash": r.identifier_hash}
        for r in upserts.itertuples()
    ]
    return conform_ledger(pd.concat([kept, ledger(*sent)], ignore_index=True))
