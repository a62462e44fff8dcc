"""What a person decides: the tags say who and why, the alias follows, and nothing undoes it by itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from ml.cli import app
from ml.errors import ConfigError, FatalError
from ml.models import champions, registry
from ml.models.records import Version
from ml.models.train import train_model
from ml.settings import settings
from ml.warehouse import Warehouse
from tests.ml.models.shop import AS_OF

pytestmark = pytest.mark.slow
NAME = "churn_28d"


def _second(**tags: str) -> Version:
    """Register one more version, made from the first one's model and run."""
    client = MlflowClient(*[settings().mlflow_tracking_uri] * 2)  # of runs and of versions
    first = client.get_model_version(NAME, "1")
    known = {"as_of": first.tags["as_of"], "decision_reason": "better: auc +0.01", "compared_with": "1"}
    known["decided_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    made = client.create_model_version(NAME, first.source, run_id=first.run_id, tags={**known, **tags})
    found = registry.version(NAME, str(made.version))
    assert found is not None
    return found


def _tags(number: str) -> dict[str, Any]:
    found = registry.version(NAME, number)
    assert found is not None
    return {**found.tags, "champion": found.is_champion}


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["models", *arguments])


def test_a_question_shows_why_and_both_cards(trained: Warehouse):
    second = _second(decision="proposed")
    trained_now = [
        {"name": NAME, "version": second.version, "status": "proposed"},
        {"name": "clv_84d", "version": "1", "status": "kept"},
    ]
    (asked,) = champions.proposals(trained_now)
    assert asked["subject"] == "Promote churn_28d version 2?"
    assert "would replace champion 1.** better: auc +0.01" in asked["body"]
    assert asked["body"].index("# Challenger: version 2") < asked["body"].index("# Champion: version 1")
    assert asked["body"].count("## churn_28d") == 2


@pytest.mark.parametrize(("approved", "decision"), [(True, "promoted"), (False, "rejected")])
def test_an_answer_says_who_and_why_and_counts_once(trained: Warehouse, approved: bool, decision: str):
    second = _second(decision="proposed")
    assert not second.is_decided
    found = champions.answer(NAME, "2", approved=approved, by="ada", note="seen both")
    champions.answer(NAME, "2", approved=not approved, by="bob")
    tags = _tags("2")
    assert found == {"name": NAME, "version": "2", "decision": decision}
    assert (tags["decision"], tags["decided_by"], tags["note"]) == (decision, "ada", "seen both")
    assert tags.get("approved_by") == ("ada" if approved else None)
    assert (tags["champion"], _tags("1")["champion"]) == (approved, not approved)


def test_a_proposal_compared_with_another_champion_is_kept_back(trained: Warehouse):
    _second(decision="proposed", compared_with="7")
    assert champions.answer(NAME, "2", approved=True, by="ada")["decision"] == "kept"
    assert "champion 1 was not the one that it was compared with" in _tags("2")["decision_reason"]
    assert _tags("1")["champion"]


def test_a_rollback_is_one_command_and_goes_to_the_champion_before(trained: Warehouse):
    _second(decision="kept")
    registry.crown(_second(decision="promoted"))
    done = _run("rollback", NAME, "--reason", "complaints", "--by", "ada")
    assert done.output.startswith("churn_28d: version 1 is champion instead of version 3. Scores follow")
    assert _tags("3")["decision"] == "rolled_back"
    assert _tags("3")["decision_reason"] == "rolled back to version 1: complaints"
    assert (_tags("1")["champion"], _tags("1")["decided_by"]) == (True, "ada")
    assert "had no champion before version 1" in _run("rollback", NAME, "--reason", "again").output


def test_the_champion_before_one_that_was_promoted_by_hand_is_the_one_it_replaced(trained: Warehouse):
    registry.crown(_second(decision="promoted", decided_at="2000-01-01T00:00:00+00:00"))
    champions.promote(NAME, "1", reason="older, but sound", by="ada")
    assert champions.earlier_champion(NAME) == "2"


def test_a_rollback_killed_before_the_alias_moved_goes_to_the_same_version_again(
    trained: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    _second(decision="promoted")
    registry.crown(_second(decision="promoted"))
    with monkeypatch.context() as patched:
        patched.setattr(registry, "crown", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            champions.roll_back(NAME, reason="complaints", by="ada")
    assert champions.roll_back(NAME, reason="complaints", by="ada")["version"] == "2"
    assert _tags("2")["champion"]


def test_what_was_rolled_back_is_not_promoted_by_the_next_training_on_equal_data(
    trained: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    _second(decision="promoted")
    monkeypatch.setattr(registry, "register", lambda *_: registry.version(NAME, "1"))  # both have the run that it finds
    champions.roll_back(NAME, to="2", reason="complaints", by="ada")
    found = train_model(NAME, AS_OF, warehouse=trained)
    assert (found["version"], found["alias"], found["status"]) == ("1", None, "rolled_back")
    assert _tags("2")["champion"]


def test_only_what_was_champion_can_be_gone_back_to_and_the_rest_is_promoted_by_hand(trained: Warehouse):
    _second(decision="stopped")
    with pytest.raises(
        ConfigError, match=r"version 2 was never champion \(it is stopped\).*models promote churn_28d 2"
    ):
        champions.roll_back(NAME, to="2", reason="complaints", by="ada")
    with pytest.raises(ConfigError, match="has no version '9'; there are: 2, 1"):
        champions.roll_back(NAME, to="9", reason="complaints", by="ada")
    with pytest.raises(ConfigError, match="clv_84d has no champion"):
        champions.roll_back("clv_84d", reason="complaints", by="ada")
    assert _run("promote", NAME, "2", "--reason", "it is honest").exit_code == 0
    assert (_tags("2")["champion"], _tags("2")["decision"]) == (True, "promoted")


def test_a_run_whose_files_are_gone_is_said_so_by_name(trained: Warehouse):
    with pytest.raises(FatalError, match=r"MLflow no longer has what was asked for while reading nothing\.txt of run"):
        registry.read_artifact(registry.champion(NAME).run_id, "nothing.txt")


def test_the_versions_are_listed_with_what_was_decided(trained: Warehouse):
    _second(decision="rejected", decided_by="ada")
    (churn, clv) = json.loads(_run("list", "--json").output)
    assert (churn["champion"], churn["latest"], churn["decision"]) == ("1", "2", "rejected")
    assert churn["tested"].startswith("auc 0.")
    assert clv == dict.fromkeys(clv, "") | {"model": "clv_84d"}
    versions = json.loads(_run("show", NAME, "--json").output)
    assert [(one["version"], one["champion"], one["decided_by"]) for one in versions] == [
        ("2", "", "ada"),
        ("1", "yes", "rules"),
    ]
    assert "rejected" in _run("show", NAME).output
