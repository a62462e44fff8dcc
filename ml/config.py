"""Read YAML files into frozen objects; what is wrong is named by file, key and nearest allowed name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ml.errors import ConfigError

# libyaml reads the tables nine times as fast; it is missing from some builds.
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Return the file as a `model`. Raises `ConfigError` naming file, key, what is allowed and the nearest name."""
    return parse(load_yaml(path), model, str(path))


def load_yaml(path: Path) -> Any:
    """Return a YAML file's content. Raises `ConfigError` naming file and line."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=SafeLoader)  # noqa: S506 - both are safe loaders
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from error


def parse(content: Any, model: type[Model], place: str) -> Model:
    """Return `content` as a `model`; `place` names where it came from in errors."""
    try:
        return model.model_validate(content if content is not None else {})
    except ValidationError as error:
        problems = "\n  ".join(_problem(dict(e), model) for e in error.errors())
        raise ConfigError(f"{place}:\n  {problems}") from error


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return `; did you mean ...?` with the nearest names, or the allowed names when none is near."""
    names = sorted(allowed)
    folded = {one.casefold(): one for one in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
    if near:
        return f"; did you mean {' or '.join(folded[one] for one in near)}?"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"; there are: {shown}" if names else "; there is none"


def _problem(error: dict[str, Any], model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "(whole file)"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key{did_you_mean(str(error['loc'][-1]), _keys_at(model, error['loc']))}"
    found = error.get("input")
    shown = f" (found {found!r})" if isinstance(found, str | int | float | bool) else ""
    return f"{where}: {error['msg']}{shown}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys allowed beside the last part of `location`, found by walking the model's schema."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    level = [schema]
    for part in location[:-1]:
        level = [child for node in level for child in _children(node, part, definitions)]
    keys: list[str] = []
    for node in level:
        keys.extend(_resolve(node, definitions).get("properties", {}))
    return keys


def _children(node: dict[str, Any], part: int | str, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    node = _resolve(node, definitions)
    found: Any = node.get("properties", {}).get(part) if isinstance(part, str) else node.get("items")
    found = found or node.get("additionalProperties")
    if not isinstance(found, dict):
        return [node]  # a union's tag or an unnamed step: stay on this level
    options = [*found.get("anyOf", []), *found.get("oneOf", [])] or [found]
    return [_resolve(option, definitions) for option in options]


def _resolve(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref", "")
    resolved: dict[str, Any] = definitions.get(reference.rsplit("/", 1)[-1], node) if reference else node
    return resolved
