"""The search for hyper-parameters, as a model's file asks for it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.settings import settings

Weights = Literal["auto", "none", "balanced"]


class Search(BaseModel):
    """How long to search for better values than the candidates' own; what is found depends on the trials alone.

    The seconds are an upper bound: a run that they cut says so, for another machine would have come further.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(20, ge=0, description="Settings to try besides those of the file.")
    seconds: float = Field(30.0, gt=0, description="No trial begins later than this after the first.")
    folds: int = Field(3, ge=2, le=10, description="Parts of the customers, each judged by a model of the others.")

    def granted(self) -> Search:
        """Return the search that this deployment allows (`AUDIENCEFLOW_SEARCH_TRIALS`)."""
        most = settings().search_trials
        return self if most is None else self.model_copy(update={"trials": min(self.trials, most)})
