"""Values for the variables of the queries, so that each can be linted, and asked of two engines."""

from __future__ import annotations

from typing import Any

from ml.features.targets import KINDS
from ml.times import DAY, AsOf

OF_RULES = {"distincts", "happened", "judged", "measured", "sequence", "tallies", "visits"}
"""Queries made of segments' rules; what every kind of condition comes to is tested in tests/ml/segments."""

_TARGETS = {"department": "DELI", "category": "BEER", "brand": "Private", "channel": "web", "campaign": "c1"}


def query_samples(at: AsOf) -> dict[str, list[dict[str, Any]]]:
    """Return sets of parameters by a query's name; a query that takes none is not among them."""
    now = {"as_of": at}
    columns = ["as_of", "model", "customer_key", "score"]
    return {
        "contact_values": [{"policy": "x"}],
        "features_at": [{**now, "parts": 2}],
        "purchase_summary": [now],
        "seen_before": [now],
        "history_end": [now],
        "ranked_offers": [
            {**now, "scores": "customer_scores", "models": ["tea", "wine"], "columns": columns, "rank_by": by}
            for by in ("offer_lift", "score")
        ],
        "scored_points": [{"since": at.minus(30), "until": at.plus(1)}],
        "source_state": [{"until_epoch": at.epoch}],
        "came_true": _outcomes(at),
        "model_versions": [now],
        "overlaps": [now],
        "realised": [{**now, "window_days": 28}],
        "segments_per_customer": [now],
        "values_met": [{"table": "customer_profiles", "column": "email"}],
        "sync_members": [{**now, "segment": "loyal", "purpose": "marketing", "channel": "email"}],
    }


def _outcomes(at: AsOf) -> list[dict[str, Any]]:
    asked = {"as_of": at, "since": at.epoch - 28 * DAY, "until": at.epoch + 28 * DAY, "targets": None}
    nothing: dict[str, list[str]] = {kind: [] for kind in KINDS}
    by_target = [{**nothing, kind: [_TARGETS.get(kind, "x")]} for kind in KINDS]
    return [
        *({**asked, "kind": kind} for kind in ("purchase", "churn", "collapse", "redemption")),
        *({**asked, "kind": "purchase", "targets": targets} for targets in by_target),
        {**asked, "kind": "redemption", "targets": {**nothing, "campaign": ["c1"]}},
    ]
