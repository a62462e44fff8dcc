"""What a person decides about champions: the answer to a proposal, the way back to an earlier one, a promotion by hand.

Each may be repeated and killed at any line. The tags of the versions say who, when and why.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ml.errors import ConfigError, FatalError
from ml.models import registry
from ml.models.decide import write
from ml.models.records import Version
from ml.models.spec import load_specs, model_spec

_REIGNED = {"promoted", "rolled_back"}


def proposals(trained: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return a question for each model that `train_model` proposes: name, version, subject, body (Markdown).

    The body holds why, and the cards of challenger and champion.
    """
    return [_question(_version(one["name"], one["version"])) for one in trained if one["status"] == "proposed"]


def answer(name: str, version: str, *, approved: bool, by: str, note: str = "") -> dict[str, str]:
    """Promote a proposed version, or reject it; return name, version and decision.

    A version that was settled meanwhile stays as it is. One that was compared with another champion than today's is
    kept back: nobody has compared it with this one.
    """
    found = _version(name, version)
    if not found.is_decided:
        found = _answered(found, approved, by, note)
    return {"name": name, "version": version, "decision": found.decision}


def earlier_champion(name: str, to: str = "") -> str:
    """Return the version that `roll_back` would restore; empty `to`: the champion before today's.

    Raises `ConfigError`: no such model or version, no champion, or a version that never was one.
    """
    restored = _version(name, to) if to else _before(_champion(name))
    if restored.decision not in _REIGNED:
        raise ConfigError(
            f"{name} version {restored.version} was never champion (it is {restored.decision or 'undecided'}). To make "
            f"it champion all the same: audienceflow models promote {name} {restored.version} --reason ..."
        )
    return restored.version


def roll_back(name: str, *, reason: str, by: str, to: str = "") -> dict[str, str]:
    """Let an earlier champion reign again; return name, version (the restored one) and instead_of.

    The version that it replaces is marked as rolled back, so that equal data never promote it again.

    Args:
        name: the registered model.
        reason: why, in a person's words.
        by: who.
        to: a version that was champion before; empty for the one before today's. When it is champion already nothing
            happens.

    Raises `ConfigError` as `earlier_champion` does.
    """
    reigning, restored = _champion(name), _version(name, earlier_champion(name, to))
    if restored.version != reigning.version:
        # The alias moves last: a command killed before that finds the same two versions again.
        write(reigning, "rolled_back", {"decision_reason": f"rolled back to version {restored.version}: {reason}"}, by)
        _note(restored, f"restored instead of version {reigning.version}: {reason}", by)
        registry.crown(restored)
    return {"name": name, "version": restored.version, "instead_of": reigning.version}


def promote(name: str, version: str, *, reason: str, by: str) -> dict[str, str]:
    """Make a version champion by hand, whatever was decided about it. Raises `ConfigError` when there is none such."""
    found = _version(name, version)
    reigning = registry.champion(name)
    write(found, "promoted", {"decision_reason": f"promoted by hand: {reason}", "approved_by": by}, by)
    return {"name": name, "version": version, "instead_of": reigning.version if reigning else ""}


def overview() -> list[dict[str, str]]:
    """Return a row for each model: its champion, how good that was when it was tested, and its latest version."""
    return [_row(name) for name in load_specs()]


def history(name: str) -> list[dict[str, str]]:
    """Return what was decided about each version of a model, the latest first. Raises `ConfigError`: no such model."""
    wanted = ("decision", "decided_by", "decided_at", "decision_reason", "note", "trigger", "trigger_detail")
    return [
        {"version": found.version, "champion": "yes" if found.is_champion else "", "as_of": found.tags["as_of"][:10]}
        | {key: found.tags.get(key, "") for key in wanted}
        for found in registry.versions(model_spec(name).name)
    ]


def _answered(found: Version, approved: bool, by: str, note: str) -> Version:
    reigning = registry.champion(found.name)
    said = {"note": note} if note else {}
    reason = found.tags.get("decision_reason", "")
    if reigning is not None and reigning.version not in {found.version, found.tags.get("compared_with")}:
        reason = f"kept back: champion {reigning.version} was not the one that it was compared with; {reason}"
        return write(found, "kept", {**said, "decision_reason": reason}, by)
    if approved:
        return write(found, "promoted", {**said, "approved_by": by}, by)
    return write(found, "rejected", {**said, "decision_reason": f"rejected by {by}; the rules said: {reason}"}, by)


def _champion(name: str) -> Version:
    found = registry.champion(model_spec(name).name)
    if found is None:
        raise ConfigError(f"{name} has no champion: there is nothing to go back from. Train it first")
    return found


def _version(name: str, number: str) -> Version:
    found = registry.version(model_spec(name).name, number)
    if found is None:
        known = ", ".join(one.version for one in registry.versions(name)) or "none"
        raise ConfigError(f"{name} has no version {number!r}; there are: {known}")
    return found


def _before(reigning: Version) -> Version:
    """Return the champion before a version: of those whose promotion still stands, the last one promoted earlier."""
    others = (one for one in registry.versions(reigning.name) if one.decision == "promoted")
    earlier = [one for one in others if _promoted(one) < _promoted(reigning)]
    if not earlier:
        raise ConfigError(
            f"{reigning.name} had no champion before version {reigning.version}; all versions: audienceflow "
            f"models show {reigning.name}"
        )
    return max(earlier, key=_promoted)


def _promoted(version: Version) -> tuple[str, int]:
    """Return what orders champions: when they were first promoted; a restored one keeps its place."""
    return version.tags.get("decided_at", ""), int(version.version)


def _note(version: Version, reason: str, by: str) -> None:
    """Say of a version that reigned before why it does again."""
    registry.tag(version, {"decision_reason": reason, "decided_by": by, "decision": "promoted"})


def _row(name: str) -> dict[str, str]:
    versions = registry.versions(name)
    latest = versions[0] if versions else None
    reigning = next((one for one in versions if one.is_champion), None)
    return {
        "model": name,
        "champion": reigning.version if reigning else "",
        "as_of": reigning.tags.get("as_of", "")[:10] if reigning else "",
        "tested": _tested(reigning) if reigning else "",
        "latest": latest.version if latest else "",
        "decision": latest.decision if latest else "",
    }


def _tested(version: Version) -> str:
    primary = model_spec(version.name).primary
    try:
        found = json.loads(registry.read_artifact(version.run_id, "evaluation.json"))
    except FatalError:
        return "its files are gone"
    return f"{primary} {found['metrics'][primary]:.3f}"


def _question(found: Version) -> dict[str, str]:
    rival = found.tags.get("compared_with")
    instead = f"replace champion {rival}" if rival else "be the first champion"
    parts = [f"**{found.name} version {found.version} would {instead}.** {found.tags['decision_reason']}"]
    parts += [f"# Challenger: version {found.version}", _card(found)]
    if rival:
        parts += [f"# Champion: version {rival}", _card(_version(found.name, rival))]
    subject = f"Promote {found.name} version {found.version}?"
    return {"name": found.name, "version": found.version, "subject": subject, "body": "\n\n".join(parts)}


def _card(version: Version) -> str:
    """Return a version's model card, its headings one level down."""
    text = registry.read_artifact(version.run_id, "model_card.md").decode()
    return re.sub(r"^#", "##", text, flags=re.MULTILINE)
