"""The JSON Schema of a segment's file, so that editors complete keys and names and mark what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ml.segments.language import Segment
from ml.segments.vocabulary import Vocabulary, load_vocabulary

Schema = dict[str, Any]
_CONDITION = {"$ref": "#/$defs/Condition"}


def page(_: str = "") -> str:
    """Return the schema of this installation as `docs/segment.schema.json` keeps it."""
    return json.dumps(segment_schema(load_vocabulary()), indent=1) + "\n"


def segment_schema(known: Vocabulary) -> Schema:
    """Return the schema (draft 2020-12) with the names that `known` knows as choices."""
    made: Schema = Segment.model_json_schema(by_alias=True)
    condition = {"oneOf": made["properties"]["who"]["oneOf"], "description": "A condition."}
    made = _plain(made, condition["oneOf"])
    forms: dict[str, Schema] = made["$defs"]
    for form, key, names in _choices(known):
        found = forms[form]["properties"][key]
        (found if found.get("type") == "string" else found["items"])["enum"] = sorted(names)
    _shorten(forms, "Anchor", {"enum": sorted(known.events)})
    _shorten(forms, "Span", dict(forms["Duration"]))
    for timed in ("Purchase", "Redemption", "TopSpend"):
        _shorten(forms, timed, dict(forms["Duration"]))
    _shorten(forms, "Closing", {"type": "string", "pattern": r"^\s*\w+ within \w+\s*$"})
    for windowed in ("EventCondition", "SequenceCondition", "ContextCondition"):
        _loosen(forms[windowed]["properties"]["more_than"])
    if known.destinations:
        made["properties"]["destinations"]["items"] = {"enum": sorted(known.destinations)}
    forms["Condition"] = condition
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _choices(known: Vocabulary) -> Iterable[tuple[str, str, Iterable[str]]]:
    """Yield form, key and names of each key that names something known."""
    for form in ("EventCondition", "Step", "Closing", "Anchor"):
        yield form, "event", known.events
    yield "FeatureCondition", "feature", known.features
    yield "AttributeCondition", "attribute", known.house.attributes
    yield "ScoreCondition", "score", known.scores
    yield "Weighted", "score", (name for name, kind in known.scores.items() if kind == "probability")


def _shorten(forms: dict[str, Schema], name: str, text: Schema) -> None:
    """Allow a form to be written as one text."""
    forms[name] = {"anyOf": [text, forms[name]]}


def _loosen(ago: Schema) -> None:
    """Allow `14d ago` for `14d`."""
    del ago["$ref"]
    ago |= {"type": "string", "pattern": r"^[1-9][0-9]{0,5}[smhdw](\s+ago)?$"}


def _plain(part: Any, conditions: list[Schema]) -> Any:
    """Return a part of the schema without titles and empty values, each condition by its reference."""
    if isinstance(part, list):
        return [_plain(one, conditions) for one in part]
    if not isinstance(part, dict):
        return part
    if part.get("oneOf") == conditions:
        return _CONDITION | {key: part[key] for key in ("description",) if key in part}
    kept = {key: _plain(value, conditions) for key, value in part.items() if not _is_noise(key, value)}
    options = [one for one in kept.pop("anyOf", []) if one not in ({"type": "null"}, {"type": "integer"})]
    if len(options) == 1:
        return options[0] | kept
    return kept | ({"anyOf": options} if options else {})


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)
