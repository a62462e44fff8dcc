"""The page of a backtest: whether the goal came true, who came and went, what company the segment keeps, and how."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from ml.models.page.parts import Band, Facts, Row, Section, Table, Tile
from ml.models.page.render import page
from ml.models.page.words import brief, count, money, percent
from ml.segments import backtest_charts as charts
from ml.segments.words import sentence

if TYPE_CHECKING:
    from ml.segments.backtest_measures import Interval
    from ml.segments.backtest_study import Day, Study
    from ml.segments.vocabulary import Vocabulary

_NONE = "–"


def render(study: Study, known: Vocabulary, currency: str) -> str:
    """Return the page as HTML that needs no other file."""
    case = study.case
    lead = f"{case.rule.segment.description} Replayed from {_date(study.days[0])} to {_date(study.days[-1])}."
    made = [_came_true(study), _moves(study), _company(study), _money(study, currency), _how(study, known)]
    title = f"{case.name}, backtest"
    return page(title, case.name, lead, _tiles(study, currency), [section for section in made if section.blocks])


def headline(study: Study) -> str:
    """Return what the backtest found, in a sentence or two."""
    found = study.measured
    if found is None:
        reasons = dict.fromkeys(day.reason for day in study.days if day.reason)
        return f"Nothing could be measured: {'; '.join(reasons)}."
    rates = found.rates
    words = (
        f"Over {len(study.told)} dates it came true for {percent(rates.precision)} of the members and for "
        f"{percent(rates.base_rate)} of {_whom(study)}: lift {brief(rates.lift)}{_range(found.lift)}."
    )
    return f"{words} {_judged(study)}{_compared(study)}".strip()


def _judged(study: Study) -> str:
    """Return what the interval of the lift allows to say."""
    ends = study.measured.lift if study.measured else None
    if ends is None or math.isnan(ends.low):
        return "Too few to say more."
    if ends.low > 1:
        return "That is more than the base, beyond chance."
    return "That is less than the base, beyond chance." if ends.high < 1 else "That may be chance."


def _compared(study: Study) -> str:
    gain = study.gain
    if gain is None:
        return ""
    ends = f"{gain.value:+.2f}{_range(gain.interval)}"
    return f" Against {study.case.against} (lift {brief(gain.other.rates.lift)}): {ends}."


def _tiles(study: Study, currency: str) -> list[Tile]:
    found, stayed = study.measured, [day.stayed for day in study.known if day.stayed is not None]
    sizes = [day.size for day in study.known if day.size is not None]
    made = []
    if found:
        base = f"the base: {percent(found.rates.base_rate)}"
        made += [
            Tile("Lift", brief(found.rates.lift), _range(found.lift).strip(), "times as often as the base"),
            Tile("Precision", percent(found.rates.precision), _shares(found.precision), base),
            Tile("Recall", percent(found.rates.recall), _shares(found.recall), "of those whom it met were members"),
        ]
    if sizes:
        stay = f"members; {percent(sum(stayed) / len(stayed), 0)} stay to the next date" if stayed else "members"
        made.append(Tile("Size", count(sum(sizes) / len(sizes)), f"{min(sizes):,} to {max(sizes):,}", stay))
    return [*made, *_stake(study, currency)]


def _stake(study: Study, currency: str) -> list[Tile]:
    amounts = [day.money for day in study.told if day.money]
    if not amounts:
        return []
    is_loss, words = study.case.outcome.is_loss, study.case.outcome.horizon.words
    cents = [one.before if is_loss else one.outcome for one in amounts]
    note = f"spent by members in the {words} before" if is_loss else f"spent on it by members within {words}"
    return [Tile("At stake" if is_loss else "Revenue", money(sum(cents) / len(cents), currency), "a date", note)]


def _came_true(study: Study) -> Section:
    lead = f"Asked: whether a customer {study.case.outcome.words}. {headline(study)}"
    head = ("date", "members", "came true", "precision", "95%", "base", "recall", "lift", "95%")
    rows = [_row(day) for day in study.days]
    note = (
        "Members: those of whom the outcome is asked. Intervals resample customers, each with all dates; there is none "
        "below five who were met."
    )
    pictures = (charts.rates(study), charts.lifts(study)) if study.told else ()
    return Section("Did it come true", lead, (*pictures, Table(head, tuple(rows), note)))


def _row(day: Day) -> Row | Band:
    if day.measured is None:
        return Band(_date(day), day.status, day.reason)
    found, rates = day.measured, day.measured.rates
    cells = (
        _date(day),
        count(rates.members),
        count(rates.hits),
        percent(rates.precision),
        _shares(found.precision),
        percent(rates.base_rate),
        percent(rates.recall),
        brief(rates.lift),
        _range(found.lift).strip(),
    )
    return Row(cells)


def _moves(study: Study) -> Section:
    if not study.known:
        return Section("Who comes and goes", "", ())
    tripped = [day for day in study.known if day.warning]
    lead = (
        f"Members anew on every date, {study.every_days:g} days apart. "
        f"{f'On {len(tripped)} dates a limit or a guard would have held it up.' if tripped else ''}"
    )
    head = ("date", "members", "of everybody", "entered", "left", "stayed")
    rows: list[Row | Band] = []
    for day in study.known:
        share = (day.size or 0) / day.base if day.base else math.nan
        known = [count(value) if value is not None else _NONE for value in (day.size, day.entered, day.left)]
        stayed = percent(day.stayed) if day.stayed is not None else _NONE
        rows.append(Row((_date(day), known[0], percent(share), *known[1:], stayed)))
        rows += [Band("", "held up", day.warning)] if day.warning else []
    return Section("Who comes and goes", lead, (charts.sizes(study), charts.moves(study), Table(head, tuple(rows))))


def _company(study: Study) -> Section:
    found = study.known[-1].company if study.known else {}
    if not found:
        return Section("Overlap", "", ())
    lead = f"Other segments on {_date(study.known[-1])}. Those whose models would have had to be fitted are left out."
    head = ("segment", "in both", "of the members", "of either (Jaccard)")
    rows = [Row((name, count(o.shared), percent(o.share), brief(o.jaccard))) for name, o in found.items() if o.shared]
    return Section("Overlap", lead, (charts.company(study), Table(head, tuple(rows))))


def _money(study: Study, currency: str) -> Section:
    days = [(day, day.money) for day in study.told if day.money]
    if not days:
        return Section("Money", "", ())
    outcome = study.case.outcome
    last = "less by those whom it met" if outcome.is_loss else "spent on it"
    lead = f"What the members of whom it is asked spent in {outcome.horizon.words} before and after each date."
    rows = [
        Row((_date(day), *(money(cents, currency) for cents in (found.before, found.after, found.outcome))))
        for day, found in days
    ]
    table = Table(("date", "before", "after", last), tuple(rows))
    return Section("Money", lead, (charts.money(study), table))


def _how(study: Study, known: Vocabulary) -> Section:
    case, outcome = study.case, study.case.outcome
    base = sentence(outcome.among, known.events) if outcome.among else _everybody(outcome.kind)
    facts = {
        "Rule": sentence(case.rule.condition, known.events),
        "Goal": case.rule.segment.goal,
        "Outcome": outcome.words,
        "Base": base,
        "Definition": case.digest,
        "Scores": _models(study),
        "Known then": "Features, events and scores stop at each date. Consent, attributes of the profile and the "
        "definition itself are as they stand today. A refresh that is not daily is not imitated.",
    }
    return Section("How it was replayed", "", (Facts({name: text for name, text in facts.items() if text}),))


def _everybody(kind: str) -> str:
    if kind in {"churn", "collapse"}:
        return "customers who ordered in as long a time before"
    return "customers whom a campaign targets in that time" if kind == "redemption" else "all customers known then"


def _models(study: Study) -> str:
    """Return which models gave the scores, and how often each."""
    used: dict[str, dict[str, int]] = {}
    for day in study.known:
        for model, version in json.loads(day.model_versions).items():
            counts = used.setdefault(model, {})
            counts[version] = counts.get(version, 0) + 1
    told = [f"{model}: {', '.join(f'{v} ({n})' for v, n in versions.items())}" for model, versions in used.items()]
    refit = "; refit: fitted again on what was known then, by the file's values without a search" if told else ""
    return "; ".join(told) + refit


def _whom(study: Study) -> str:
    return "the base" if study.case.outcome.among else "everybody asked"


def _date(day: Day) -> str:
    return f"{day.as_of.at:%Y-%m-%d}"


def _range(ends: Interval) -> str:
    return "" if math.isnan(ends.low) else f" [{ends.low:.2f}, {ends.high:.2f}]"


def _shares(ends: Interval) -> str:
    return "" if math.isnan(ends.low) else f"[{percent(ends.low)}, {percent(ends.high)}]"
