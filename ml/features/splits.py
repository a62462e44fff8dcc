"""Split by time: which past points in time a model is trained, calibrated and tested on."""

from __future__ import annotations

from dataclasses import dataclass

from ml.errors import ConfigError, NotEnoughData
from ml.times import AsOf, parse_as_of


@dataclass(frozen=True)
class Snapshots:
    """Points in time in order; every label window of a role ends before the next role's begins.

    Unless calibration shares the last training snapshot: then customers keep the two apart, and time only the test.
    """

    train: tuple[AsOf, ...]
    calibrate: AsOf
    test: AsOf

    @property
    def all(self) -> tuple[AsOf, ...]:
        """Every point in time, oldest first."""
        return tuple(dict.fromkeys((*self.train, self.calibrate, self.test)))

    @property
    def shared(self) -> bool:
        """Whether calibration has no window of its own."""
        return self.calibrate in self.train


def snapshots(
    as_of: str | AsOf,
    horizon_days: int,
    step_days: int,
    count: int,
    *,
    earliest: str | AsOf | None = None,
    at_least: int = 1,
    share: bool = False,
) -> Snapshots:
    """Return the snapshots of a training run at `as_of`, when the last label window has just closed.

    The test window is `[as_of - horizon, as_of)`, the calibration window the one before it, and the training
    windows end where the calibration window begins at the latest, then every `step_days` back, `count` of them.
    Training windows may overlap each other, never those they are judged by.

    Args:
        as_of: up to when the data are known.
        horizon_days: length of a label window.
        step_days: days between two training snapshots.
        count: training snapshots wanted.
        earliest: no training snapshot lies before this; the first months of a history make poor features.
        at_least: training snapshots needed.
        share: where no three windows fit, let calibration share the window of the last training snapshot.

    Raises:
        NotEnoughData: fewer than `at_least` training snapshots fit after `earliest`.
        ConfigError: a number is not positive.
    """
    _check_positive(horizon_days=horizon_days, step_days=step_days, count=count, at_least=at_least)
    test = parse_as_of(as_of).minus(horizon_days)
    calibrate = test.minus(horizon_days)
    start = parse_as_of(earliest) if earliest is not None else None
    lasts = [calibrate.minus(horizon_days), *([calibrate] if share else [])]
    for last in lasts:
        wanted = [last.minus(step_days * back) for back in reversed(range(count))]
        train = tuple(at for at in wanted if start is None or at >= start)
        if len(train) >= at_least:
            return Snapshots(train, calibrate, test)
    windows = 2 if share else 3
    raise NotEnoughData(
        f"{len(train)} training snapshots fit between {start} and {lasts[-1]}, {at_least} are needed: "
        f"a model with a horizon of {horizon_days} days needs {windows * horizon_days} days of labels before "
        f"{parse_as_of(as_of)} and its history before that. Load more history or shorten the horizon."
    )


def _check_positive(**numbers: int) -> None:
    wrong = {name: value for name, value in numbers.items() if value < 1}
    if wrong:
        raise ConfigError(f"Snapshots: {wrong} must be at least 1")
