"""Who enters and who leaves between two versions of a segment, and whether its rule or a score moves them: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.segments.changes import compare
from ml.segments.guards import exceeded

if TYPE_CHECKING:
    from ml.segments.language import Guard
    from ml.times import AsOf

SAMPLE = 10  # of those who enter and of those who leave, kept and shown


@dataclass(frozen=True)
class Diff:
    """Two memberships compared. `moved`: customer_key, change (entered | left), reason, cause (rule | score)."""

    size_before: int
    size: int
    moved: pa.Table

    @classmethod
    def first(cls, size: int) -> Diff:
        """Return the difference to nothing: nobody is said to enter."""
        return cls(0, size, pa.table({name: pa.array([], pa.string()) for name in ("change", "cause")}))

    @property
    def entered(self) -> int:
        """Members after, not before."""
        return self._count("change", "entered")

    @property
    def left(self) -> int:
        """Members before, not after."""
        return self._count("change", "left")

    @property
    def moved_by_rule(self) -> int:
        """Those on whom the two rules differ today."""
        return self._count("cause", "rule")

    @property
    def sample(self) -> list[dict[str, Any]]:
        """Some who enter, then some who leave: those with the lowest keys."""
        parts = [self.moved.filter(pc.equal(self.moved["change"], way)) for way in ("entered", "left")]
        return [row for part in parts for row in part.slice(0, SAMPLE).to_pylist()]

    def exceeds(self, guard: Guard) -> str:
        """Return which limit of a segment's guard it passes; empty text when it passes none."""
        if not self.size_before and self.size >= guard.minimum_members:
            return f"nobody is a member, and {self.size:,} would be"
        counts = {"members": self.size_before, "desired": self.size, "removes": self.left}
        return exceeded(guard, **counts, who="members", what="the segment")

    def _count(self, column: str, value: str) -> int:
        return int(self.moved.filter(pc.equal(self.moved[column], value)).num_rows)


def difference(now: pa.Table, before: pa.Table, by_active_rule: pa.Table, as_of: AsOf) -> Diff:
    """Compare the members by a new version with those before it.

    Args:
        now: customer_key, reason by the new version.
        before: customer_key, reason of the version that is active.
        by_active_rule: customer_key by the active version's rule over today's scores; it tells a rule from a score.
        as_of: point in time of `now`.
    """
    unknown = pa.nulls(before.num_rows, pa.timestamp("us"))
    moved = compare(now, before.append_column("entered_at", unknown), as_of.at).moved
    is_in_now = pc.equal(moved["change"], "entered")
    would_be_in = pc.is_in(moved["customer_key"], value_set=by_active_rule["customer_key"].combine_chunks())
    cause = pc.if_else(pc.not_equal(is_in_now, would_be_in), "rule", "score")
    return Diff(before.num_rows, now.num_rows, moved.append_column("cause", cause))
