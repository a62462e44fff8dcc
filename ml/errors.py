"""Every error of the project, named by what the caller must do.

    AudienceflowError
    ├── ConfigError             a file that a person edits is wrong: mend it
    ├── FatalError              going on would do harm: stop this task
    │   ├── SourceError             an input is missing, empty, truncated or has other columns
    │   ├── VolumeAlert             an input falls outside its own history
    │   ├── WarehouseError          the warehouse is read-only, damaged, or refused a statement
    │   ├── CheckFailed             a table broke one of its own checks; it was rolled back
    │   ├── NotEnoughData           there is too little to learn or to measure
    │   ├── LeakFound               a model has seen what it must predict
    │   ├── ImpossibleData          values are missing or contradict each other
    │   ├── NotConverged            a fit ended before its optimum
    │   └── GuardTripped            a push looks wrong; nothing was sent
    ├── RetriableError          the same call may succeed later: try again
    │   ├── WarehouseBusy           another process holds the warehouse
    │   ├── WarehouseAway           the warehouse's server does not answer, or went away
    │   └── RegistryUnavailable     MLflow does not answer
    └── SkippableRecord         one record is refused: keep it, count it, go on

A message names the thing, the place (file and key, table and column, platform and record) and the
next step.
"""


class AudienceflowError(Exception):
    """Anything this project raises on purpose."""


class ConfigError(AudienceflowError):
    """A file that a person edits is wrong; the message names file, key and what is allowed."""


class FatalError(AudienceflowError):
    """Going on would do harm; retrying does not help."""


class SourceError(FatalError):
    """An input is missing, empty, truncated, or its columns have changed."""


class VolumeAlert(FatalError):
    """An input's rows or money fall outside the source's own history."""


class WarehouseError(FatalError):
    """The warehouse is read-only, damaged, or refused a statement; or its file is gone."""


class CheckFailed(FatalError):
    """A table broke one of the checks in its YAML; its partition is as it was before."""


class NotEnoughData(FatalError):
    """There is too little data to learn or to measure; the message says what was found and needed."""


class ImpossibleData(FatalError):
    """Values that a model cannot read: missing, negative, or contradicting each other; the message counts them."""


class NotConverged(FatalError):
    """A fit ended before its optimum; the message says how far it came and what to change."""


class LeakFound(FatalError):
    """A model has seen what it must predict, or seems to; the message says in which snapshot and features."""


class GuardTripped(FatalError):
    """A push would remove or change more than its guard allows; nothing was sent."""


class RetriableError(AudienceflowError):
    """The same call may succeed later.

    Args:
        message: what happened, where, and what to do next.
        retry_after: seconds the other side asked for, when it did.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class WarehouseBusy(RetriableError):
    """Another process holds the warehouse's lock."""


class WarehouseAway(RetriableError):
    """The warehouse's server does not answer, or ended the connection; nothing of the transaction was kept."""


class RegistryUnavailable(RetriableError):
    """MLflow does not answer."""


class SkippableRecord(AudienceflowError):
    """One record is refused; it is kept and counted, and the others go on."""
