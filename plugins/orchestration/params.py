"""The clock and the forms of the DAGs: one function decides a run's `as_of`, one place words its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk import Param, task

from ml.config import did_you_mean
from ml.errors import ConfigError
from ml.settings import settings
from ml.times import parse_as_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from airflow.sdk import DAG

AS_OF = Param(
    None,
    type=["null", "string"],
    title="As of",
    description="The point in time of this run, exclusive: `2018-01-01` (midnight in the business's time zone) or "
    "an ISO time. Empty: the point in time of the data that started the run, else the run's own day.",
)
DRY_RUN = Param(
    False,
    type="boolean",
    title="Dry run",
    description="Print the plan that a real run would execute, and send nothing.",
)
APPROVAL = Param(
    False,
    type="boolean",
    title="Ask for approval",
    description="Show the plan and wait for a person before anything is sent.",
)
PROMOTION_APPROVAL = Param(
    settings().approve_promotions,
    type="boolean",
    title="Ask for approval",
    description="Show the cards of challenger and champion, and wait for a person before a winner takes over.",
)
SEGMENT_APPROVAL = Param(
    settings().approve_segments,
    type="boolean",
    title="Ask for approval",
    description="Show who would enter and leave by a change that is beyond a segment's guard, and wait for a person. "
    "Without it, the change waits for `audienceflow segments approve`, and the active version goes on.",
)
ACCEPT_CHANGES = Param(
    False,
    type="boolean",
    title="Accept changes",
    description="Let changed definitions and models in although they are beyond a segment's guard. For a person who "
    "has seen the difference.",
)
BACKTEST = Param(
    settings().backtests == "automatic",
    type="boolean",
    title="Backtest what is new",
    description="Replay new and changed definitions on two past dates before they are built. Without it, those that "
    "were never backtested wait for `audienceflow segments backtest`.",
)
NOTE = Param(None, type=["null", "string"], title="Note", description="Why; kept with the version.")
MODEL = Param(type="string", minLength=1, title="Model", description="Registered model, such as `churn_28d`.")
EARLIER_VERSION = Param(
    None,
    type=["null", "string"],
    title="Version",
    description="A version that was champion before. Empty: the champion before the present one.",
)
REASON = Param(type="string", minLength=3, title="Reason", description="Why; kept with both versions.")

OVERRIDE_GUARDS = Param(
    False,
    type="boolean",
    title="Override guards",
    description="Send although a guard halted a segment. For a person who has read why it did.",
)


def choice(title: str, what: str) -> Param:
    """Return a form field for a list of names; an empty list means all of them."""
    return Param([], type="array", items={"type": "string"}, title=title, description=f"Only these {what}; empty: all.")


def resolve_as_of(
    params: Mapping[str, Any],
    events: Iterable[Any] = (),
    run_date: datetime | None = None,
) -> str:
    """Decide a run's `as_of`: what was asked for, what the data says, the settings' clock, the run's day.

    Args:
        params: the run's parameters; `as_of` wins when it is filled in.
        events: asset events that started the run; the latest one with an `as_of` in its `extra` counts.
        run_date: the run's logical date, or the moment it was due; its day begins at midnight in the settings'
            time zone.

    Returns:
        ISO 8601 in UTC. Raises `ConfigError` when the text is not a date.
    """
    asked = params.get("as_of") or _latest(events) or settings().as_of
    return str(parse_as_of(asked or _day(run_date)))


def _latest(events: Iterable[Any]) -> str | None:
    stamped = [event for event in events if (event.extra or {}).get("as_of")]
    return str(max(stamped, key=lambda event: event.timestamp).extra["as_of"]) if stamped else None


def _day(run_date: datetime | None) -> str:
    if run_date is None:
        raise ValueError("a run without parameters, events or settings needs its date to know its as_of")
    return run_date.astimezone(ZoneInfo(settings().timezone)).date().isoformat()


def pick(asked: list[str] | None, known: list[str], what: str) -> list[str]:
    """Return the names asked for in the known order, or all known ones. Raises `ConfigError` for a stranger."""
    for name in sorted(set(asked or []) - set(known)):
        raise ConfigError(f"the run's parameters: there is no {what} {name!r}{did_you_mean(name, known)}")
    return [name for name in known if name in asked] if asked else known


def refuse_unknown(conf: Mapping[str, Any], dag: DAG) -> None:
    """Raise `ConfigError` for a parameter that the DAG does not have: a misspelt `dry_run` would really send."""
    for name in sorted(set(conf) - set(dag.params)):
        raise ConfigError(
            f"the run's parameters: {dag.dag_id} has no parameter {name!r}{did_you_mean(name, dag.params)}"
        )


@task(task_id="as_of")
def as_of_task(*, params: dict[str, Any], dag: Any, triggering_asset_events: Any = None, dag_run: Any = None) -> str:
    """Say which point in time this run is about; refuse a parameter that its DAG does not have."""
    refuse_unknown(dag_run.conf or {}, dag)
    events = [event for found in (triggering_asset_events or {}).values() for event in found]
    return resolve_as_of(params, events, dag_run.logical_date or dag_run.run_after)


@task
def publish(as_of: str, *, task: Any, outlet_events: Any) -> None:
    """Tell whoever waits for these tables that they are ready, and as of when."""
    for asset in task.outlets:
        outlet_events[asset].extra = {"as_of": as_of}
