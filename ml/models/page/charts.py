"""The charts of a test, each from the figures of an `Evaluation`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from markupsafe import Markup

from ml.models.page import svg
from ml.models.page.parts import Chart, each, fill
from ml.models.page.svg import Axis, Plot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.models.evaluate import Evaluation
    from ml.models.explain import Explanation
    from ml.models.metrics import Array, Predicted

_POINTS = 160  # a line shows no more
_ROWS = 12
_COLOURS = '<text class="middle muted" x="{}" y="{}">violet: low value, amber: high, grey: none or a category</text>'


def ranking(found: Evaluation, kind: str, contacted: float) -> tuple[Chart, ...]:
    """Return ROC and precision-recall (of probabilities only), gains and lift, and the contact share."""
    curves = {name: _found(curve) for name, curve in found.curves().items()}
    shared = (_gains(curves, contacted), _lift(curves, contacted))
    if kind == "cents":
        return shared
    base = float(found.metrics["test_mean"])
    return (_roc(curves, base), _precision_recall(curves, base), *shared)


def calibration(found: Evaluation, kind: str) -> Chart:
    """Return predicted beside actual by tenth of the score, with intervals."""
    return _amounts(found) if kind == "cents" else _reliability(found)


def importance(explained: Explanation) -> Chart:
    """Return the features' mean absolute contributions."""
    largest = dict(list(explained.importance.items())[:_ROWS])
    parts, left, first, step = svg.rows_of("What moves the score", list(largest))
    top = max(largest.values(), default=0.0) or 1.0
    for number, (name, size) in enumerate(largest.items()):
        bar = '<rect class="c0 bar" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
        told = f"{name}: {size:.3g}"
        sizes = (left, first + number * step - 5, (svg.WIDTH - 18 - left) * size / top, 10)
        parts.append(fill(bar, *(f"{v:.1f}" for v in sizes), told))
    parts.append(_below(left, len(largest), "mean absolute contribution"))
    return Chart("importance.svg", svg.wrapped(parts, 30 + step * len(largest) + 26))


def contributions(explained: Explanation) -> Chart:
    """Return a SHAP summary: each dot a customer, its place the contribution, its colour the feature's value."""
    names = [name for name in explained.importance if name in explained.contributions][:_ROWS]
    parts, left, first, step = svg.rows_of("How each value moves it", names)
    moved = explained.contributions[names].to_numpy() if names else np.zeros((1, 1))
    low, high = min(moved.min(), 0.0), max(moved.max(), 0.0)
    scale = (svg.WIDTH - 18 - left) / max(high - low, 1e-9)
    zero = left - low * scale
    bottom = 30 + step * len(names)
    parts.append(fill('<path class="grid" d="M{0} 26V{1}"/>', f"{zero:.1f}", bottom))
    for number, name in enumerate(names):
        xs = zero + explained.contributions[name].to_numpy() * scale
        ys = first + number * step + _scatter(xs, step)
        shade = explained.places[name].fillna(-1).to_numpy()
        for css, of in _shades(shade):
            parts.append(svg.dots(xs[of], ys[of], css))
    parts.append(_below(left, len(names), "contribution; a dot is a customer"))
    parts.append(fill(_COLOURS, svg.WIDTH / 2, f"{bottom + 33:.0f}"))
    return Chart("shap.svg", svg.wrapped(parts, bottom + 40))


def _shades(shade: Array) -> list[tuple[str, NDArray[np.bool_]]]:
    band = np.where(shade < 0, -1, np.minimum(shade * 5, 4).astype(np.int64))
    return [(f"v{n}" if n >= 0 else "v", band == n) for n in np.unique(band).tolist()]


def _scatter(xs: Array, step: float) -> Array:
    """Return how far above or below its row each dot lies: dots of one place are spread, the more the wider."""
    place = np.round(xs / 4).astype(np.int64)
    order = np.argsort(place, kind="stable")
    runs = np.flatnonzero(np.r_[True, np.diff(place[order]) != 0])
    number = np.arange(len(xs)) - np.repeat(runs, np.diff(np.r_[runs, len(xs)]))
    up = np.where(number % 2, -(number + 1) / 2, number / 2) * 1.6
    found = np.empty(len(xs))
    found[order] = np.clip(up, -step * 0.42, step * 0.42)
    return found


def _below(left: float, rows: int, text: str) -> Markup:
    label = '<text class="middle muted" x="{}" y="{}">{}</text>'
    return fill(label, f"{(left + svg.WIDTH) / 2:.0f}", 30 + 19 * rows + 18, text)


