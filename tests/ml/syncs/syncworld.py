"""A warehouse with one segment to sync, and the configuration that goes with it."""

import shutil
from datetime import datetime

import pandas as pd
import yaml

from ml.settings import PROJECT_DIR, settings
from ml.sql import table
from ml.times import AsOf
from ml.warehouse import Warehouse

AS_OF = AsOf(datetime(2018, 1, 1, 5))
SEGMENT = {
    "description": "Everybody with an order.",
    "goal": "Try the sync.",
    "owner": "tests",
    "action": "None.",
    "who": {"feature": "orders_84d", "at_least": 1},
    "consent": {"purpose": "marketing", "channel": "email"},
    "destinations": ["hubspot"],
}
PROPERTIES = [
    {"name": "af_churn", "label": "Churn", "kind": "number", "value": {"score": "churn_28d", "decimals": 2}},
    {"name": "af_segments", "label": "Segments", "kind": "text", "value": {"segments": "all"}},
]


def write_config(config, guard=None, **destination):
    """Write a configuration of two segments, `loyal` and `browsing`, and one destination."""
    shutil.copytree(PROJECT_DIR / "config", config, ignore=shutil.ignore_patterns("segments", "destinations.yaml"))
    (config / "segments").mkdir()
    for name in ("loyal", "browsing"):
        spec = {"name": name, **SEGMENT, **({"guard": guard} if guard else {})}
        (config / "segments" / f"{name}.yaml").write_text(yaml.safe_dump(spec))
    spec = {
        "platform": "hubspot",
        "connection": "hubspot_default",
        "audience_name": "AF {segment}",
        "rate": {"requests": 100_000, "seconds": 10},
        "properties": PROPERTIES,
        **destination,
    }
    (config / "destinations.yaml").write_text(yaml.safe_dump({"destinations": {"hubspot": spec}}))


def use(config, monkeypatch):
    """Point the settings of this process at a configuration."""
    monkeypatch.setenv("AUDIENCEFLOW_CONFIG_DIR", str(config))
    settings.cache_clear()


def fill(warehouse: Warehouse, people, as_of=AS_OF, segment="loyal", score=0.25):
    """Write the members of a segment. people: key -> dict of email, holdout, granted (None: never asked), churn."""
    rows = [
        {"customer_key": k, "email": f"c{k}@example.com", "holdout": False, "granted": True, "churn": score, **v}
        for k, v in people.items()
    ]
    frame = pd.DataFrame(rows).sort_values("customer_key")
    part = {"segment": segment, "as_of": as_of}
    _write(warehouse, "segment_members", frame[["customer_key"]].assign(is_holdout=frame["holdout"]), part)
    _write(warehouse, "segment_runs", pd.DataFrame({"status": ["ready"]}), part)
    _write(warehouse, "customer_profiles", frame[["customer_key", "email"]])
    asked = frame[frame["granted"].notna()].astype({"granted": bool})
    _write(
        warehouse, "customer_consents", asked[["customer_key", "granted"]].assign(purpose="marketing", channel="email")
    )
    scored = frame.dropna(subset=["churn"]).astype({"churn": float})
    scores = scored[["customer_key"]].assign(score=scored["churn"], rank=range(len(scored)), kind="probability")
    _write(warehouse, "customer_scores", scores, {"as_of": as_of, "model": "churn_28d"})


def _write(warehouse, name, rows, part=None):
    """Write rows, with what the table wants besides filled in."""
    plain = {"VARCHAR": "x", "TIMESTAMP": AS_OF.at, "BOOLEAN": False, "DOUBLE": 0.5}
    for column in table(name).columns:
        if column.name not in rows and column.name not in (part or {}):
            rows = rows.assign(**{column.name: plain.get(column.type, 1) if column.checks.not_null else None})
    warehouse.write(name, rows, part)


def people(count, first=1, **values):
    """`count` ordinary customers."""
    return dict.fromkeys(range(first, first + count), values)
