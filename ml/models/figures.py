"""Pictures of a test: reliability, lift, gains, deciles and what the model leans on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ml.models.metrics import BINS, Predicted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ml.models.metrics import Array

_COLOURS = ("#0b5fa5", "#d1495b", "#5b8c5a", "#8d6a9f", "#e09f3e")
_SIZE, _DPI = (5.2, 4.0), 90


def save_all(
    folder: Path, kind: str, curves: Mapping[str, Predicted], deciles: Any, importance: Mapping[str, float]
) -> None:
    """Write the figures of a test as PNG into `folder`.

    Args:
        folder: must exist.
        kind: probability or cents.
        curves: the model first, then what it is compared with, on the same customers.
        deciles: the model's decile table (see `ml.models.evaluate`).
        importance: weight of each feature, the largest first.
    """
    level = _reliability(deciles) if kind == "probability" else _amounts(deciles)
    level.savefig(folder / ("reliability.png" if kind == "probability" else "deciles.png"), dpi=_DPI)
    _gains(curves).savefig(folder / "gains.png", dpi=_DPI)
    _lift(curves).savefig(folder / "lift.png", dpi=_DPI)
    _importance(importance).savefig(folder / "importance.png", dpi=_DPI)


def _axes(title: str, x: str, y: str, left: float = 0.15) -> tuple[Figure, Any]:
    figure = Figure(figsize=_SIZE)
    axes = figure.add_axes((left, 0.13, 0.96 - left, 0.76))  # fixed: measuring text for a layout doubles the time
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True, alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _reliability(deciles: Any) -> Figure:
    figure, axes = _axes("Reliability, by tenth of the score", "predicted probability", "share observed")
    top = float(max(deciles["predicted"].max(), deciles["actual"].max())) * 1.05
    axes.plot([0, top], [0, top], color="grey", linestyle="--", linewidth=1)
    axes.plot(deciles["predicted"], deciles["actual"], "o-", color=_COLOURS[0])
    return figure


def _amounts(deciles: Any) -> Figure:
    figure, axes = _axes(
        "Expected and actual, by tenth of the score", "tenth, 1 is the highest", "mean, in hundreds of cents"
    )
    place = np.arange(1, len(deciles) + 1)
    axes.bar(place - 0.2, deciles["predicted"] / 100, width=0.4, color=_COLOURS[0], label="expected")
    axes.bar(place + 0.2, deciles["actual"] / 100, width=0.4, color=_COLOURS[1], label="actual")
    axes.legend(frameon=False)
    return figure


def _gains(curves: Mapping[str, Predicted]) -> Figure:
    figure, axes = _axes("Gains", "share of customers, highest score first", "share of the outcome found")
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    for colour, (name, curve) in zip(_COLOURS, curves.items(), strict=False):
        x, y = _captured(curve)
        axes.plot(x, y, color=colour, label=name)
    axes.legend(frameon=False)
    return figure


def _lift(curves: Mapping[str, Predicted]) -> Figure:
    figure, axes = _axes("Lift", "share of customers, highest score first", "times the average")
    axes.axhline(1, color="grey", linestyle="--", linewidth=1)
    for colour, (name, curve) in zip(_COLOURS, curves.items(), strict=False):
        x, y = _captured(curve)
        shown = x >= 1 / BINS / 2  # the first few customers are noise
        axes.plot(x[shown], y[shown] / x[shown], color=colour, label=name)
    axes.legend(frameon=False)
    return figure


def _captured(curve: Predicted) -> tuple[Array, Array]:
    found = np.cumsum(curve.actual[curve.order[::-1]])
    return np.arange(1, len(found) + 1) / len(found), found / max(found[-1], 1e-12)


def _importance(importance: Mapping[str, float], most: int = 15) -> Figure:
    figure, axes = _axes("What moves the score", "mean absolute contribution", "", left=0.36)
    names = list(importance)[:most][::-1]
    axes.barh(names, [importance[name] for name in names], color=_COLOURS[0])
    axes.tick_params(axis="y", labelsize=7)
    return figure
