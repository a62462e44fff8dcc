"""What a backtest leaves behind: rows in the warehouse, a page, and a run in MLflow; and whether there is one."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ml.segments.backtest_page import headline, render
from ml.segments.backtest_proof import RUNS
from ml.segments.backtest_study import company_json
from ml.settings import settings
from ml.sql import table
from ml.times import DAY

if TYPE_CHECKING:
    from ml.segments.backtest_measures import Interval, Measured
    from ml.segments.backtest_study import Day, Study
    from ml.segments.vocabulary import Vocabulary
    from ml.warehouse import Warehouse

DATES = "segment_backtests"
EXPERIMENT = "audienceflow-backtests"
_CURRENCY = "5_scores/queries/currency.sql"


def keep(studies: Sequence[Study], known: Vocabulary, warehouse: Warehouse) -> list[dict[str, Any]]:
    """Write each study's page, its MLflow run and its rows, those that say that all is there last.

    Returns one dict a study: its row of `segment_backtest_runs`, `headline`, and under `days` its rows of
    `segment_backtests`. Raises `RegistryUnavailable` when MLflow does not answer: nothing then says that a definition
    is backtested.
    """
    if not studies:
        return []
    warehouse.create("customer_orders")
    currency = warehouse.scalar(_CURRENCY) or ""
    runs = [_whole(RUNS, {**_name(study), **summary(study), **_show(study, known, currency)}) for study in studies]
    days = [[_whole(DATES, {**_name(study), **day_row(day)}) for day in study.days] for study in studies]
    part = {key: [run[key] for run in runs] for key in _name(studies[0])}
    warehouse.write(DATES, pa.Table.from_pylist([*chain(*days)]), part)
    warehouse.write(RUNS, pa.Table.from_pylist(runs), part)
    told = zip(studies, runs, days, strict=True)
    return [{**run, "headline": headline(study), "days": dated} for study, run, dated in told]


def _name(study: Study) -> dict[str, Any]:
    return {"segment": study.case.name, "definition_hash": study.case.digest}


def _show(study: Study, known: Vocabulary, currency: str) -> dict[str, str]:
    """Write the page of a study and its MLflow run; return where they are."""
    html = render(study, known, currency)
    path = settings().reports / "backtests" / f"{study.case.name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")
    return {"report_path": str(path.relative_to(settings().reports)), "run_id": _log(study, html)}


def day_row(day: Day) -> dict[str, Any]:
    """Return a date as a row of `segment_backtests`, without what names the study."""
    row: dict[str, Any] = {
        "as_of": day.as_of.at,
        "status": day.status,
        "status_reason": day.reason,
        "previous_as_of": day.previous.at if day.previous else None,
        "size": day.size,
        "base_size": day.base,
        "entered": day.entered,
        "left_count": day.left,
        "retention": day.stayed,
        "overlap": company_json(day.company),
        "warning": day.warning,
        "model_versions": day.model_versions,
    }
    row |= _measured(day.measured) if day.measured else {}
    if day.money:
        cents = {"spend_before_cents": day.money.before, "spend_after_cents": day.money.after}
        row |= {**cents, "outcome_cents": day.money.outcome}
    return row


def summary(study: Study) -> dict[str, Any]:
    """Return a study as a row of `segment_backtest_runs`, without what names it and where it is shown."""
    outcome, gain = study.case.outcome, study.gain
    row: dict[str, Any] = {
        "outcome": outcome.words,
        "horizon_days": outcome.horizon.seconds / DAY,
        "first_as_of": study.days[0].as_of.at,
        "last_as_of": study.days[-1].as_of.at,
        "every_days": study.every_days,
        "dates": len(study.days),
        "measured": len(study.told),
        "warnings": sum(bool(day.warning) for day in study.days),
        "size": _mean([day.size for day in study.known]),
        "retention": _mean([day.stayed for day in study.known]),
        "spend_before_cents": _cents([day.money.before for day in study.told if day.money]),
        "outcome_cents": _cents([day.money.outcome for day in study.told if day.money]),
        "against": study.case.against,
        "gain": gain.value if gain else None,
    }
    row |= _ends("gain", gain.interval) if gain else {}
    return row | (_measured(study.measured) if study.measured else {})


def _measured(found: Measured) -> dict[str, Any]:
    rates = found.rates
    counts = {"asked": rates.asked, "positives": rates.positives, "members_asked": rates.members, "hits": rates.hits}
    shares = {name: _known(getattr(rates, name)) for name in ("base_rate", "precision", "recall", "lift")}
    ends = [_ends(name, getattr(found, name)) for name in ("precision", "recall", "lift")]
    return counts | shares | ends[0] | ends[1] | ends[2]


def _ends(name: str, ends: Interval) -> dict[str, float | None]:
    return {f"{name}_low": _known(ends.low), f"{name}_high": _known(ends.high)}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean(values: list[Any]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None


def _cents(values: list[int]) -> int | None:
    return round(sum(values) / len(values)) if values else None


def _whole(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with every column of its table."""
    return {column: row.get(column) for column in table(name).column_names}


def _log(study: Study, html: str) -> str:
    """Log a study to MLflow and return its run's id."""
    from ml.models import registry
    from ml.models.records import Record

    case, found = study.case, summary(study)
    numbers = {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "backtest.html").write_text(html, encoding="utf-8")
        (Path(folder) / "summary.md").write_text(f"**{case.name}**. {headline(study)}\n", encoding="utf-8")
        return registry.log_run(
            Record(
                name=case.name,
                title=f"{case.name} {study.days[0].as_of.at:%Y-%m-%d} to {study.days[-1].as_of.at:%Y-%m-%d}",
                tags={"segment": case.name, "definition_hash": case.digest},
                params={"outcome": case.outcome.words, "against": case.against},
                metrics=numbers,
                folder=Path(folder),
                series={day.as_of: _by_date(day) for day in study.told},
                note="summary.md",
                experiment=EXPERIMENT,
            )
        )


def _by_date(day: Day) -> dict[str, float]:
    """Return what MLflow draws over the dates."""
    shown = {name: day_row(day)[name] for name in ("size", "precision", "base_rate", "lift", "retention")}
    return {f"{name}_by_date": value for name, value in shown.items() if value is not None}
