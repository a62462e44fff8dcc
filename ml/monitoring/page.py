"""A model's realised performance over time, on one page: pictures and the rows that they draw."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_BLUE, _RED = "#0b5fa5", "#d1495b"
_LEVEL = {"auc": "ece", "gini": "total_error"}
_TITLES = {
    "auc": "Ranking: AUC",
    "gini": "Ranking: Gini",
    "ece": "Calibration error",
    "total_error": "Error of the expected total",
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}}
table{{border-collapse:collapse;font-size:13px}}
td,th{{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:left;white-space:nowrap}}
img{{max-width:100%}}</style>
<h1>{title}</h1>
<p>Each point is a day on which customers were scored; its outcome was measured once the label window had closed. The
dashed line is what the test of the version promised, red points are judged declined.</p>
<img alt="{alt}" src="data:image/png;base64,{image}">
<h2>Every measurement, the latest first</h2>{table}</html>
"""
_COLUMNS = {
    "scored_as_of": "scored",
    "model_version": "version",
    "metric": "metric",
    "value": "value",
    "low": "low",
    "high": "high",
    "promised": "at its test",
    "customers": "customers",
    "positives": "positives",
    "status": "status",
    "finding": "finding",
}


def write_page(name: str, rows: pd.DataFrame, deciles: pd.DataFrame, path: Path) -> Path:
    """Write the page of one model and return its path.

    Args:
        name: the model.
        rows: its rows of `realised_performance`, at least one.
        deciles: rows of `realised_deciles` of the latest point in time.
        path: where the page goes; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _PAGE.format(
        title=escape(f"{name}: did the scores come true?"),
        alt=escape(f"Ranking, level and deciles of {name} over time"),
        image=base64.b64encode(_picture(rows, deciles)).decode(),
        table=_table(rows),
    )
    path.write_text(text, encoding="utf-8")
    return path


def _table(rows: pd.DataFrame) -> str:
    shown = rows.sort_values(["scored_as_of", "metric"], ascending=[False, True])[list(_COLUMNS)]
    days = shown["scored_as_of"].astype("datetime64[us]").dt.strftime("%Y-%m-%d")
    numbers = {name: shown[name].astype("float64") for name in ("value", "low", "high", "promised")}
    told = shown.assign(scored_as_of=days, **numbers).rename(columns=_COLUMNS)
    html: str = told.to_html(index=False, border=0, na_rep="", float_format=_short)
    return html


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3f}"


def _picture(rows: pd.DataFrame, deciles: pd.DataFrame) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    ranking = next((metric for metric in _LEVEL if (rows["metric"] == metric).any()), "auc")
    for axes, metric in ((left, ranking), (middle, _LEVEL[ranking])):
        _over_time(axes, rows[(rows["metric"] == metric) & rows["value"].notna()], _TITLES[metric])
    _expected_and_actual(right, deciles)
    right.set_ylabel("mean, in cents" if ranking == "gini" else "probability and share")
    out = BytesIO()
    figure.savefig(out, format="png", dpi=90)
    return out.getvalue()


def _over_time(axes: Any, rows: pd.DataFrame, title: str) -> None:
    from matplotlib.dates import ConciseDateFormatter

    rows = rows.sort_values("scored_as_of")
    when, value = rows["scored_as_of"].astype("datetime64[us]").to_numpy(), rows["value"].to_numpy(float)
    low, high = (rows[name].astype("float64").fillna(rows["value"]).to_numpy(float) for name in ("low", "high"))
    axes.vlines(when, low, high, color=_BLUE, alpha=0.4)
    axes.plot(when, value, "-", color=_BLUE, linewidth=1)
    axes.scatter(when, value, c=[_RED if s == "declined" else _BLUE for s in rows["status"]], zorder=3)
    axes.step(when, rows["promised"].to_numpy(float, na_value=float("nan")), "--", where="post", color="grey")
    _dress(axes, title)
    ticks: Any = ConciseDateFormatter
    axes.xaxis.set_major_formatter(ticks(axes.xaxis.get_major_locator()))


def _expected_and_actual(axes: Any, deciles: pd.DataFrame) -> None:
    place = deciles["decile"].to_numpy(int)
    axes.bar(place - 0.2, deciles["expected"].to_numpy(float), width=0.4, color=_BLUE, label="expected")
    axes.bar(place + 0.2, deciles["actual"].to_numpy(float), width=0.4, color=_RED, label="actual")
    axes.vlines(place + 0.2, *(deciles[name].to_numpy(float) for name in ("actual_low", "actual_high")), color="#555")
    axes.legend(frameon=False)
    _dress(axes, "Latest day, by tenth of the score")


def _dress(axes: Any, title: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.grid(visible=True, alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
