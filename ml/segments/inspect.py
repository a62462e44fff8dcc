"""Look at segments without touching what is stored: preview a definition, explain one customer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import sqlglot

from ml.errors import NotEnoughData
from ml.segments.catalogue import Catalogue, load_catalogue
from ml.segments.compiler import plan_segment, segment_sql
from ml.segments.evaluate import Evaluator, count_true
from ml.segments.language import Segment
from ml.segments.vocabulary import Vocabulary, load_vocabulary
from ml.segments.words import sentence
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse

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


def describe(segment: Segment, as_of: AsOf, known: Vocabulary) -> dict[str, Any]:
    """Return what a definition says: its words, its rule as a sentence, and its SQL."""
    sql = segment_sql(plan_segment(segment, known.events, as_of), as_of)
    said = segment.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"who"})
    return {
        **said,
        "rule": sentence(segment.rule, known.events),
        "sql": sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True)[0],
    }


def preview(name: str, as_of: str | None = None, sample: int = 5, warehouse: Warehouse | None = None) -> dict[str, Any]:
    """Return who would be in: as_of, size, share of everybody, how many consent, and a sample with reasons."""
    evaluator, catalogue = _open(as_of, warehouse)
    members = evaluator.members(catalogue[name])
    consenting = pc.is_in(members["customer_key"], value_set=evaluator.consenting(catalogue[name]))
    return {
        "name": name,
        "as_of": str(evaluator.as_of),
        "size": members.num_rows,
        "share": members.num_rows / evaluator.base,
        "consent": {**catalogue[name].consent.model_dump(), "granted": count_true(consenting)},
        "sample": members.slice(0, sample).to_pylist(),
    }


def explain(
    name: str, customer_key: int, as_of: str | None = None, warehouse: Warehouse | None = None
) -> dict[str, Any]:
    """Return whether a customer is in, and each condition with its value and verdict.

    Raises `NotEnoughData` for a customer who is not known at `as_of`.
    """
    evaluator, catalogue = _open(as_of, warehouse)
    segment = catalogue[name]
    found = evaluator.verdict(segment, customer_key)
    if found is None:
        raise NotEnoughData(f"Customer {customer_key} is not known at {evaluator.as_of}: no order, event or message")
    is_member, told = found
    conditions = [sentence(leaf.condition, evaluator.known.events) for leaf in evaluator.plan(segment).leaves]
    facts = [asdict(Fact(asked, known, holds)) for asked, (holds, known) in zip(conditions, told, strict=True)]
    return {
        "name": name,
        "as_of": str(evaluator.as_of),
        "customer_key": customer_key,
        "is_member": is_member,
        "rule": sentence(segment.rule, evaluator.known.events),
        "conditions": facts,
    }


def _open(as_of: str | None, warehouse: Warehouse | None) -> tuple[Evaluator, Catalogue]:
    house, known = warehouse or Warehouse(), load_vocabulary()
    catalogue = load_catalogue(known=known)
    return Evaluator(house, parse_as_of(as_of) if as_of else latest_as_of(house), known), catalogue
