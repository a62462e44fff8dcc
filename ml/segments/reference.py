"""The generated half of `docs/segments.md`: every key of the language, from the forms themselves."""

from __future__ import annotations

import types
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from ml.segments import behaviour, standing
from ml.segments.clusters import Clustering, Clusterings, Scale
from ml.segments.conditions import KINDS, Weighted
from ml.segments.durations import Duration
from ml.segments.events import load_events
from ml.segments.forms import Bounds, Form, Portion, Unit
from ml.segments.house import HouseRules
from ml.segments.language import Guard, Limits, Segment
from ml.segments.outcomes import Backtest, Ordered, Outcome, Redemption, TopSpend

BEGIN, END = "<!-- reference: made by `audienceflow docs`, do not edit -->", "<!-- end of the reference -->"
_PARTS: tuple[type[Form], ...] = (
    *(Bounds, Unit, Portion, standing.BreakEven, standing.Span, Weighted),
    *(behaviour.Where, behaviour.Anchor, behaviour.Step, behaviour.Closing, standing.Consent),
)
_NAMES: dict[type[Form], str] = {
    Bounds: "comparison",
    Unit: "comparison from 0 to 1",
    Portion: "portion",
    standing.BreakEven: "break-even",
    behaviour.Where: "where",
    behaviour.Step: "step",
    behaviour.Closing: "then_not",
    standing.Consent: "consent",
    standing.Span: "span",
    behaviour.Anchor: "since",
    Weighted: "points",
    Clustering: "clustering",
    Scale: "scale",
    Limits: "limits",
    Guard: "guard",
    Outcome: "outcome",
    Ordered: "order",
    Redemption: "redemption",
    TopSpend: "top_spend",
    Backtest: "backtest",
}
_AROUND = (Limits, Guard, Outcome, Ordered, Redemption, TopSpend, Backtest)


def page(text: str) -> str:
    """Return the page with the part between the two marks brought up to date."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{reference()}\n{END}{tail or chr(10)}"


def reference() -> str:
    """Return the reference: a file's keys, those for all files, the conditions, their parts, and the kinds of event."""
    parts = ["### A file", "", *_table(Segment)]
    parts += _sections([(f"#### {_NAMES[form]}", form) for form in _AROUND])
    parts += ["### For every segment: `config/segmentation.yaml`", "", *_table(HouseRules)]
    parts += ["### For clusters: `config/clusters.yaml`", "", *_table(Clusterings)]
    parts += _sections([(f"#### {_NAMES[form]}", form) for form in (Clustering, Scale)])
    parts += ["### Conditions", ""]
    parts += _sections([(f"#### {kind}", form) for kind, form in KINDS.items()])
    parts += ["### Parts of conditions", ""]
    parts += _sections([(f"#### {_NAMES[form]}", form) for form in _PARTS])
    return "\n".join([*parts, *_events()])


def _sections(forms: list[tuple[str, type[Form]]]) -> Iterator[str]:
    for title, form in forms:
        yield from (title, "", cleandoc(str(form.__doc__)), "", *_table(form))


def _table(form: type[Form]) -> list[str]:
    rows = [
        f"| `{field.alias or name}` | {_kind(field.annotation)} | {_default(field)} | {field.description or ''} |"
        for name, field in _leading_first(form)
    ]
    return ["| key | value | if left out | what it says |", "|---|---|---|---|", *rows, ""]


def _leading_first(form: type[Form]) -> list[tuple[str, FieldInfo]]:
    """Return the fields with those that must be there before the others."""
    return sorted(form.model_fields.items(), key=lambda item: not item[1].is_required())


def _kind(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Form):
        return _NAMES.get(annotation, "condition")
    origin, inside = get_origin(annotation), [a for a in get_args(annotation) if a is not type(None)]
    if origin is dict:
        return f"{_kind(inside[1])} by name"
    if origin is tuple:
        return f"list of {_kind(inside[0])}" if Ellipsis in inside else f"[{', '.join(map(_kind, inside))}]"
    if origin in {Union, types.UnionType}:
        names = list(dict.fromkeys(_kind(part) for part in inside))
        return "number" if set(names) == {"whole number", "number"} else " or ".join(_shortened(names))
    if inside and origin is not None:
        return " or ".join(f"`{part}`" for part in inside) if _is_choice(inside) else _kind(inside[0])
    words = {str: "text", int: "whole number", float: "number", bool: "true or false", Duration: "time"}
    return words.get(annotation, "text")


def _is_choice(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _shortened(names: list[str]) -> list[str]:
    if {"whole number", "number"} <= set(names):
        names = [name for name in names if name != "whole number"]
    return ["condition"] if set(names) == {"condition"} else names


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if isinstance(value, Form):
        return "see below"
    return "" if value is None or value == () else f"`{value}`"


def _events() -> list[str]:
    rows = [
        f"| `{kind.name}` | {kind.label} | {', '.join(f'`{name}`' for name in kind.stream.properties)} |"
        for kind in load_events().values()
    ]
    return ["### Kinds of event", "", "| event | in words | `where` may ask for |", "|---|---|---|", *rows, ""]
