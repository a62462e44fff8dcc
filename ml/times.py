"""Points in time. `as_of` is exclusive: a feature sees only what happened strictly before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ml.errors import ConfigError
from ml.settings import settings

DAY = 86_400


@dataclass(frozen=True, order=True)
class AsOf:
    """A point in time as naive UTC; `epoch` counts seconds and carries all arithmetic."""

    at: datetime

    @property
    def epoch(self) -> int:
        """Seconds since 1970-01-01 UTC."""
        return int(self.at.replace(tzinfo=UTC).timestamp())

    def plus(self, days: float) -> AsOf:
        """Return the point `days` times 86,400 seconds later."""
        return AsOf(self.at + timedelta(days=days))

    def minus(self, days: float) -> AsOf:
        """Return the point `days` times 86,400 seconds earlier."""
        return self.plus(-days)

    def __str__(self) -> str:
        return self.at.isoformat() + "+00:00"


def parse_as_of(text: str | datetime | AsOf, tz: str | None = None) -> AsOf:
    """Read a point in time.

    A bare date (`2018-01-01`) is that day's midnight in `tz` (default: the settings' `timezone`); a
    time with an offset is converted; a time without one is UTC. Fractions of a second are dropped.
    Raises `ConfigError` when `text` is not an ISO 8601 date or time.
    """
    if isinstance(text, AsOf):
        return text
    moment = text if isinstance(text, datetime) else _parse(text, tz)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return AsOf(moment.replace(microsecond=0))


def from_epoch(epoch: int) -> AsOf:
    """Return the point `epoch` seconds after 1970-01-01 UTC."""
    return AsOf(datetime.fromtimestamp(epoch, tz=UTC).replace(tzinfo=None))


def _parse(text: str, tz: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigError(
            f"as_of {text!r} is not a date: write it as 2018-01-01 or 2018-01-01T05:00:00+00:00"
        ) from error
    is_bare_date = len(text.strip()) <= len("2018-01-01")
    return moment.replace(tzinfo=ZoneInfo(tz or settings().timezone)) if is_bare_date else moment
