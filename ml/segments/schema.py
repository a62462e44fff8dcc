"""The JSON Schema of a segment's file, so that editors complete keys and names and mark what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ml.segments.journeys import OFFSET, Journey
from ml.segments.language import Segment
from ml.segments.templates import Template, Use, read_template, template_files
from ml.segments.vocabulary import Vocabulary, load_vocabulary
from ml.settings import settings

Schema = dict[str, Any]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_CONDITION = {"$ref": "#/$defs/Condition"}


def page(_: str = "") -> str:
    """Return the schema of this installation as `docs/segment.schema.json` keeps it."""
    templates = [read_template(path) for path in template_files(settings().config_dir / "segments")]
    return json.dumps(segment_schema(load_vocabulary(), templates), indent=1) + "\n"


def journey_page(_: str = "") -> str:
    """Return the schema of a journey as `docs/journey.schema.json` keeps it."""
    return json.dumps(journey_schema(load_vocabulary()), indent=1) + "\n"


def journey_schema(known: Vocabulary) -> Schema:
    """Return the schema (draft 2020-12) of a journey with the names that `known` knows as choices."""
    made = _plain(Journey.model_json_schema(by_alias=True), [])
    entry = made["$defs"]["Entry"]["properties"]
    entry["event"]["enum"] = sorted(known.events)
    for form in ("Entry", "Expectation"):
        moment = made["$defs"][form]["properties"]["at"]
        del moment["type"]
        moment["anyOf"] = [{"const": 0}, {"type": "string", "pattern": OFFSET}]
    for key, names in (("scores", known.scores), ("ranks", known.offers), ("features", known.features)):
        entry[key]["propertyNames"] = {"enum": sorted(names)}
    return {"$schema": _DRAFT, **made}


def segment_schema(known: Vocabulary, templates: Sequence[Template] = ()) -> Schema:
    """Return the schema (draft 2020-12) with the names that `known` knows, and those of templates, as choices."""
    made: Schema = Segment.model_json_schema(by_alias=True)
    condition = {"oneOf": made["properties"]["who"]["oneOf"], "description": "A condition."}
    made = _plain(made, condition["oneOf"])
    forms: dict[str, Schema] = made["$defs"]
    for form, key, names in _choices(known):
        forms[form]["properties"][key]["enum"] = sorted(names)
    _shorten(forms, "Anchor", {"enum": sorted(known.events)})
    _shorten(forms, "Span", dict(forms["Duration"]))
    for timed in ("Ordered", "Redemption", "TopSpend"):
        _shorten(forms, timed, dict(forms["Duration"]))
    _shorten(forms, "Closing", {"type": "string", "pattern": r"^\s*\w+ within \w+\s*$"})
    for windowed in ("EventCondition", "SequenceCondition", "ContextCondition"):
        _loosen(forms[windowed]["properties"]["more_than"])
    if known.destinations:
        made["properties"]["destinations"]["items"] = {"enum": sorted(known.destinations)}
    forms["Condition"] = condition
    if templates:
        _offer(made, templates)
    return {"$schema": _DRAFT, **made}


def _offer(made: Schema, templates: Sequence[Template]) -> None:
    """Allow a segment that says a template, and values for its parameters, instead of the rest."""
    use = Use.model_json_schema(by_alias=True)["properties"]
    made["properties"]["template"] = {"enum": [one.path.stem for one in templates]} | _worded(use["template"])
    made["properties"]["with"] = {"type": "object"} | _worded(use["with"])
    whole = {"required": made.pop("required"), "not": {"anyOf": [{"required": ["template"]}, {"required": ["with"]}]}}
    made["oneOf"] = [whole, *(_filling(one) for one in templates)]


def _filling(template: Template) -> Schema:
    types = {"number": "number"}
    given = {
        name: {"type": types.get(one.type, "string"), "description": one.description}
        for name, one in template.parameters.items()
    }
    needed = [name for name, one in template.parameters.items() if one.default is None]
    values = {"properties": given, "required": needed, "additionalProperties": False}
    must = ["name", "template", *(["with"] if needed else [])]
    return {"properties": {"template": {"const": template.path.stem}, "with": values, "who": False}, "required": must}


def _worded(part: Schema) -> Schema:
    return {"description": part["description"]}


def _choices(known: Vocabulary) -> Iterable[tuple[str, str, Iterable[str]]]:
    """Yield form, key and names of each key that names something known."""
    for form in ("EventCondition", "Step", "Closing", "Anchor"):
        yield form, "event", known.events
    yield "FeatureCondition", "feature", known.features
    yield "ClusterCondition", "cluster", known.clusterings
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
