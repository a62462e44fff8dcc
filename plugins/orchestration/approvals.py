"""What a person said when a task asked: the answer of an `ApprovalOperator` in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY = "nobody in time"


def said(response: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return whether it was approved, by whom, and the note they left.

    Args:
        response: what the operator returned; None when it never got an answer.
    """
    found = response or {}
    user = found.get("responded_by_user") or {}
    return {
        "approved": ApprovalOperator.APPROVE in found.get("chosen_options", ()),
        "by": str(user.get("name") or user.get("id") or NOBODY),
        "note": str(found.get("params_input", {}).get("note") or ""),
    }
