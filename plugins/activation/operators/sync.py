"""The operator that brings one segment to one destination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from activation.hooks.hubspot import HubSpotHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ml.syncs.config import Destination
    from ml.syncs.platform import Platform


class SyncSegmentOperator(BaseOperator):
    """Send what changed in a segment to a destination of `config/destinations.yaml`.

    Args:
        segment: a file of `config/segments`.
        as_of: point in time of the membership, an ISO date or time.
        destination: a key of `config/destinations.yaml`.
        dry_run: plan, print the plan and send nothing.
        override_guards: push although a guard trips, for a person who has read why.

    XCom: destination, segment, adds, updates, removes, confirmed, failed, terminal, suppressed, suppressed_by,
    dry_run, status; also when the task then fails, which it does only after everything good was sent.
    """

    template_fields: Sequence[str] = ("segment", "as_of", "destination", "plan_only", "override_guards")
    ui_color = "#dcefe3"

    def __init__(
        self,
        *,
        segment: str,
        as_of: str,
        destination: str,
        dry_run: bool | str = False,
        override_guards: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.segment = segment
        self.as_of = as_of
        self.destination = destination
        self.plan_only = dry_run  # BaseOperator has a method `dry_run`
        self.override_guards = override_guards

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan and push; raises `GuardTripped`, `FatalError`, `RetriableError` or `ConfigError`."""
        from ml.syncs.run import Sync

        sync = Sync(self.segment, self.as_of, self.destination)
        platform = hook_for(sync.audience.settings)
        report = sync.run(platform, dry_run=_flag(self.plan_only), override_guards=_flag(self.override_guards))
        if report.error:
            context["ti"].xcom_push(key="return_value", value=report.counts())
            raise report.error
        return report.counts()


def hook_for(settings: Destination) -> Platform:
    """Return the hook of a destination's platform; it connects on its first request."""
    return PLATFORMS[settings.platform](settings)


def _hubspot(settings: Destination) -> Platform:
    return HubSpotHook(
        settings.connection,
        requests=settings.rate.requests,
        seconds=settings.rate.seconds,
        batch_rows=settings.batch_rows,
        batch_bytes=settings.batch_bytes,
        timeout=settings.timeout_seconds,
    )


PLATFORMS: dict[str, Callable[[Destination], Platform]] = {"hubspot": _hubspot}


def _flag(value: bool | str) -> bool:
    """Read a templated boolean: `{{ params.dry_run }}` renders as text."""
    return value.strip().lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)
