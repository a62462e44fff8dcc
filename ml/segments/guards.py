"""How much may change at once: the limits of a segment's guard over the same three numbers, wherever they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.segments.language import Guard


def exceeded(guard: Guard, *, members: int, desired: int, removes: int, who: str, what: str) -> str:
    """Return which limit a change passes and by how much; empty text when it passes none.

    Args:
        guard: the limits; a change is not judged while there are fewer members than its `minimum_members` before it and
            after it, nor where there was nobody before.
        members: members before.
        desired: members after.
        removes: how many of `members` are not among `desired`.
        who: what the members are called.
        what: what they are members of.
    """
    if not members or max(members, desired) < guard.minimum_members:
        return ""
    if removes > guard.maximum_removal_share * members:
        return (
            f"{removes:,} of {members:,} {who} would be removed ({removes / members:.0%}), more than "
            f"maximum_removal_share {guard.maximum_removal_share:.0%}"
        )
    if abs(desired - members) > guard.maximum_size_change * members:
        return (
            f"{what} would go from {members:,} to {desired:,} members ({desired / members - 1:+.0%}), more than "
            f"maximum_size_change {guard.maximum_size_change:.0%}"
        )
    overlap = (members - removes) / (desired + removes)
    if overlap < guard.minimum_overlap:
        return (
            f"only {members - removes:,} of {desired + removes:,} who are members before or after are both "
            f"({overlap:.0%}), less than minimum_overlap {guard.minimum_overlap:.0%}"
        )
    return ""
