"""Figures as people read them."""

from __future__ import annotations

import math


def percent(value: float, digits: int = 1) -> str:
    """Return a share in percent, or a dash where there is none."""
    return "–" if math.isnan(value) else f"{value * 100:.{digits}f}%"


def points(value: float) -> str:
    """Return a difference of shares in points, with its sign."""
    return "–" if math.isnan(value) else f"{round(value * 100, 1) + 0.0:+.1f}"


def count(value: float) -> str:
    """Return a number of customers."""
    return f"{value:,.0f}"


def money(cents: float, currency: str) -> str:
    """Return an amount of cents in units of 100, its currency after it."""
    units = cents / 100
    shown = f"{units:,.0f}" if abs(units) >= 100 else f"{units:,.2f}"
    return "–" if math.isnan(cents) else f"{shown} {currency}".rstrip()


def figure(value: float) -> str:
    """Return a metric with three decimals, a large one with none; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def brief(value: float) -> str:
    """Return a number such as a lift with two decimals, or a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def spread(low: float, high: float) -> str:
    """Return an interval of a metric, or nothing where there is none."""
    return "" if math.isnan(low) else f"[{figure(low)}, {figure(high)}]"
