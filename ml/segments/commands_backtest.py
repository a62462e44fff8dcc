"""`audienceflow segments backtest`: prove definitions on the past before anybody is mailed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ml.segments.prints import print_json, print_table

app = typer.Typer()


@app.command()
def backtest(  # noqa: PLR0917 - typer knows the options by their names
    names: Annotated[list[str], typer.Argument(help="Segments: files of config/segments without .yaml.")],
    first: Annotated[str, typer.Option("--from", help="Earliest date (2017-10-30); default: six dates in all.")] = "",
    last: Annotated[str, typer.Option("--to", help="Latest date; default: the latest whose outcome is known.")] = "",
    every: Annotated[str, typer.Option(help="Time from date to date, counted back from the latest: 7d, 4w.")] = "7d",
    against: Annotated[str, typer.Option(help="Compare with this segment, over the same base and dates.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Replay segments at past dates and look up what became of their members. The definition may then be activated.

    Exit 3 when no date could be measured.
    """
    from ml.segments.backtest import backtest as prove

    found = prove(names, first=first, last=last, every=every, against=against)
    if as_json:
        print_json(found)
    else:
        for one in found:
            _print(one)
    if not all(one["measured"] for one in found):
        raise typer.Exit(3)


def _print(one: dict[str, Any]) -> None:
    from ml.settings import settings

    typer.echo(f"{one['segment']}, whether a customer {one['outcome']}. {one['headline']}")
    rows = [_row(day) for day in one["days"]]
    head = ["date", "members", "in", "out", "true", "base", "lift", "95%", "note"]
    has_notes = any(row[-1] for row in rows)
    print_table(head if has_notes else head[:-1], rows if has_notes else [row[:-1] for row in rows])
    typer.echo(f"{settings().reports / one['report_path']}")


def _row(day: dict[str, Any]) -> list[str]:
    counts = [_count(day[name]) for name in ("size", "entered", "left_count")]
    shares = [_share(day[name]) for name in ("precision", "base_rate")]
    lift = "" if day["lift"] is None else f"{day['lift']:.2f}"
    ends = "" if day["lift_low"] is None else f"{day['lift_low']:.2f} to {day['lift_high']:.2f}"
    note = "; ".join(text for text in (day["status_reason"], day["warning"]) if text)
    return [f"{day['as_of']:%Y-%m-%d}", *counts, *shares, lift, ends, note]


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
