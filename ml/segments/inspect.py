"""Look at segments without touching what is stored: preview a definition, explain one customer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlglot

from ml.errors import NotEnoughData
from ml.segments.catalogue import load_catalogue
from ml.segments.compiler import plan_rule
from ml.segments.evaluate import Batch, Evaluator, count_true
from ml.segments.measures import Measures
from ml.segments.program import Told, judge, measure
from ml.segments.rules import Rule
from ml.segments.unmet import unmet
from ml.segments.versions import Versions
from ml.segments.versions_pin import Pin, definition
from ml.segments.vocabulary import Vocabulary, load_vocabulary
from ml.segments.words import sentence
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

_BANDS = {"country": "last_country", "device": "last_device", "value_band": "monetary_score"}
_LATEST = Path("6_segments/queries/latest_as_of.sql")


@dataclass(frozen=True)
class Fact:
    """One condition of a definition for one customer: what is asked, what is known, whether it holds."""

    asked: str
    known: str
    holds: bool


def latest_as_of(warehouse: Warehouse) -> AsOf:
    """Return the latest point in time with features. Raises `NotEnoughData` when there is none."""
    warehouse.create("customer_features")
    found = warehouse.scalar(_LATEST)
    if found is None:
        raise NotEnoughData("customer_features is empty: run build_features first")
    return AsOf(found)


def describe(rule: Rule, as_of: AsOf, known: Vocabulary) -> dict[str, Any]:
    """Return what a definition says: its words, its rule as a sentence, and its SQL."""
    said = rule.segment.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"who"})
    return {**said, "rule": sentence(rule.condition, known.events), "sql": sql(rule, as_of, known)}


def sql(rule: Rule, as_of: AsOf, known: Vocabulary) -> str:
    """Return the statements that evaluate a rule alone, each with a comment that names the table it makes."""
    measures = Measures(as_of)
    plan = plan_rule(rule, known, measures)
    told = Told(*({name: f"run_{what}_of_{name}" for name in plan.segments} for what in ("members", "moves")))
    statements = [(f"-- {name}", text) for name, text in measure(measures)]
    return "\n\n".join(
        f"{title}\n{sqlglot.transpile(text, read='duckdb', write='duckdb', pretty=True, comments=False)[0]};"
        for title, text in [*statements, ("-- members", judge(plan, told))]
    )


def preview(name: str, as_of: str | None = None, sample: int = 5, warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Return who would be in: as_of, size, share of everybody, how many consent, and a sample with reasons.

    `by` counts them by country and device of the last visit and by value band (5: the top fifth by spend so far).
    `definition_hash` is the file's, by which all of this is; `notes` say where the members that are built differ, and
    which texts the definition asks for that no row has.
    """
    with _looking(name, as_of, warehouse) as (evaluator, batch, rule):
        members = batch.members(name)
        consenting = pc.is_in(members["customer_key"], value_set=evaluator.consenting(rule.segment))
        return {
            "name": name,
            "as_of": str(evaluator.as_of),
            **_standing(rule, evaluator),
            "size": members.num_rows,
            "share": members.num_rows / evaluator.base,
            "consent": {**rule.segment.consent.model_dump(), "granted": count_true(consenting)},
            "by": _by(evaluator, members),
            "sample": members.slice(0, sample).to_pylist(),
        }


def explain(
    name: str, customer_key: int, as_of: str | None = None, warehouse: Warehouse | None = None
) -> dict[str, Any]:
    """Return whether a customer is in, and each condition with its value and verdict.

    `definition_hash` and `notes` as in `preview`.

    Raises `NotEnoughData` for a customer who is not known at `as_of`.
    """
    with _looking(name, as_of, warehouse) as (evaluator, batch, rule):
        found = batch.verdict(name, customer_key)
        if found is None:
            raise NotEnoughData(
                f"Customer {customer_key} is not known at {evaluator.as_of}: no order, event or message"
            )
        is_member, told = found
        events = evaluator.known.events
        conditions = [sentence(leaf.condition, events) for leaf in batch.plans[name].leaves]
        facts = [asdict(Fact(asked, known, holds)) for asked, (holds, known) in zip(conditions, told, strict=True)]
        return {
            "name": name,
            "as_of": str(evaluator.as_of),
            **_standing(rule, evaluator),
            "customer_key": customer_key,
            "is_member": is_member,
            "rule": sentence(rule.condition, events),
            "conditions": facts,
        }


def _standing(rule: Rule, evaluator: Evaluator) -> dict[str, Any]:
    """Return which definition is looked at, how the members that are built differ from it, and what nobody has."""
    versions = Versions(evaluator.warehouse, evaluator.as_of)
    pin, active = Pin(definition(rule), evaluator.model_versions(rule)), versions.active(rule.name)
    notes = [f"version {one.version} waits: {one.reason}" for one in versions.of(rule.name) if one.status == "proposed"]
    if active is not None and active.pin != pin:
        what = "models" if active.definition == pin.definition else "definition"
        notes.insert(0, f"members are built by version {active.version} ({active.definition_hash}), of another {what}")
    if rule.segment.is_expired(evaluator.as_of):
        notes.append(f"it expired on {rule.segment.expires}: nobody is a member any more")
    if rule.segment.refresh != "daily":
        notes.append(f"members stand until the {rule.segment.refresh} refresh; this is evaluated anew")
    notes += unmet(rule, evaluator.known, evaluator.warehouse)
    return {"definition_hash": pin.definition_hash, "version": active.version if active else 0, "notes": notes}


def _by(evaluator: Evaluator, members: pa.Table) -> dict[str, dict[str, int]]:
    """Return how many members have each value of a band, most frequent first; `unknown` for none."""
    columns = ["customer_key", *_BANDS.values()]
    rows = evaluator.warehouse.read_arrow("customer_features", columns, {"as_of": evaluator.as_of})
    rows = rows.filter(pc.is_in(rows["customer_key"], value_set=members["customer_key"].combine_chunks()))
    found = dict[str, dict[str, int]]()
    for band, column in _BANDS.items():
        counts = rows[column].value_counts().to_pylist()
        counted = Counter({str(one["values"] or "unknown"): one["counts"] for one in counts})
        found[band] = dict(counted.most_common())
    return found


@contextmanager
def _looking(name: str, as_of: str | None, warehouse: Warehouse | None) -> Iterator[tuple[Evaluator, Batch, Rule]]:
    """Give what evaluates a segment and, because nothing is stored, every segment that it names."""
    house, known = warehouse or Warehouse(), load_vocabulary()
    catalogue = load_catalogue(known=known)
    rules = catalogue.needed(name)
    evaluator = Evaluator(house, parse_as_of(as_of) if as_of else latest_as_of(house), known)
    with evaluator.trial(rules) as batch:
        yield evaluator, batch, next(rule for rule in rules if rule.name == name)
