"""The page of the catalogue's health: verdicts first, then how segments overlap, cover the base and turn out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml.models.page.parts import Band, Chart, Facts, Row, Section, Table, Tile, fill
from ml.models.page.render import page
from ml.models.page.svg import WIDTH, rows_of, wrapped
from ml.models.page.words import count, percent
from ml.segments.health_words import headline, untested, verdicts

if TYPE_CHECKING:
    from markupsafe import Markup

    from ml.segments.health import Health

_WIDE = 0.04  # a share of the chart's width: the least a bar of the coverage may have to be seen
_LEGIBLE = 14.0  # columns narrower than this are numbered every other time
_ORDER = {"alike": "Too alike", "indistinct": "No outcome of their own", "small": "Too small", "unused": "Unused"}


def render(found: Health) -> str:
    """Return the page as HTML that needs no other file."""
    lead = f"{headline(found)} Segments as built at {found.as_of.at:%Y-%m-%d}, over {found.customers:,} customers."
    made = [_verdicts(found), _overlap(found), _coverage(found), _outcomes(found)]
    return page("Health of the segments", "Health of the segments", lead, _tiles(found), made)


def _tiles(found: Health) -> list[Tile]:
    alike, many = found.bounds.alike, found.bounds.most
    tested = f"of {len(found.outcomes)} tested" if found.cohort else "not known yet"
    return [
        Tile("Segments", count(len(found.sizes)), "", f"over {found.customers:,} customers"),
        Tile("In no segment", percent(found.in_none), "", "of the customers"),
        Tile(f"In more than {many}", percent(found.in_many), "", "of the customers"),
        Tile("Too alike", count(len(found.alike)), "", f"pairs with a Jaccard index of {alike:g} or more"),
        Tile("No outcome of their own", count(len(found.indistinct)), "", tested),
        Tile("Unused", count(len(found.unused)), "", "go to no destination"),
    ]


def _verdicts(found: Health) -> Section:
    told = verdicts(found)
    rows: list[Row | Band] = []
    for kind, step in dict.fromkeys((one.kind, one.next_step) for one in told):
        rows.append(Band(_ORDER.get(kind, "Coverage"), note=step))
        rows += [Row((one.text,)) for one in told if one.kind == kind and one.next_step == step]
    lead = "What is the matter, and beside each heading what to do about it." if rows else "Nothing is the matter."
    return Section("Verdicts", lead, (Table(("What",), tuple(rows)),) if rows else ())


def _overlap(found: Health) -> Section:
    closest = sorted(found.pairs, key=lambda pair: -pair.jaccard)[:8]
    rows = tuple(
        Row(
            (f"{pair.one}, {pair.other}", f"{pair.shared:,}", percent(pair.jaccard)), pair.jaccard >= found.bounds.alike
        )
        for pair in closest
    )
    table = Table(("The closest pairs", "Shared", "Jaccard"), rows)
    lead = "How many of the customers of either segment are in both (Jaccard index): the darker, the more alike."
    return Section("Overlap", lead, (Chart("overlap.svg", heat_map(found)), table))


def heat_map(found: Health) -> Markup:
    """Return a square for each two segments, darker the more customers they share."""
    names = list(found.sizes)
    labels = [f"{name}  {number}" for number, name in enumerate(names, 1)]
    parts, left, first, height = rows_of("Jaccard index of each two segments", labels)
    width = (WIDTH - left - 2) / max(len(names), 1)
    jaccard = {(pair.one, pair.other): pair.jaccard for pair in found.pairs}
    for row, one in enumerate(names):
        for column, other in enumerate(names[:row]):
            share = jaccard[other, one]
            box = (left + column * width, first - height / 2 + row * height, width - 1, height - 1)
            parts.append(_square(box, share, f"{one} and {other}: {share:.0%}"))
    for column in range(0, len(names) - 1, 1 if width > _LEGIBLE else 2):
        text = '<text class="middle muted" x="{:.1f}" y="{:.1f}">{}</text>'
        bottom = first + (len(names) - 0.5) * height + 12
        parts.append(fill(text, left + (column + 0.5) * width, bottom, column + 1))
    return wrapped(parts, first + len(names) * height + 14)


def _square(box: Sequence[float], share: float, told: str) -> Markup:
    square = '<rect class="c0" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill-opacity="{:.2f}" '
    square += 'style="stroke: none"><title>{}</title></rect>'
    return fill(square, *box, 0.05 + 0.95 * share, told)


def _coverage(found: Health) -> Section:
    names = [f"in {number}" for number in found.counted]
    parts, left, first, height = rows_of("Customers by the number of segments they are in", names)
    most = max(found.counted.values())
    for row, (number, customers) in enumerate(found.counted.items()):
        width = max(customers / most, _WIDE / 10) * (WIDTH - left - 70)
        middle = first + row * height
        told = f"{customers:,} ({customers / found.customers:.0%})"
        bar = '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" style="stroke: none"/>'
        css = "c1" if number == 0 or number > found.bounds.most else "c0"
        parts.append(fill(bar, css, left, middle - height / 2 + 2, width, height - 4))
        parts.append(fill('<text x="{:.1f}" y="{:.1f}">{}</text>', left + width + 5, middle + 4, told))
    drawn = Chart("coverage.svg", wrapped(parts, first + len(names) * height))
    return Section("Coverage", "Red: those in no segment, and those in more than they can be told of.", (drawn,))


def _outcomes(found: Health) -> Section:
    if not found.cohort:
        return Section("Outcomes", untested(found), ())
    rows = tuple(
        Row(
            (
                name,
                f"{one.members.customers:,}",
                f"{percent(one.members.rate)} / {percent(one.others.rate)}",
                _chance(one.by_rate),
                f"{one.members.mean:,.2f} / {one.others.mean:,.2f}",
                _chance(one.by_spend),
            ),
            not one.is_distinct(found.bounds.chance),
        )
        for name, one in found.outcomes.items()
    )
    head = ("Segment", "Members", "Ordered: members / others", "Chance", "Spend: members / others", "Chance")
    lead = (
        f"What members of {found.cohort.at:%Y-%m-%d} ordered in the {found.window_days} days after it, against all "
        "other customers. Chance: how likely such a difference is by luck alone; bold rows could be luck."
    )
    how = Facts(
        {
            "Tests": "chi-square of who ordered, Welch's t of the spend a customer",
            "Correction": f"Benjamini-Hochberg over {2 * len(found.outcomes)} tests, at {found.bounds.chance:.0%}",
            "Not an effect": "members were chosen by what they did before; only a holdout shows what a campaign did",
        }
    )
    return Section("Outcomes", lead, (Table(head, rows), how))


def _chance(value: float) -> str:
    if math.isnan(value):
        return "not testable"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
