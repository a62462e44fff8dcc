"""The DAGs as Airflow reads them, and stages that only say what they were asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from ml.errors import NotEnoughData
from ml.settings import PROJECT_DIR

AS_OF = "2018-01-01T05:00:00+00:00"


@pytest.fixture(scope="session")
def dags() -> dict[str, Any]:
    """Every DAG by id."""
    from orchestration.inprocess import load_dags

    return load_dags(str(PROJECT_DIR / "dags"))


@pytest.fixture
def fresh() -> Callable[[str], Any]:
    """Read one DAG by itself, which is quicker than all of them."""
    from orchestration.inprocess import load_dags

    def read(dag_id: str) -> Any:
        return load_dags(str(next((PROJECT_DIR / "dags").glob(f"[0-9]*_{dag_id}.py"))))[dag_id]

    return read


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail an approval that no test expects: `dag.test()` would wait for ever."""
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    def execute(self: Any, context: Any) -> Any:
        raise AssertionError(f"nobody was to be asked: {self.subject}")

    monkeypatch.setattr(ApprovalOperator, "execute", execute)


def answer_approvals(monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[str, str | None]]) -> None:
    """Let every approval be answered at once, by its subject: `dag.test()` would wait for ever.

    An answer is the option and who chose it; nobody stands for the clock that ran out.
    """
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    def execute(self: Any, context: Any) -> Any:
        option, name = answers[self.subject]
        user, params = ({"id": "1", "name": name}, {"note": "seen both"}) if name else (None, {})
        event = {"chosen_options": [option], "params_input": params, "responded_by_user": user}
        return self.execute_complete(context, event | {"responded_at": datetime.now(UTC)})

    monkeypatch.setattr(ApprovalOperator, "execute", execute)


@dataclass
class Stages:
    """Stand-ins of every function that a DAG calls; `calls` keeps what they were called with."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)
    proposals: list[dict[str, str]] = field(default_factory=list)
    halted: str = ""
    refused: str = ""

    def modules(self) -> dict[str, dict[str, Any]]:
        """Return the stand-ins by module and name."""
        from ml.segments.assign import check_ready

        return {
            "ml.sources.load": {"source_names": lambda: ["products", "orders"], "ingest_source": self._say("ingest")},
            "ml.profiles.build": {"build_profiles": self._say("profiles")},
            "ml.features.build": {"build_features": self._say("features")},
            "ml.models.train": {"model_names": lambda: ["churn", "clv"], "train_model": self._say("train")},
            "ml.models.champions": {
                "proposals": lambda trained: self.proposals,
                "answer": self._say("answer"),
                "earlier_champion": lambda name, to: to or "3",
                "roll_back": self._say("roll back"),
            },
            "ml.models.registry": {"models_without_champion": lambda: self.missing},
            "ml.monitoring.watch": {"watch_drift": self._say("drift")},
            "ml.monitoring.performance": {"measure_performance": self._say("performance")},
            "ml.monitoring.retraining": {"retraining_reasons": self._weigh},
            "ml.scores.batch": {"score_model": self._say("score")},
            "ml.scores.offers": {"rank_offers": self._say("rank")},
            "ml.segments.assign": {
                "build_segments": self._segments,
                "check_ready": check_ready,
                "sync_targets": lambda: [{"segment": s, "destination": "hubspot"} for s in ("browsers", "lapsed")],
            },
            "ml.segments.backtest": {"backtest_new": self._say("backtest")},
            "ml.segments.approve": {
                "proposals": lambda as_of, names: self.proposals,
                "answer": self._say("answer"),
                "build_approved": self._again,
            },
            "ml.measurement.kpis": {"measure_segments": self._say("measure")},
        }

    def _weigh(self, *asked: Any) -> dict[str, dict[str, str]]:
        self.calls.append(("weigh", *asked))
        return self.reasons

    def _again(self, as_of: str, asked: Any, built: list[dict[str, Any]], names: Any) -> list[dict[str, Any]]:
        if asked:
            self.calls.append(("again", as_of, [one["name"] for one in asked], names))
        return built

    def _segments(self, *asked: Any, accept_changes: bool = False) -> list[dict[str, Any]]:
        self.calls.append(("segments", *asked))
        counts = {"size": 3, "entered": 3, "left": 0, "held_out": 1, "suppressed": 0}
        status = {"status": "halted", "reason": "too many"} if self.halted else {"status": "ready", "reason": ""}
        return [{"name": "browsers", **counts, **status}]

    def _say(self, what: str) -> Any:
        def called(*asked: Any, **more: Any) -> dict[str, Any]:
            if self.refused and self.refused in asked:
                raise NotEnoughData(f"{self.refused}: too few")
            self.calls.append((what, *asked, *more.values()))
            return {"name": str(asked[0]) if asked else what, "rows": 1}

        return called


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    """Replace the stage functions and the push to a platform."""
    from activation.operators.sync import SyncSegmentOperator
    from ml.errors import GuardTripped

    found = Stages()
    for name, functions in found.modules().items():
        module = ModuleType(name)
        module.__dict__.update(functions)
        monkeypatch.setitem(sys.modules, name, module)

    def execute(self: Any, context: Any) -> dict[str, Any]:
        if self.segment == found.halted and not self.override_guards:
            raise GuardTripped(f"{self.segment}: too many leave")
        found.calls.append(("sync", self.segment, self.destination, self.as_of, self.plan_only))
        counts = {"adds": 3, "updates": 2, "removes": 1, "confirmed": 0 if self.plan_only else 6, "failed": 0}
        return {"destination": self.destination, "segment": self.segment, **counts}

    monkeypatch.setattr(SyncSegmentOperator, "execute", execute)
    return found
