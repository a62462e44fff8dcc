"""What a page is made of: sections of facts, tables and charts. Anybody who has a `Section` can have it shown."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    import pandas as pd

Cell = str | Markup


def fill(template: str, *values: object) -> Markup:
    """Return markup with values in its places, escaped unless they are markup themselves."""
    return Markup(template).format(*values)  # noqa: S704 - templates are this package's own, values are escaped


def each(rows: pd.DataFrame) -> list[Any]:
    """Return the rows of a frame as named tuples."""
    return list(rows.itertuples(index=False))


@dataclass(frozen=True)
class Facts:
    """Names and what is to be said of each, below one another."""

    rows: dict[str, str]

    kind = "facts"


@dataclass(frozen=True)
class Band:
    """A row of a table that heads those below it; a badge marks what needs care."""

    text: str
    badge: str = ""
    note: str = ""

    kind = "band"


@dataclass(frozen=True)
class Row:
    """A row of a table: its first cell names it, the others are figures. `strong` is the one that matters."""

    cells: tuple[Cell, ...]
    strong: bool = False

    kind = "row"


@dataclass(frozen=True)
class Table:
    """Figures in rows and columns."""

    head: tuple[str, ...]
    rows: tuple[Row | Band, ...]
    note: str = ""

    kind = "table"


@dataclass(frozen=True)
class Chart:
    """A drawing: SVG that takes its colours from `chart.css`. `file` is its name among the figures."""

    file: str
    svg: Markup

    kind = "chart"


Block = Facts | Table | Chart


@dataclass(frozen=True)
class Tile:
    """One figure that is read first, with its interval and what it says."""

    name: str
    value: str
    interval: str
    note: str


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading."""

    title: str
    lead: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """The heading as the end of an address."""
        return self.title.lower().replace(" ", "-")

    @property
    def runs(self) -> list[tuple[str, list[Block]]]:
        """The blocks in their order, those of one kind that follow one another together."""
        return [(kind, list(blocks)) for kind, blocks in groupby(self.blocks, key=lambda block: block.kind)]
