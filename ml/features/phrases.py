"""Features in words: the templates of the catalogue, filled in for all customers at once.

A template is text with fields, each with a format: `no order for {value:days}`. `value` is the feature's own,
`typical` the median of the customers that the model learnt from, any other name another feature of the same customer.

| format | 0.4 | 1 | 1234.5 |
|---|---|---|---|
| `number` (or none) | 0.4 | 1 | 1,234 |
| `order|orders` | 0.4 orders | 1 order | 1,234 orders; 0 is `no orders` |
| `days` | less than a day | 1 day | 1,234 days |
| `every` | every day | every day | every 1,234 days |
| `percent` | 40% | 100% | 123,450% |
| `money`, of cents | 0.00 USD | 0.01 USD | 12.34 USD |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import reduce
from string import Formatter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.config import did_you_mean
from ml.errors import ConfigError
from ml.sql import Says

Columns = Mapping[str, NDArray[Any]]


def tell(says: Says, columns: Columns, currency: str = "") -> pa.Array:
    """Return one text a customer, shape (rows,).

    Args:
        says: the templates of one feature.
        columns: `value`, and what else the templates name, each of shape (rows,); `usual` is left unsaid where it
            names something that is not there or missing.
        currency: said after an amount; empty for none.

    Raises:
        ConfigError: a template asks for a format that does not exist.
    """
    value = columns["value"]
    text = _fill(says.text, columns, currency)
    for exactly, words in says.exactly.items():
        text = pc.if_else(pa.array(value == exactly, pa.bool_()), _fill(words, columns, currency), text)
    if says.missing is not None:
        text = pc.if_else(pc.is_null(_arrow(value)), _fill(says.missing, columns, currency), text)
    return text if says.usual is None else _with_usual(text, says.usual, columns, currency)


def _with_usual(text: pa.Array, usual: str, columns: Columns, currency: str) -> pa.Array:
    """Add what is usual, where the value itself and all that the template names are known."""
    names = {"value", *(name for _, name, _, _ in Formatter().parse(usual) if name)}
    if not names <= columns.keys():
        return text
    known = reduce(pc.and_, [pc.is_valid(_arrow(columns[name])) for name in sorted(names)])
    return pc.if_else(known, pc.binary_join_element_wise(text, _fill(usual, columns, currency), "; "), text)


def _arrow(values: NDArray[Any]) -> pa.Array:
    return pa.array(values, from_pandas=True)  # NaN is missing


def _fill(template: str, columns: Columns, currency: str) -> pa.Array:
    rows = len(columns["value"])
    parts = []
    for literal, name, form, _ in Formatter().parse(template):
        parts.append(pa.repeat(literal, rows))
        if name is not None:
            parts.append(_shown(columns[name], form or "", currency))
    return pc.binary_join_element_wise(*parts, "")


def _shown(values: NDArray[Any], form: str, currency: str) -> pa.Array:
    """Return values as text; every distinct one is formatted once."""
    coded, show = _arrow(_rounded(values, form)).dictionary_encode(), _format(form, currency)
    made = pa.array([show(value) for value in coded.dictionary.to_pylist()], pa.string())
    return made.take(coded.indices).fill_null(_unknown(form))


def _rounded(values: NDArray[Any], form: str) -> NDArray[Any]:
    """Return numbers as precisely as they are said: two or three digits, whole days, whole percents."""
    if values.dtype.kind in "OU":
        return values
    scaled = values.astype(np.float64) * {"money": 0.01, "percent": 100.0}.get(form, 1.0)
    size = np.abs(scaled)
    few, more = {"money": (2, 2), "percent": (1, 0), "days": (0, 0), "every": (0, 0)}.get(form, (2, 1))
    near = np.where(size >= (10 if form == "percent" else 1), np.round(scaled, more), np.round(scaled, few))
    return np.where(size >= 100, np.round(scaled), near) + 0.0  # never -0


def _format(form: str, currency: str) -> Callable[[Any], str]:
    if "|" in form:
        one, many = form.split("|")
        return lambda value: f"no {many}" if value == 0 else f"{_number(value)} {one if value == 1 else many}"
    forms = {
        "": _number,
        "number": _number,
        "days": lambda value: "less than a day" if value == 0 else _days(value),
        "every": lambda value: "every day" if value <= 1 else f"every {_days(value)}",
        "percent": lambda value: f"{_number(value)}%",
        "money": lambda value: f"{_amount(value)} {currency}".rstrip(),
    }
    if form not in forms:
        raise ConfigError(f"A template of a feature asks for the format {form!r}{did_you_mean(form, forms)}")
    return forms[form]


def _unknown(form: str) -> str:
    return f"an unknown number of {form.split('|')[1]}" if "|" in form else "unknown"


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return re.sub(r"[\s_\x00-\x1f]+", " ", value).strip()
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _days(value: float) -> str:
    return f"{value:,.0f} day{'' if value == 1 else 's'}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
