"""The verdicts on a catalogue, in words with what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from ml.segments.health import Health

_MANY = 0.5  # a share of the customers above this is worth a word


@dataclass(frozen=True)
class Verdict:
    """What is the matter, with which segments, and what to do."""

    kind: str
    segments: tuple[str, ...]
    text: str
    next_step: str


def verdicts(found: Health) -> list[Verdict]:
    """Return everything that is the matter, what weighs most first; nothing for a catalogue in order."""
    return [*_alike(found), *_indistinct(found), *_small(found), *_unused(found), *_spread(found)]


def headline(found: Health) -> str:
    """Return the state of the catalogue in a sentence."""
    told = verdicts(found)
    blamed = {name for one in told for name in one.segments}
    if not blamed:
        return f"All {len(found.sizes)} segments are of use and tell customers apart."
    return f"{len(blamed)} of {len(found.sizes)} segments need a look."


def untested(found: Health) -> str:
    """Return why outcomes are not known; empty text when they are."""
    if found.cohort:
        return ""
    return (
        f"Outcomes are not known yet: no run of the segments is {found.window_days} days older than the latest data. "
        f"Build the segments at an earlier as_of, or look again in {found.window_days} days."
    )


def _alike(found: Health) -> list[Verdict]:
    return [
        Verdict(
            "alike",
            (pair.one, pair.other),
            f"{pair.one} and {pair.other} share {pair.shared:,} customers: {pair.jaccard:.0%} of those in either.",
            "Keep one of them, or put both into an exclusive_group with a priority.",
        )
        for pair in found.alike
    ]


def _indistinct(found: Health) -> list[Verdict]:
    return [
        Verdict(
            "indistinct",
            (name,),
            f"What members of {name} ordered afterwards may be luck: {one.members.rate:.0%} ordered and "
            f"{one.others.rate:.0%} of the others, for {one.members.mean:,.2f} and {one.others.mean:,.2f} a customer.",
            "Sharpen the rule, or keep it only if its campaign treats them differently for another reason.",
        )
        for name in found.indistinct
        for one in [found.outcomes[name]]
    ]


def _small(found: Health) -> list[Verdict]:
    return [
        Verdict(
            "small",
            (name,),
            f"{name} has {found.sizes[name]:,} members, fewer than {found.bounds.smallest:,}.",
            "Widen the rule, or drop it: a holdout of so few shows no effect.",
        )
        for name in found.small
    ]


def _unused(found: Health) -> list[Verdict]:
    return [
        Verdict(
            "unused",
            (name,),
            f"No destination uses {name}.",
            "Name one under destinations, or drop the file if no other segment refers to it.",
        )
        for name in found.unused
    ]


def _spread(found: Health) -> list[Verdict]:
    made = []
    if found.in_none > _MANY:
        text = f"{found.in_none:.0%} of the customers are in no segment."
        made.append(Verdict("uncovered", (), text, "Add a segment for those who are left out."))
    if found.in_many > _MANY:
        text = f"{found.in_many:.0%} of the customers are in more than {found.bounds.most} segments."
        made.append(
            Verdict("crowded", (), text, "Let priorities in an exclusive_group decide who is written to first.")
        )
    return made
