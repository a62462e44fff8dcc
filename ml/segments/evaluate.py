"""Run a definition at a point in time: its members, each with the reason. Nothing is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml.errors import NotEnoughData
from ml.segments.compiler import QUERY, plan_segment
from ml.segments.language import Segment
from ml.segments.plan import Plan
from ml.segments.reasons import fact, reasons, truth
from ml.segments.vocabulary import Vocabulary
from ml.sql import table
from ml.times import AsOf
from ml.warehouse import Warehouse

_VERSIONS = Path("6_segments/queries/model_versions.sql")


@dataclass(frozen=True)
class Evaluator:
    """Evaluates definitions at one `as_of`; what all of them need is read once."""

    warehouse: Warehouse
    as_of: AsOf
    known: Vocabulary

    @cached_property
    def base(self) -> int:
        """Customers known at `as_of`. Raises `NotEnoughData` when there are none."""
        self.warehouse.create("segment_members", "segment_runs", *table("segment_members").reads)
        found = self.warehouse.count("customer_features", {"as_of": self.as_of})
        if not found:
            raise NotEnoughData(f"customer_features has no rows at {self.as_of}: run build_features for it first")
        return found

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """The version of each model that scored at `as_of`."""
        rows = self.warehouse.select_arrow(_VERSIONS, as_of=self.as_of).to_pylist()
        return {row["model"]: row["model_version"] for row in rows}

    def members(self, segment: Segment) -> pa.Table:
        """Return customer_key and reason, in order of customer_key.

        Raises `NotEnoughData` when a model did not score, or a segment it names was not built, at `as_of`.
        """
        plan = self.plan(segment)
        rows = self._rows(plan, None).sort_by("customer_key")
        return pa.table({"customer_key": rows["customer_key"], "reason": reasons(rows, plan, self.known)})

    def consenting(self, segment: Segment) -> pa.Array:
        """Return the customers who have granted the segment's purpose on its channel, as things stand today."""
        asked = {"purpose": segment.consent.purpose, "channel": segment.consent.channel, "granted": True}
        granted = self.warehouse.read_arrow("customer_consents", ["customer_key"], where=asked)
        return granted["customer_key"].combine_chunks()

    def verdict(self, segment: Segment, customer_key: int) -> tuple[bool, list[tuple[bool, str]]] | None:
        """Return whether one customer is in, and for each condition whether it holds and what is known.

        None for a customer who is not known at `as_of`.
        """
        plan = self.plan(segment)
        rows = self._rows(plan, customer_key)
        if not rows.num_rows:
            return None
        told = [(rows[leaf.column][0].as_py(), fact(rows, leaf, self.known)[0].as_py()) for leaf in plan.leaves]
        return bool(truth(rows, plan.root)[0].as_py()), told

    def model_versions(self, segment: Segment) -> str:
        """Return the versions of the models that `segment` uses, as a JSON object."""
        used = sorted(set(self.plan(segment).models))
        return json.dumps({model: self.versions[model] for model in used})

    def plan(self, segment: Segment) -> Plan:
        """Return what to compute, once it is certain that all of it is there."""
        self.base  # noqa: B018 - raises when there is nobody
        plan = plan_segment(segment, self.known.events, self.as_of)
        for model in plan.models:
            if model not in self.versions:
                raise NotEnoughData(
                    f"Segment {segment.name}: {model} has no scores at {self.as_of}; train it and run score_customers"
                )
        for other in segment.references:
            if not self.warehouse.count("segment_runs", {"segment": other, "as_of": self.as_of}):
                raise NotEnoughData(
                    f"Segment {segment.name}: {other}, which it names, is not built at {self.as_of}; build it first"
                )
        return plan

    def _rows(self, plan: Plan, customer_key: int | None) -> pa.Table:
        return self.warehouse.select_arrow(QUERY, plan=plan, as_of=self.as_of, customer_key=customer_key)


def count_true(flags: pa.Array) -> int:
    """Return how many flags are set."""
    return int(pc.sum(flags).as_py() or 0)
