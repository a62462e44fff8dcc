"""Read a segment's YAML with the line of every key, and say what is wrong at its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import yaml
from pydantic import ValidationError

from ml.config import SafeLoader, did_you_mean
from ml.errors import ConfigError
from ml.segments.conditions import KINDS
from ml.segments.forms import Form

Model = TypeVar("Model", bound=Form)
Place = tuple[str | int, ...]


class Spot(NamedTuple):
    """Where a key is written."""

    path: Path
    line: int


Lines = dict[Place, Spot]
_NEAR = 0.65
# What pydantic finds, as a marketer would be told it.
_WORDS = {
    "model_type": "write keys and values here: {keys}",
    "model_attributes_type": "write keys and values here: {keys}",
    "tuple_type": "write a list here",
    "too_short": "write at least one item here",
    "too_long": "write at most {max_length} items here",
    "string_type": "write text here; YAML reads NO, yes and on as true or false, so put them in quotes",
    "string_too_short": "write text here",
    "string_pattern_mismatch": "write small letters, digits and underscores, a letter first, at most 63 of them",
    "bool_type": "write true or false here",
    "int_type": "write a whole number here, without quotes",
    "int_parsing": "write a whole number here",
    "int_from_float": "write a whole number here",
    "float_type": "write a number here, without quotes",
    "float_parsing": "write a number here; 10 percent is 0.1",
    "greater_than": "write a number above {gt:g}",
    "greater_than_equal": "write {ge:g} or more",
    "less_than_equal": "write {le:g} or less",
    "literal_error": "write {expected}",
    "date_from_datetime_parsing": "write a day such as 2018-12-31",
    "date_from_datetime_inexact": "write a day such as 2018-12-31",
    "dict_type": "write keys and values here",
    "date_type": "write a day such as 2018-12-31",
    "missing": "is missing",
}


def read_definition(path: Path, model: type[Model]) -> tuple[Model, Lines]:
    """Return the file as a `model`, and the line of each of its keys (see `load` and `parse`)."""
    content, lines = load(path)
    return parse(content, path, lines, model), lines


def parse(content: Any, path: Path, lines: Lines, model: type[Model]) -> Model:
    """Return content as a `model`.

    Raises `ConfigError` with one line a problem: file, line, key, what is allowed, the nearest name.
    """
    try:
        return model.model_validate(content if content is not None else {})
    except ValidationError as error:
        found = [dict(one) for one in error.errors() if not _is_echo(dict(one))]
        problems = [_problem(path, model, one, lines) for one in found]
        raise ConfigError("\n".join(problems)) from error


def at(path: Path, lines: Lines, place: Place) -> str:
    """Return `file:line: key` for a place, or for the nearest place above it that is in the file."""
    known = place
    while known and known not in lines:
        known = known[:-1]
    where = "{}:{}".format(*lines[known]) if known in lines else f"{path}"
    return f"{where}: {spoken(place)}"


def spoken(place: Place) -> str:
    """Return a place as a person writes it: `who.all[1].feature`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "(whole file)"


