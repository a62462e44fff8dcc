"""The pictures of a backtest, drawn over its dates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from ml.models.page import svg
from ml.models.page.parts import Chart, fill
from ml.models.page.svg import Axis, Plot
from ml.times import DAY, AsOf

if TYPE_CHECKING:
    from ml.segments.backtest_study import Day, Study

_MOST = 5  # dates named below an axis
_ROWS = 12


@dataclass(frozen=True)
class _Dates(Axis):
    """Days since 1970, named as dates."""

    at: tuple[float, ...] = ()

    def ticks(self, most: int = _MOST) -> list[float]:
        """Return some of the dates."""
        step = max(1, math.ceil(len(self.at) / most))
        return list(self.at[::step])

    def text(self, value: float) -> str:
        """Return a date in few letters."""
        return f"{datetime.fromtimestamp(value * DAY, UTC):%d %b}"


def rates(study: Study) -> Chart:
    """Return how often the outcome met members, with intervals, beside everybody who was asked."""
    days = [(_x(day.as_of), day.measured) for day in study.told if day.measured]
    shares = [rate for _, m in days for rate in (m.rates.precision, m.rates.base_rate, m.precision.high)]
    top = max((share for share in shares if share > 0), default=1.0)  # NaN is not; nor is an axis without a height
    legend = [("c0", "members, 95%"), ("c1", "everybody asked")]
    plot = Plot("How often it came true", _dates(study), Axis("share", 0.0, min(1.0, top * 1.1), is_share=True), legend)
    plot.line(np.array([x for x, _ in days]), np.array([m.rates.base_rate for _, m in days]), "c1")
    for x, m in days:
        if m.rates.members:
            _whisker(plot, x, m.precision.low, m.precision.high)
            plot.dot(x, m.rates.precision, "c0", f"{m.rates.hits} of {m.rates.members} members")
    return Chart("rates.svg", plot.svg())


def lifts(study: Study) -> Chart:
    """Return the lift of each date with its interval, and the line of no lift."""
    days = [(_x(day.as_of), day.measured) for day in study.told if day.measured and day.measured.rates.hits]
    ends = [end for _, m in days for end in (m.rates.lift, m.lift.high)]
    top = max([2.0, *(end for end in ends if not math.isnan(end))])
    plot = Plot("Lift", _dates(study), Axis("times as often as the base", 0.0, top * 1.05))
    plot.line(np.array([plot.x.low, plot.x.high]), np.array([1.0, 1.0]), "chance")
    for x, m in days:
        _whisker(plot, x, m.lift.low, m.lift.high)
        plot.dot(x, m.rates.lift, "c0", f"lift {m.rates.lift:.2f}")
    return Chart("lift.svg", plot.svg())


def sizes(study: Study) -> Chart:
    """Return how many were members on each date."""
    days = study.known
    plot = Plot("Size", _dates(study), Axis("members", 0.0, max([1.0, *(day.size or 0 for day in days)]) * 1.05))
    for day in days:
        css = "c1 bar" if day.warning else "c0 bar"
        plot.column(_x(day.as_of), 0.6 * study.every_days, day.size or 0, css, f"{day.size:,} {day.warning}")
    return Chart("size.svg", plot.svg())


def moves(study: Study) -> Chart:
    """Return how many came and went from date to date."""
    days = [day for day in study.known if day.previous]
    top = max([1.0, *(max(day.entered or 0, day.left or 0) for day in days)])
    plot = Plot(
        "Coming and going", _dates(study), Axis("customers", 0.0, top * 1.05), [("c0", "entered"), ("c1", "left")]
    )
    _pairs(plot, study, [(day, day.entered or 0, day.left or 0) for day in days])
    return Chart("moves.svg", plot.svg())


def money(study: Study) -> Chart:
    """Return what members spent in the horizon before and after each date."""
    days = [(day, day.money.before / 100, day.money.after / 100) for day in study.told if day.money]
    top = max([1.0, *(amount for _, *both in days for amount in both)])
    words = study.case.outcome.horizon.words
    legend = [("c0", f"{words} before"), ("c1", f"{words} after")]
    plot = Plot("What members spent", _dates(study), Axis("amount", 0.0, top * 1.05), legend)
    _pairs(plot, study, days)
    return Chart("money.svg", plot.svg())


def company(study: Study) -> Chart:
    """Return which part of the members other segments have, too, on the last date."""
    found = study.known[-1].company if study.known else {}
    shown = dict(sorted(found.items(), key=lambda one: -one[1].share)[:_ROWS])
    parts, left, first, step = svg.rows_of("Members who are also in", list(shown))
    for number, (name, one) in enumerate(shown.items()):
        bar = '<rect class="c0 bar" x="{}" y="{}" width="{}" height="10"><title>{}</title></rect>'
        sizes = (left, first + number * step - 5, (svg.WIDTH - 18 - left) * one.share)
        parts.append(fill(bar, *(f"{v:.1f}" for v in sizes), f"{name}: {one.shared:,} members, {one.share:.0%}"))
    return Chart("company.svg", svg.wrapped(parts, 40 + step * len(shown)))


def _pairs(plot: Plot, study: Study, days: list[tuple[Day, float, float]]) -> None:
    width = 0.36 * study.every_days
    for day, first, second in days:
        for side, amount, css in ((-1, first, "c0 bar"), (1, second, "c1 bar")):
            plot.column(_x(day.as_of) + side * width / 2, width, amount, css, f"{amount:,.0f}")


def _whisker(plot: Plot, x: float, low: float, high: float) -> None:
    if not math.isnan(low):
        plot.whisker(x, low, high, "c0")


def _dates(study: Study) -> _Dates:
    at = tuple(_x(day.as_of) for day in study.days)
    room = 0.6 * study.every_days
    return _Dates("date", at[0] - room, at[-1] + room, at=at)


def _x(at: AsOf) -> float:
    return at.epoch / DAY
