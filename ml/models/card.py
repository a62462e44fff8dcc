"""The model card: what a person should know before trusting a model (Mitchell et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ml.models.dataset import TrainingSet
    from ml.models.evaluate import Evaluation
    from ml.models.spec import ModelSpec

_NOT_FOR = (
    "Decisions about credit, employment, housing or insurance; customers outside the population above; other "
    "horizons. A score is an expectation of behaviour without further action, not the effect of contacting "
    "somebody: that is measured against a holdout."
)


def model_card(spec: ModelSpec, data: TrainingSet, found: Evaluation, importance: Mapping[str, float]) -> str:
    """Return the card of one training as Markdown."""
    parts = [
        f"# {spec.name}",
        spec.description,
        _facts(spec, data, found),
        "## Test, on customers and weeks that the model has not seen",
        _metrics_table(spec, found),
        "Intervals are 95% percentiles over 200 resamples of the test customers.",
        "## By tenth of the score",
        _table(found.deciles.columns, [[f"{v:.4g}" for v in row] for row in found.deciles.to_numpy()]),
        "## What moves the score",
        ", ".join(list(importance)[:10]) + ".",
        "## Not to be used for",
        _NOT_FOR,
    ]
    return "\n\n".join(parts) + "\n"


def _facts(spec: ModelSpec, data: TrainingSet, found: Evaluation) -> str:
    people = f"ordered in the last {spec.active_window_days} days" if spec.active_window_days else "ordered before"
    dates = ", ".join(str(snapshot.as_of.at.date()) for snapshot in data.train)
    return "\n".join(
        [
            f"- Population: customers who {people}" + (f"; target: {spec.target}" if spec.target else ""),
            f"- Horizon: {spec.horizon_days} days",
            f"- Estimator: {found.chosen}, chosen on the calibration snapshot; calibration: {spec.calibration}",
            f"- Trained on snapshots at {dates}",
            f"- Calibrated on {data.calibration.as_of.at.date()}, tested on {data.test.as_of.at.date()}",
            f"- Test customers: {len(data.test.label):,}; positive: {int((data.test.label > 0).sum()):,}",
        ]
    )


def _metrics_table(spec: ModelSpec, found: Evaluation) -> str:
    names = list(found.candidates[found.chosen])
    rows = [[f"**{found.chosen}**", *(_with_interval(found.metrics, name) for name in names)]]
    rows += [[other, *(f"{values[name]:.4g}" for name in names)] for other, values in found.baselines.items()]
    return _table([spec.kind, *names], rows)


def _with_interval(metrics: Mapping[str, float], name: str) -> str:
    return f"**{metrics[name]:.4g}** [{metrics[f'{name}_low']:.4g}, {metrics[f'{name}_high']:.4g}]"


def _table(head: Iterable[object], rows: Sequence[Iterable[object]]) -> str:
    names = list(head)
    lines: list[Iterable[object]] = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
