"""The sections of the page, in the order in which they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml.models.card import facts
from ml.models.metrics import PROBABILITY, VALUE
from ml.models.page import charts
from ml.models.page.fitting import fitting
from ml.models.page.groups import groups
from ml.models.page.horizons import horizons
from ml.models.page.parts import Block, Cell, Facts, Row, Section, Table, Tile, each, fill
from ml.models.page.words import brief, count, figure, money, percent, spread

if TYPE_CHECKING:
    import pandas as pd

    from ml.models.dataset import TrainingSet
    from ml.models.evaluate import Evaluation
    from ml.models.explain import Explanation
    from ml.models.spec import ModelSpec

_FIRST = {
    "auc": ("AUC", "a random positive outranks a random negative"),
    "gini": ("Gini", "of a perfect ranking by value, reached"),
    "ap_lift": ("Average precision", "times the base rate's"),
    "lift_10": ("Lift, top tenth", "times as many positives as on average"),
    "decile_mape": ("Decile error", "of a tenth's expected sum, on average"),
    "total_error": ("Total error", "expected over actual total, less 1"),
    "spearman": ("Rank correlation", "of expected and actual amounts"),
    "brier_skill": ("Brier skill", "of the base rate's squared error, saved"),
    "ece": ("Calibration error", "off the promised probability, on average"),
}
_MOST_TILES = 5
_INTERVALS = {"coverage_80": "80% intervals", "coverage_80_top": "80% intervals of the highest tenth"}


@dataclass(frozen=True, eq=False)
class Story:
    """All that a page tells of: what was trained, on what, and what the test found.

    `told` and `measured` are what the fitting reports of itself; `more` are sections of others, shown at the end.
    """

    spec: ModelSpec
    data: TrainingSet
    found: Evaluation
    explained: Explanation
    told: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    more: tuple[Section, ...] = ()


def tiles(story: Story) -> list[Tile]:
    """Return the figures that are read first."""
    metrics = story.found.metrics
    made = [
        Tile(name, figure(metrics[metric]), spread(metrics[f"{metric}_low"], metrics[f"{metric}_high"]), told)
        for metric, (name, told) in _FIRST.items()
        if metric in metrics
    ]
    return made[:_MOST_TILES]


def sections(story: Story) -> list[Section]:
    """Return every section of the page."""
    made = [
        _card(story),
        _metrics(story),
        horizons(story.spec, story.found.metrics),
        _ranking(story),
        _contacts(story),
        _thresholds(story),
        _calibration(story),
    ]
    made += [
        _leanings(story),
        groups(story.spec, story.found.slices, story.explained.currency),
        fitting(story.told, story.measured),
        *story.more,
    ]
    return [section for section in made if section.blocks]


def _card(story: Story) -> Section:
    return Section("Model card", "", (Facts(facts(story.spec, story.data, story.found, story.told)),))


def _metrics(story: Story) -> Section:
    found = story.found
    lead = "On customers and weeks that the model has not seen. Rules are calibrated like models, so that all compare."
    names = [name for name in found.candidates[found.chosen] if name in PROBABILITY | VALUE or "_" in name]
    everybody = {**found.baselines, **found.candidates}
    order = dict.fromkeys([found.chosen, *found.baselines, *everybody])
    heads = ["chosen model", *(name for name in order if name != found.chosen)]
    heads[0] = f"{found.chosen} (chosen)"
    rows = [Row((name, *(_measured(found, who, name) for who in order)), name == story.spec.primary) for name in names]
    note = "In brackets: 95% percentiles over 200 resamples of the test customers."
    return Section("Beside the baselines", lead, (Table(("metric", *heads), tuple(rows), note),))


def _measured(found: Evaluation, who: str, name: str) -> Cell:
    value = {**found.baselines, **found.candidates}[who][name]
    if who != found.chosen:
        return figure(value)
    low, high = found.metrics[f"{name}_low"], found.metrics[f"{name}_high"]
    return fill("<strong>{}</strong> <small>{}</small>", figure(value), spread(low, high))


def _ranking(story: Story) -> Section:
    lead = (
        "How well the score puts customers in order, beside the baselines. The upright line is the share "
        "that marketing will contact."
    )
    share = story.spec.evaluation.contact_share
    return Section("Ranking", lead, charts.ranking(story.found, story.spec.kind, share))


def _contacts(story: Story) -> Section:
    share = percent(story.spec.evaluation.contact_share, 0)
    lead = f"What happens if marketing contacts the highest {share} of the scored, half of that, or twice as many."
    return Section("Whom marketing will contact", lead, _choices(story, story.found.contacts))


def _thresholds(story: Story) -> Section:
    lead = (
        "Each condition that a segment sets on a score of this model, as if these were all customers; then round "
        "probabilities. "
        "Expected figures come from the calibrated scores alone, before anything happened; beside them what did happen."
    )
    return Section("Thresholds", lead, _choices(story, story.found.thresholds))


def _choices(story: Story, rows: pd.DataFrame) -> tuple[Table, ...]:
    if rows.empty:
        return ()
    if story.spec.kind == "cents":
        return (_amounts(rows, story.explained.currency),)
    return (_rates(rows), _confusion(rows))


def _named(row: Any) -> Cell:
    used = fill("<br><small>{}</small>", row.segments) if row.segments else ""
    return fill("{}{}", row.choice, used)


def _rates(rows: pd.DataFrame) -> Table:
    head = ("chosen", "customers", "share", "lowest score", "precision", "95%", "recall", "lift")
    made = [
        Row(
            (
                _named(row),
                count(row.customers),
                percent(row.share),
                figure(row.lowest),
                percent(row.precision),
                f"{percent(row.precision_low)} to {percent(row.precision_high)}",
                percent(row.recall),
                brief(row.lift),
            )
        )
        for row in each(rows)
    ]
    return Table(head, tuple(made))


def _confusion(rows: pd.DataFrame) -> Table:
    head = ("chosen", "true positives", "promised, 95%", "false positives", "missed", "rightly left out")
    made = [
        Row(
            (
                _named(row),
                _beside(row.hits, row.expected_hits),
                f"{count(row.expected_hits_low)} to {count(row.expected_hits_high)}"
                + ("" if row.expected_hits_low <= row.hits <= row.expected_hits_high else " ✗"),
                _beside(row.false_alarms, row.expected_false_alarms),
                _beside(row.missed, row.expected_missed),
                _beside(row.left_out, row.expected_left_out),
            )
        )
        for row in each(rows)
    ]
    note = "Customers, and in brackets how many were expected; ✗ where what happened lies outside what was promised."
    return Table(head, tuple(made), note)


def _beside(actual: float, expected: float) -> Cell:
    return fill("{} <small>({})</small>", count(actual), count(expected))


def _amounts(rows: pd.DataFrame, currency: str) -> Table:
    head = ("chosen", "customers", "share", "lowest score", "expected", "actual", "off by", "share of all", "lift")
    made = [
        Row(
            (
                _named(row),
                count(row.customers),
                percent(row.share),
                money(row.lowest, currency),
                money(row.expected, currency),
                money(row.actual, currency),
                percent(row.expected / row.actual - 1 if row.actual else math.nan),
                percent(row.captured),
                brief(row.lift),
            )
        )
        for row in each(rows)
    ]
    return Table(head, tuple(made))


def _calibration(story: Story) -> Section:
    amounts = story.spec.kind == "cents"
    lead = "Whether what is promised comes true: the expected beside the realised outcome, by tenth of the score."
    blocks: tuple[Block, ...] = (
        charts.calibration(story.found, story.spec.kind),
        _deciles(story, amounts=amounts),
        *_held(story),
    )
    return Section("Calibration", lead, blocks)


def _held(story: Story) -> tuple[Facts, ...]:
    metrics = story.found.metrics
    rows = {name: f"hold for {percent(metrics[key])}" for key, name in _INTERVALS.items() if key in metrics}
    return (Facts(rows),) if rows else ()


def _deciles(story: Story, *, amounts: bool) -> Table:
    def shown(value: float) -> str:
        return money(value, story.explained.currency) if amounts else percent(value)

    head = ("tenth", "customers", "expected", "realised", "95%", "of the outcome, so far")
    made = [
        Row(
            (
                str(row.decile),
                count(row.customers),
                shown(row.predicted),
                shown(row.actual),
                f"{shown(row.actual_low)} to {shown(row.actual_high)}",
                percent(row.captured),
            )
        )
        for row in each(story.found.deciles)
    ]
    return Table(head, tuple(made), "1 is the highest tenth. Equal scores on a border are shared out.")


def _leanings(story: Story) -> Section:
    explained = story.explained
    lead = (
        f"Contributions to the {'log of the amount' if story.spec.kind == 'cents' else 'log odds'}, by the shallow "
        f"imitation that gives the reasons; it follows the model with an R squared of {explained.fidelity:.3f}. On the "
        f"left its path attributions over all test customers, on the right Shapley values of "
        f"{len(explained.contributions)} of them. A feature that moves the score is no cause of the outcome."
    )
    return Section("What it leans on", lead, (charts.importance(explained), charts.contributions(explained)))