def texts(part: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield each text of a file's content with its place."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in items:
        yield from texts(value, (*place, key))
    if isinstance(part, str):
        yield place, part


def _problem(path: Path, model: type[Form], error: dict[str, Any], lines: Lines) -> str:
    place = tuple(part for part in error["loc"] if not _is_tag(part))
    context, kind, found = error.get("ctx", {}), error["type"], error["input"]
    if kind == "segment":
        return f"{at(path, lines, (*place, *context['keys']))}: {context['message']}"
    if kind == "extra_forbidden":
        return f"{at(path, lines, place)}: unknown key{_near_key(str(place[-1]), _keys_at(model, error['loc']))}"
    inside = ", ".join(_keys_at(model, (*error["loc"], "")))
    message = _WORDS[kind].format(**context, keys=inside) if kind in _WORDS else error["msg"]
    if kind == "literal_error" and isinstance(found, str):
        near = did_you_mean(found, context["expected"].replace(" or ", ", ").replace("'", "").split(", "))
        message += near if "did you mean" in near else ""
    shown = f" (found {found!r})" if isinstance(found, str | int | float | bool) else ""
    return f"{at(path, lines, place)}: {message}{shown}"


def _near_key(key: str, keys: list[str]) -> str:
    """Return the nearest keys, or all of them where none is near; keys are short, so many are somewhat alike."""
    is_near = difflib.get_close_matches(key, keys, cutoff=_NEAR)
    return did_you_mean(key, keys) if is_near else f"; there are: {', '.join(keys)}"


def _is_echo(error: dict[str, Any]) -> bool:
    """Whether a list only counts as empty because its items are wrong, which is said of them already."""
    return error["type"] == "too_short" and bool(error["input"])


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith("<")


def _keys_at(model: type[Form], location: Place) -> list[str]:
    """Return the keys allowed beside the last part of `location`."""
    form = model
    for part in location[:-1]:
        if _is_tag(part):
            form = KINDS[str(part).strip("<>")]
        elif isinstance(part, str):
            # A key that a person chooses, such as the name of a parameter, is no field.
            field = next((f for name, f in form.model_fields.items() if part in {name, f.alias}), None)
            form = next(_forms_in(field.annotation), form) if field else form
    return form.keys()


def _forms_in(annotation: Any) -> Iterator[type[Form]]:
    if isinstance(annotation, type) and issubclass(annotation, Form):
        yield annotation
    for part in get_args(annotation):
        yield from _forms_in(part)


def load(path: Path) -> tuple[Any, Lines]:
    """Return a YAML file's content and the line of each of its keys. Raises `ConfigError` naming file and line."""
    try:
        text = path.read_text(encoding="utf-8")
        try:
            return _read(path, text, _Fast)
        except yaml.MarkedYAMLError:
            return _read(path, text, _Exact)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line, words = _unreadable(path, error)
        raise ConfigError(f"{path}{line}: not readable as YAML: {words}") from error


def _read(path: Path, text: str, loader: Any) -> tuple[Any, Lines]:
    lines: Lines = {}
    reader = loader(text)
    node = reader.get_single_node()
    _note_lines(path, node, (), lines)
    return None if node is None else reader.construct_document(node), lines


class _Fast(SafeLoader):  # type: ignore[misc]  # libyaml's, where it is there
    """Reads what is right."""


class _Exact(yaml.SafeLoader):
    """Says of what is wrong where it is, and which character."""


def _day(loader: Any, node: yaml.ScalarNode) -> Any:
    """Return a day or a time; know the line of one that never is."""
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        words = f"{node.value} is no day ({error}); write one such as 2018-12-31"
        raise yaml.constructor.ConstructorError(problem=words, problem_mark=node.start_mark) from error


for _loader in (_Fast, _Exact):
    _loader.add_constructor("tag:yaml.org,2002:timestamp", _day)


def _unreadable(path: Path, error: Exception) -> tuple[str, str]:
    """Return `:line`, where it is known, and what is wrong there."""
    match error:
        case yaml.MarkedYAMLError():
            tab = "; indent with spaces, not tabs" if "\\t" in str(error.problem) else ""
            mark = error.problem_mark
            return f":{mark.line + 1}" if mark else "", f"{error.problem}{tab}"
        case yaml.reader.ReaderError():
            line = path.read_text(encoding="utf-8").count("\n", 0, error.position) + 1
            return f":{line}", f"character number {error.character} may not be there; delete it"
        case UnicodeDecodeError():
            line = error.object.count(b"\n", 0, error.start) + 1
            return f":{line}", "save the file as UTF-8"
    return "", str(error)


def _note_lines(path: Path, node: yaml.Node | None, place: Place, lines: Lines) -> None:
    if node is None:
        return
    lines.setdefault(place, Spot(path, node.start_mark.line + 1))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(path, item, (*place, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner, line = (*place, str(key.value)), key.start_mark.line + 1
            if inner in lines:
                # YAML would silently keep the last one.
                raise ConfigError(f"{path}:{line}: {spoken(inner)} is there twice; first on line {lines[inner].line}")
            lines[inner] = Spot(path, line)
            _note_lines(path, value, inner, lines)
