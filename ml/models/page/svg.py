"""Charts drawn as SVG by hand: small, quick, and in the reader's colours.

A class such as `c0` takes its colour from `templates/chart.css`, which knows light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from ml.models.page.parts import fill

if TYPE_CHECKING:
    from ml.models.metrics import Array

WIDTH = 420
_TOP, _RIGHT, _BOTTOM = 30, 18, 40
_LETTER = 6.0  # width of a letter of the legend
_LINE = 15


@dataclass(frozen=True)
class Axis:
    """One side of a chart: what it says, from where to where, and whether its numbers are shares."""

    label: str
    low: float
    high: float
    is_share: bool = False

    def ticks(self, most: int = 6) -> list[float]:
        """Return round numbers between the ends."""
        span = self.high - self.low
        rough = span / max(most - 1, 1)
        size = 10 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
        step = next((size * m for m in (1, 2, 5, 10) if size * m >= rough * 0.8), size * 10)
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, int(self.high / step + 1e-9) + 1)]

    def text(self, value: float) -> str:
        """Return a number as it stands at the axis."""
        return f"{value * 100:.4g}%" if self.is_share else short(value)


def short(value: float) -> str:
    """Return a number in few letters: 1200 is 1.2k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


class Plot:
    """A chart that things are drawn on, in the units of its axes."""

    def __init__(self, title: str, x: Axis, y: Axis, legend: Sequence[tuple[str, str]] = (), height: int = 250) -> None:
        """Begin with title, axes, grid and legend: pairs of class and name."""
        self.x, self.y = x, y
        self.parts = [fill('<text class="title" x="0" y="14">{}</text>', title)]
        self._top = _TOP + self._legend(legend)
        self._left, self._bottom = 48, self._top + height
        self._grid()

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return a point of the axes on the paper."""
        across = (x - self.x.low) / (self.x.high - self.x.low)
        up = (y - self.y.low) / (self.y.high - self.y.low)
        return (
            self._left + across * (WIDTH - _RIGHT - self._left),
            self._bottom - up * (self._bottom - self._top),
        )

    def line(self, xs: Array, ys: Array, css: str, *, steps: bool = False) -> None:
        """Draw a line through points; with `steps`, across and then up."""
        places = [self.place(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
        path = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
        path += "".join(f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}" for x, y in places[1:])
        self.parts.append(fill('<path class="line {}" d="{}"/>', css, path))

    def dot(self, x: float, y: float, css: str, told: str) -> None:
        """Draw a point that says `told` when it is pointed at."""
        across, up = self.place(x, y)
        dot = '<circle class="{}" cx="{}" cy="{}" r="3.5"><title>{}</title></circle>'
        self.parts.append(fill(dot, css, f"{across:.1f}", f"{up:.1f}", told))

    def whisker(self, x: float, low: float, high: float, css: str) -> None:
        """Draw an interval upright."""
        (across, bottom), (_, top) = self.place(x, max(low, self.y.low)), self.place(x, min(high, self.y.high))
        path = f"M{across:.1f} {bottom:.1f}V{top:.1f}"
        self.parts.append(fill('<path class="whisker {}" d="{}"/>', css, path))

    def column(self, x: float, width: float, height: float, css: str, told: str) -> None:
        """Draw a column from zero around `x`."""
        (left, top), (right, bottom) = self.place(x - width / 2, height), self.place(x + width / 2, 0)
        box = '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
        sizes = (f"{v:.1f}" for v in (left, top, right - left, max(bottom - top, 0)))
        self.parts.append(fill(box, css, *sizes, told))

    def svg(self) -> Markup:
        """Return the drawing."""
        return wrapped(self.parts, self._bottom + _BOTTOM)

    def _legend(self, items: Sequence[tuple[str, str]]) -> float:
        left, row = 0.0, 0
        for css, name in items:
            needed = 22 + _LETTER * len(name) + 12
            if left and left + needed > WIDTH:
                left, row = 0.0, row + 1
            y = _TOP + 2 + row * _LINE
            text = '<path class="line {}" d="M{} {}h16"/><text x="{}" y="{}">{}</text>'
            self.parts.append(fill(text, css, f"{left:.0f}", y - 4, f"{left + 21:.0f}", y, name))
            left += needed
        return (row + 1) * _LINE + 4 if items else 0

    def _grid(self) -> None:
        for value in self.y.ticks():
            _, at = self.place(self.x.low, value)
            line = '<path class="grid" d="M{} {}H{}"/><text class="end" x="{}" y="{}">{}</text>'
            sizes = (self._left, f"{at:.1f}", WIDTH - _RIGHT, self._left - 6, f"{at + 4:.1f}")
            self.parts.append(fill(line, *sizes, self.y.text(value)))
        for value in self.x.ticks():
            at, _ = self.place(value, self.y.low)
            text = '<text class="middle" x="{}" y="{}">{}</text>'
            self.parts.append(fill(text, f"{at:.1f}", self._bottom + 16, self.x.text(value)))
        label = '<text class="middle muted" x="{}" y="{}">{}</text>'
        self.parts.append(fill(label, (self._left + WIDTH - _RIGHT) / 2, self._bottom + 33, self.x.label))
        side = '<text class="muted" x="0" y="0" transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>'
        self.parts.append(fill(side, (self._top + self._bottom) / 2, self.y.label))


def wrapped(parts: Sequence[Markup], height: float, width: float = WIDTH) -> Markup:
    """Return the parts of a drawing as one `<svg>` element."""
    inside = Markup("").join(parts)
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img">{}</svg>'
    return fill(head, f"{width:g}", f"{height:g}", inside)


def dots(xs: Array, ys: Array, css: str) -> Markup:
    """Return many small points as one path, in the paper's units."""
    places = np.column_stack([xs, ys])
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)
    return fill('<path class="dots {}" d="{}"/>', css, path)


def interval(value: float, low: float, high: float, scale: float, css: str) -> Markup:
    """Return a value and its interval around zero as a drawing of one line; `scale` is at both ends."""

    def at(number: float) -> float:
        return 60 + 58 * max(-1.0, min(1.0, number / scale))

    parts = '<path class="grid" d="M60 0V14"/><path class="whisker {0}" d="M{1} 7H{2}"/>'
    parts += '<circle class="{0}" cx="{3}" cy="7" r="3"/>'
    inside = fill(parts, css, f"{at(low):.1f}", f"{at(high):.1f}", f"{at(value):.1f}")
    return fill('<svg class="mini" viewBox="0 0 120 14" aria-hidden="true">{}</svg>', inside)


def rows_of(title: str, names: Sequence[str]) -> tuple[list[Markup], float, float, float]:
    """Begin a chart of named rows; return its parts, where its drawing begins, its first row and a row's height."""
    height, left = 19.0, 12 + 6.4 * max((len(name) for name in names), default=0)
    parts = [fill('<text class="title" x="0" y="14">{}</text>', title)]
    for number, name in enumerate(names):
        text = '<text class="end" x="{}" y="{}">{}</text>'
        parts.append(fill(text, f"{left - 8:.1f}", f"{_TOP + height * (number + 0.5) + 4:.1f}", name))
    return parts, left, _TOP + height / 2, height
