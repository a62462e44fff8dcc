"""The generated half of `docs/sources.md`: every key of `config/sources.yaml`, from the models themselves."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ml.sources.spec import ColumnMapping, Cursor, Lookup, Range, Reference, Source, Volume

BEGIN, END = "<!-- reference: made by `audienceflow docs`, do not edit -->", "<!-- end of the reference -->"
_MODELS: dict[str, type[BaseModel]] = {
    "A source": Source,
    "columns": ColumnMapping,
    "columns: lookup": Lookup,
    "references": Reference,
    "cursor": Cursor,
    "volume": Volume,
    "volume: each measure": Range,
}


def page(text: str) -> str:
    """Return the page with the part between the two marks brought up to date."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{reference()}\n{END}{tail or chr(10)}"


def reference() -> str:
    """Return one table of keys per model."""
    return "\n".join(line for title, model in _MODELS.items() for line in _section(title, model))


def _section(title: str, model: type[BaseModel]) -> list[str]:
    words = " ".join((model.__doc__ or "").split())
    rows = [f"| `{f.alias or name}` | {_default(f)} | {_says(f)} |" for name, f in model.model_fields.items()]
    return [f"### {title}", "", words, "", "| key | if left out | what it says |", "|---|---|---|", *rows, ""]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be there"
    if field.default in (None, "", ()) or isinstance(field.default, dict | BaseModel):
        return "nothing"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _says(field: FieldInfo) -> str:
    inside = [part for option in (field.annotation, *get_args(field.annotation)) for part in _choices(option)]
    return f"{field.description}{' One of ' + ', '.join(f'`{i}`' for i in inside) + '.' if inside else ''}"


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()
