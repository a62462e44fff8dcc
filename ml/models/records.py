"""What the registry gives and takes: a registered version, and what one training leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from ml.models.scorer import Scorer
    from ml.times import AsOf

Decision = Literal["promoted", "kept", "stopped", "proposed", "rejected", "rolled_back"]
"""Of a version: champion at some time; not good enough; a leak is suspected; a person is asked; a person said no; was
champion until a person went back to an earlier one."""


@dataclass(frozen=True)
class Version:
    """A registered version: where it came from and what was decided about it."""

    name: str
    version: str
    run_id: str
    is_champion: bool
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def decision(self) -> str:
        """A `Decision`, or an empty text where a training was stopped before it."""
        return self.tags.get("decision", "")

    @property
    def is_decided(self) -> bool:
        """Whether its promotion was settled, for good."""
        return self.decision not in {"", "proposed"}


@dataclass(frozen=True, eq=False)
class Record:
    """What one training, or another piece of work, leaves behind: everything here ends up in one MLflow run.

    `note` is the file in `folder` that is shown with the run. Without a `scorer` no model is logged. `series` are
    metrics as of points in time, which MLflow draws over time.
    """

    name: str
    title: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    folder: Path
    snapshots: Sequence[Mapping[str, str]] = ()
    scorer: Scorer | None = None
    example: pd.DataFrame | None = None
    series: Mapping[AsOf, Mapping[str, float]] = field(default_factory=dict)
    note: str = "model_card.md"
    experiment: str = "audienceflow"
