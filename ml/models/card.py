"""The model card: what a person should know before trusting a model (Mitchell et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.models.features import model_features
from ml.models.season import season_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ml.models.dataset import TrainingSet
    from ml.models.evaluate import Evaluation
    from ml.models.page.sections import Story
    from ml.models.spec import ModelSpec

NOT_FOR = (
    "Decisions about credit, employment, housing or insurance; customers outside the population above; other "
    "horizons. A score is an expectation of behaviour without further action, not the effect of contacting "
    "somebody: that is measured against a holdout."
)
_BELOW = (
    "Intervals are 95% percentiles over 200 resamples of the test customers. `evaluation.html` shows the rest: "
    "curves, thresholds, reliability, groups of customers."
)
_THIRD = ", on a third of its customers, left out of training because the history has no room for a window of its own"
_USES = {
    "churn": "choosing whom to win back before they fall silent, and what a contact may cost",
    "clv": "ranking customers by what they will spend, and adding up what a group will bring",
    "propensity": "choosing whom to tell of the target",
    "survival": "choosing when to remind somebody, and telling a pause from a farewell",
    "offer_response": "choosing who gets an offer, and how many redemptions to expect",
}


def model_card(story: Story) -> str:
    """Return the card of one training as Markdown."""
    spec, found = story.spec, story.found
    parts = [
        f"# {spec.name}",
        spec.description,
        "\n".join(f"- {name}: {value}" for name, value in facts(spec, story.data, found, story.told).items()),
        "## Test, on customers and weeks that the model has not seen",
        _metrics_table(spec, found),
        _BELOW,
        "## What moves the score",
        ", ".join(list(story.explained.importance)[:10]) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def facts(spec: ModelSpec, data: TrainingSet, found: Evaluation, told: Mapping[str, str]) -> dict[str, str]:
    """Return what the model is, for whom, what it learnt from and what it is not for, by name.

    `told` is what the fitting reports of itself (`ml.models.fit.Fitted`).
    """
    calibration = told.get("calibration.chosen") or told.get("level") or spec.calibration
    people = f"customers who ordered in the last {spec.active_window_days} days"
    dates = ", ".join(str(snapshot.as_of.at.date()) for snapshot in data.train)
    return {
        "Population": (people if spec.active_window_days else "customers who ordered before") + _target(spec),
        "Horizon": f"{', '.join(map(str, spec.survival_days or [spec.horizon_days]))} days",
        "Made for": _USES[spec.task],
        "Estimator": f"{found.chosen}, chosen on the calibration snapshot; calibration: {calibration}",
        "Trained on": f"{len(data.learnt()[1]):,} rows of snapshots at {dates}",
        "Calibrated on": f"{data.calibration.as_of.at.date()}" + (_THIRD if data.shared else ""),
        "Tested on": f"{data.test.as_of.at.date()}: {len(data.test.label):,} customers, "
        f"{int((data.test.label > 0).sum()):,} of them positive",
        "Beside the best rule": f"{found.over_rule.words()}, with the 90% interval on the same customers",
        "Sees": _sees(spec),
        **notes(spec, data, told),
        "Not to be used for": NOT_FOR,
    }


def notes(spec: ModelSpec, data: TrainingSet, told: Mapping[str, str]) -> dict[str, str]:
    """Return what a reader must know beside the figures, by name; nothing where there is nothing."""
    found = {"Season": season_note(data, spec.horizon_days), "Horizons refused": told.get("survival.refused")}
    return {name: text for name, text in found.items() if text}


def _target(spec: ModelSpec) -> str:
    return f"; target: {spec.target.kind} {spec.target.value}" if spec.target else ""


def _sees(spec: ModelSpec) -> str:
    known = model_features(spec)
    sensitive = [name for name, feature in known.items() if feature.sensitive]
    return f"{len(known)} features, " + (f"sensitive ones: {', '.join(sensitive)}" if sensitive else "none sensitive")


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