def _found(curve: Predicted) -> tuple[Array, Array]:
    """Return the share of customers, from the highest score on, and the share of the outcome among them."""
    counted = np.r_[0, len(curve.score) - curve.ties[::-1]]
    sums = np.r_[0.0, np.cumsum(curve.actual[curve.order[::-1]])][counted]
    kept = np.unique(np.linspace(0, len(counted) - 1, _POINTS).round().astype(np.int64))
    return counted[kept] / len(curve.score), sums[kept] / max(float(curve.actual.sum()), 1e-12)


Curves = Mapping[str, tuple["Array", "Array"]]
Drawn = TypeVar("Drawn")


def _last_first(curves: Iterable[Drawn]) -> list[tuple[int, Drawn]]:
    """Return curves with their numbers, the model's last: it is drawn over the others."""
    return list(enumerate(curves))[::-1]


def _legend(curves: Curves) -> list[tuple[str, str]]:
    return [(f"c{number}", name) for number, name in enumerate(curves)]


def _roc(curves: Curves, base: float) -> Chart:
    plot = Plot("ROC", _share("false positive rate"), _share("true positive rate"), _legend(curves))
    plot.line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "chance")
    for number, (people, found) in _last_first(curves.values()):
        plot.line((people - found * base) / max(1 - base, 1e-12), found, f"c{number}")
    return Chart("roc.svg", plot.svg())


def _precision_recall(curves: Curves, base: float) -> Chart:
    plot = Plot("Precision and recall", _share("recall"), _share("precision"), _legend(curves))
    plot.line(np.array([0.0, 1.0]), np.array([base, base]), "chance")
    for number, (people, found) in _last_first(curves.values()):
        seen = people > 0
        plot.line(found[seen], found[seen] * base / people[seen], f"c{number}", steps=True)
    return Chart("precision_recall.svg", plot.svg())


def _gains(curves: Curves, contacted: float) -> Chart:
    share = _share("share of customers, highest score first")
    plot = Plot("Gains", share, _share("share of the outcome found"), _legend(curves))
    plot.line(np.array([contacted, contacted]), np.array([0.0, 1.0]), "mark")
    plot.line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "chance")
    for number, (people, found) in _last_first(curves.values()):
        plot.line(people, found, f"c{number}")
    return Chart("gains.svg", plot.svg())


def _lift(curves: Curves, contacted: float) -> Chart:
    lifted = {}
    at = np.linspace(0.02, 1, 99)  # the first few customers are noise
    for name, (people, found) in curves.items():
        lifted[name] = np.interp(at, people, found) / at
    top = max((float(values.max()) for values in lifted.values()), default=1.0)
    share = _share("share of customers, highest score first")
    plot = Plot("Lift", share, Axis("times the average", 0.0, max(top, 1.0) * 1.05), _legend(curves))
    plot.line(np.array([contacted, contacted]), np.array([0.0, plot.y.high]), "mark")
    plot.line(np.array([0.0, 1.0]), np.array([1.0, 1.0]), "chance")
    for number, values in _last_first(lifted.values()):
        plot.line(at, values, f"c{number}")
    return Chart("lift.svg", plot.svg())


def _reliability(found: Evaluation) -> Chart:
    rows = found.deciles
    top = float(max(rows["predicted"].max(), rows["actual_high"].max())) * 1.03
    plot = Plot(
        "Reliability, by tenth of the score",
        Axis("probability predicted", 0.0, top, is_share=True),
        Axis("share observed, 95%", 0.0, top, is_share=True),
    )
    plot.line(np.array([0.0, top]), np.array([0.0, top]), "chance")
    for row in each(rows):
        plot.whisker(row.predicted, row.actual_low, row.actual_high, "c0")
        told = f"tenth {row.decile}: {row.predicted:.1%} predicted, {row.actual:.1%} observed"
        plot.dot(row.predicted, row.actual, "c0", told)
    return Chart("reliability.svg", plot.svg())


def _amounts(found: Evaluation) -> Chart:
    rows = found.deciles
    top = float(max(rows["predicted"].max(), rows["actual_high"].max())) / 100 * 1.03
    plot = Plot(
        "Expected and actual, by tenth of the score",
        Axis("tenth, 1 is the highest", 0.4, len(rows) + 0.6),
        Axis("mean amount", 0.0, top),
        [("c0", "expected"), ("c1", "actual, 95%")],
    )
    for row in each(rows):
        plot.column(row.decile - 0.2, 0.36, row.predicted / 100, "c0 bar", f"expected {row.predicted / 100:,.2f}")
        plot.column(row.decile + 0.2, 0.36, row.actual / 100, "c1 bar", f"actual {row.actual / 100:,.2f}")
        plot.whisker(row.decile + 0.2, row.actual_low / 100, row.actual_high / 100, "ink")
    return Chart("deciles.svg", plot.svg())


def _share(label: str) -> Axis:
    return Axis(label, 0.0, 1.0, is_share=True)
