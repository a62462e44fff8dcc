"""A sixth of the demo's households and one small model: the whole path in a minute or two."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
import yaml

from ml.settings import PROJECT_DIR

SHARE = 6
SEGMENTS = ("browsers", "price_sensitive", "repeat_buyers")
AT_RISK = {
    "name": "at_risk",
    "description": "The fifth most likely to fall silent, among those who opened a mail lately or not.",
    "goal": "Prove that a score reaches the CRM.",
    "action": "None; it is a test.",
    "owner": "tests",
    "who": {"all": [{"score": "churn_28d", "top": {"share": 0.2}}]},
    "holdout": 0.1,
    "consent": {"purpose": "marketing", "channel": "email"},
    "destinations": ["hubspot"],
}


def write_world(home: Path, full: Path) -> Path:
    """Fill `home/demo/raw` with a sixth of the data in `full` and return a configuration folder for it."""
    raw = full / "demo" / "raw"
    people = _people(raw)
    for path in sorted(raw.rglob("*")):
        if path.is_file() and path.parent.name not in ("truth", "raw"):
            target = home / "demo" / "raw" / path.relative_to(raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, target, people)
    return _configuration(home / "config")


def households(full: Path) -> pa.Array:
    """Return the households of the small world made of the data in `full`."""
    return _thinned(pq.read_table(full / "demo" / "raw" / "truth" / "truth_duplicates.parquet"))


def _thinned(crm: pa.Table) -> pa.Array:
    everybody = pc.unique(crm["household_id"])
    return everybody.filter(pc.equal(_modulo(everybody), 0))


def _people(raw: Path) -> dict[str, pa.Array]:
    """Return who stays, by the column that names them."""
    contacts = pa.csv.read_csv(raw / "companion" / "crm_contacts.csv.gz")
    devices = pq.read_table(raw / "truth" / "truth_devices.parquet")
    crm = pq.read_table(raw / "truth" / "truth_duplicates.parquet")
    stay = _thinned(crm)
    ids = crm.filter(pc.is_in(crm["household_id"], stay))["crm_id"].combine_chunks()
    return {
        "household_id": stay,
        "crm_id": ids,
        "anonymous_id": devices.filter(pc.is_in(devices["household_id"], stay))["anonymous_id"].combine_chunks(),
        "email": contacts.filter(pc.is_in(contacts["crm_id"], ids))["email"].combine_chunks(),
    }


def _modulo(numbers: pa.Array) -> pa.Array:
    whole = numbers.cast(pa.int64())
    return pc.subtract(whole, pc.multiply(pc.divide(whole, SHARE), SHARE))


def _copy(path: Path, target: Path, people: dict[str, pa.Array]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(_kept(pq.read_table(path), people), target)
    elif path.name.endswith(".jsonl"):
        rows = _kept(pa.json.read_json(path), people).to_pylist()
        target.write_text("".join(_line(row) for row in rows))
    elif path.name.endswith(".csv.gz"):
        with pa.CompressedOutputStream(str(target), "gzip") as out:
            pa.csv.write_csv(_kept(pa.csv.read_csv(path), people), out)
    else:
        shutil.copy(path, target)


def _line(row: dict[str, object]) -> str:
    import json

    return json.dumps(row, default=lambda moment: moment.isoformat() + "Z") + "\n"


def _kept(rows: pa.Table, people: dict[str, pa.Array]) -> pa.Table:
    """Return the rows of people who stay; a table that names nobody stays whole."""
    named = [name for name in ("crm_id", "anonymous_id", "household_id", "email") if name in rows.column_names]
    if not named:
        return rows
    known = people[named[0]]
    return rows.filter(pc.is_in(rows[named[0]], value_set=known.cast(rows[named[0]].type)))


def _configuration(folder: Path) -> Path:
    """Copy the shipped configuration, thinned to one model and the segments that it can serve."""
    shutil.copytree(PROJECT_DIR / "config", folder)
    for path in [*(folder / "models").glob("*.yaml"), *(folder / "segments").glob("*.yaml")]:
        if path.stem not in (*SEGMENTS, "churn"):
            path.unlink()
    _edit(folder / "models" / "churn.yaml", snapshots={"step_days": 28, "train": 3, "history_days": 28})
    _edit(folder / "models" / "churn.yaml", candidates={"logistic": {"C": 0.02}}, search={"trials": 0})
    _edit(folder / "models" / "churn.yaml", gates={"min_customers": 50, "min_positives": 20, "min_positives_test": 5})
    (folder / "segments" / "at_risk.yaml").write_text(yaml.safe_dump(AT_RISK))
    destinations = yaml.safe_load((folder / "destinations.yaml").read_text())
    hubspot = destinations["destinations"]["hubspot"]
    hubspot["properties"] = [p for p in hubspot["properties"] if "clv" not in str(p["value"])]
    (folder / "destinations.yaml").write_text(yaml.safe_dump(destinations))
    return folder


def _edit(path: Path, **keys: object) -> None:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | keys))
