"""Templates: a definition with parameters, of which a segment's file gives the values.

A file of `config/segments/templates` is written as a segment, with `parameters` and with `$name` (or `${name}`) where a
value goes. A value that stands alone keeps its type; within a text it is written as it was given; `$$` is a dollar.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, WithJsonSchema

from ml.config import did_you_mean
from ml.errors import ConfigError
from ml.segments.durations import Duration
from ml.segments.forms import Form, Number, Scalar, Text
from ml.segments.reading import Lines, Place, at, load, parse, texts

FOLDER = "templates"
Kind = Literal["duration", "number", "text"]
_KINDS: dict[Kind, tuple[TypeAdapter[Any], str]] = {
    "duration": (TypeAdapter(Duration), "a length of time such as 10m, 48h or 30d"),
    "number": (TypeAdapter(Number), "a number, without quotes"),
    "text": (TypeAdapter(Text), "text (in quotes where YAML reads true or false: NO, yes, on)"),
}
# What a value must be is the parameter's to say.
Given = Annotated[Any, WithJsonSchema(TypeAdapter(Scalar).json_schema())]


class Parameter(Form):
    """What may differ between the segments of a template."""

    type: Kind = Field(description="What a value must be.")
    default: Scalar | None = Field(None, description="The value of a segment that gives none; else each must give one.")
    description: Text = Field(description="What it changes.")


class _Head(Form):
    parameters: dict[Text, Parameter] = Field(min_length=1)


class Use(Form):
    """What a segment's file says of its template; other keys replace the template's, except `who`."""

    template: Text = Field(description="A file of `config/segments/templates`, without `.yaml`.")
    with_: dict[Text, Given] = Field({}, alias="with", description="Values of the template's parameters.")


@dataclass(frozen=True)
class Template:
    """A template's file: its parameters, the definition with its placeholders, and where all of it is written."""

    path: Path
    parameters: Mapping[str, Parameter]
    body: dict[str, Any]
    lines: Lines


def load_filled(path: Path) -> tuple[Any, Lines]:
    """Return the content of a segment's file, a template that it names filled in, and where each key is written.

    A value that the file itself gives is written there, all else in the template. Raises `ConfigError`.
    """
    content, lines = load(path)
    if not isinstance(content, dict) or not {"template", "with"} & {*content}:
        return content, lines
    said = {key: content.pop(key) for key in ("template", "with") if key in content}
    use = parse(said, path, lines, Use)
    if "who" in content:
        raise ConfigError(f"{at(path, lines, ('who',))}: the template {use.template} says who; drop one of the two")
    template = read_template(_find(path, lines, use.template))
    filled, spots = _fill(template, _values(template, use, path, lines), lines)
    return {**filled, **content}, {**spots, **lines}


def read_template(path: Path) -> Template:
    """Return a template. Raises `ConfigError` where its parameters are wrong, or one of them is never used."""
    content, lines = load(path)
    body = dict(content) if isinstance(content, dict) else {}
    head = parse({"parameters": body.pop("parameters", {})}, path, lines, _Head)
    template = Template(path, head.parameters, body, lines)
    used = {name for place, text in texts(body) for name in _named(template, place, text)}
    for name, parameter in head.parameters.items():
        place = ("parameters", name)
        if name not in used:
            raise ConfigError(f"{at(path, lines, place)}: nothing uses it; write ${name} where its value goes")
        if parameter.default is not None:
            _check(parameter, parameter.default, at(path, lines, (*place, "default")))
    return template


def template_files(folder: Path) -> list[Path]:
    """Return the files of the templates beside the segments of a folder."""
    return sorted((folder / FOLDER).glob("*.yaml"))


def _find(path: Path, lines: Lines, name: str) -> Path:
    files = {file.stem: file for file in template_files(path.parent)}
    if name not in files:
        where = at(path, lines, ("template",))
        raise ConfigError(f"{where}: there is no template {name!r}{did_you_mean(name, files)}")
    return files[name]


def _values(template: Template, use: Use, path: Path, lines: Lines) -> dict[str, Any]:
    for name, given in use.with_.items():
        where = at(path, lines, ("with", name))
        if name not in template.parameters:
            near = did_you_mean(name, template.parameters)
            raise ConfigError(f"{where}: the template {use.template} has no parameter {name!r}{near}")
        _check(template.parameters[name], given, where)
    values = {name: use.with_.get(name, parameter.default) for name, parameter in template.parameters.items()}
    for name, value in values.items():
        if value is None:
            where = at(path, lines, ("with",) if ("with",) in lines else ("template",))
            what = template.parameters[name].description
            raise ConfigError(f"{where}: the template {use.template} needs {name}: {what}")
    return values


def _check(parameter: Parameter, value: Any, where: str) -> None:
    adapter, words = _KINDS[parameter.type]
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{where}: write {words}, not {value!r}") from error


def _fill(template: Template, values: Mapping[str, Any], given: Lines) -> tuple[dict[str, Any], Lines]:
    """Return the definition with its values, and where each key is written: a given value where it is given."""
    lines = dict(template.lines)
    for place, text in texts(template.body):
        spots = [given["with", name] for name in _named(template, place, text) if ("with", name) in given]
        lines[place] = spots[0] if spots else lines[place]
    return _filled(template.body, values), lines


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        return {key: _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    if not isinstance(part, str):
        return part
    alone = re.fullmatch(r"\$(?:(\w+)|\{(\w+)\})", part)
    return values[alone[1] or alone[2]] if alone else string.Template(part).substitute(values)


def _named(template: Template, place: Place, text: str) -> list[str]:
    """Return the parameters that a text uses. Raises `ConfigError` for one that is not declared."""
    where, found = at(template.path, template.lines, place), string.Template(text)
    if not found.is_valid():
        raise ConfigError(f"{where}: after $ comes the name of a parameter; a dollar itself is $$ (found {text!r})")
    for name in found.get_identifiers():
        if name not in template.parameters:
            near = did_you_mean(name, template.parameters)
            raise ConfigError(f"{where}: the template declares no parameter {name!r}{near}")
    return found.get_identifiers()
