"""The generated half of `docs/segments.md`: every key of the language, from the forms themselves."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from ml.segments import conditions as c
from ml.segments.durations import Duration
from ml.segments.events import load_events
from ml.segments.forms import Bounds, Form, Portion, Unit
from ml.segments.language import Guard, Limits, Segment

BEGIN, END = "<!-- reference: made by `audienceflow docs`, do not edit -->", "<!-- end of the reference -->"
_PARTS: tuple[type[Form], ...] = (Bounds, Unit, Portion, c.BreakEven, c.Where, c.Step, c.Closing, c.Consent)
_NAMES: dict[type[Form], str] = {
    Bounds: "comparison",
    Unit: "comparison from 0 to 1",
    Portion: "portion",
    c.BreakEven: "break-even",
    c.Where: "where",
    c.Step: "step",
    c.Closing: "then_not",
    c.Consent: "consent",
    Limits: "limits",
    Guard: "guard",
}


def page(text: str) -> str:
    """Return the page with the part between the two marks brought up to date."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{reference()}\n{END}{tail or chr(10)}"


def reference() -> str:
    """Return the reference: a file's keys, the conditions, their parts, and the kinds of event."""
    parts = ["### A file", "", *_table(Segment)]
    parts += _sections([(f"#### {_NAMES[form]}", form) for form in (Limits, Guard)])
    parts += ["### Conditions", ""]
    parts += _sections([(f"#### {kind}", form) for kind, form in c.KINDS.items()])
    parts += ["### Parts of conditions", ""]
    parts += _sections([(f"#### {_NAMES[form]}", form) for form in _PARTS])
    return "\n".join([*parts, *_events()])


def _sections(forms: list[tuple[str, type[Form]]]) -> Iterator[str]:
    for title, form in forms:
        yield from (title, "", str(form.__doc__).strip(), "", *_table(form))


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
