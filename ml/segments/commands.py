"""`audienceflow segments`: check, read and try out definitions. Nothing here changes what is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console

from ml.segments.commands_backtest import app as backtest
from ml.segments.commands_review import app as review
from ml.segments.prints import print_json, print_problem, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml.segments.catalogue import Catalogue

app = typer.Typer(no_args_is_help=True, help="Check, read and try out segments.")
app.add_typer(review)
app.add_typer(backtest)

Name = Annotated[str, typer.Argument(help="Segment: the file's name in config/segments without .yaml.")]
AsOf = Annotated[str, typer.Option(help="Point in time (2018-01-01); default: the latest with features.")]
Moment = Annotated[str, typer.Option(help="Point in time that the SQL is written for (2018-01-01); default: now.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command("list")
def list_segments(as_json: AsJson = False) -> None:
    """List the segments with their rule in words."""
    from ml.segments.vocabulary import load_vocabulary
    from ml.segments.words import sentence

    known, catalogue = load_vocabulary(), _catalogue()
    _complain(catalogue.problems.values())
    found = [
        {
            "name": rule.name,
            "rule": sentence(rule.condition, known.events),
            "goal": rule.segment.goal,
            "owner": rule.segment.owner,
            "holdout": rule.segment.holdout,
            "refresh": rule.segment.refresh,
            "destinations": list(rule.segment.destinations),
        }
        for rule in catalogue.rules.values()
    ]
    if as_json:
        print_json(found)
        return
    print_table(["segment", "who", "holdout", "goes to"], [_listed(one) for one in found])


@app.command()
def lint(
    names: Annotated[list[str] | None, typer.Argument(help="Segments to check; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every definition: keys, values, and that what it names exists. Exit 1 when one is wrong."""
    from ml.errors import ConfigError

    catalogue = _checked()
    if isinstance(catalogue, ConfigError):
        problems, good = {"": str(catalogue)}, list[str]()
    else:
        asked = set(names or {**catalogue.segments, **catalogue.problems})
        for name in asked - {*catalogue.problems}:
            _ = catalogue[name]
        problems = {name: text for name, text in catalogue.problems.items() if name in asked}
        good = [name for name in catalogue.segments if name in asked]
    if as_json:
        print_json({"good": good, "problems": problems})
    else:
        _complain(problems.values())
        typer.echo(f"{len(good)} right, {len(problems)} wrong")
    if problems:
        raise typer.Exit(1)


@app.command()
def show(name: Name, as_of: Moment = "", as_json: AsJson = False) -> None:
    """Show a definition: what it is for, who is in it in plain words, and its SQL."""
    from rich.syntax import Syntax

    from ml.segments.inspect import describe
    from ml.segments.vocabulary import load_vocabulary
    from ml.settings import settings
    from ml.times import parse_as_of

    moment = parse_as_of(as_of or settings().as_of or datetime.now(UTC))
    said = describe(_rule(name), moment, load_vocabulary())
    if as_json:
        print_json(said)
        return
    console = Console()
    console.print(f"[bold]{name}[/bold]: {said['description']}", highlight=False)
    keys = ("rule", "goal", "owner", "action", "refresh", "expires", "holdout", "consent", "destinations")
    for key in (key for key in keys if key in said):
        console.print(f"  {key:<13}{_plain(said[key])}", markup=False, highlight=False)
    console.print(Syntax(said["sql"], "sql", word_wrap=True, background_color="default"))


@app.command()
def preview(
    name: Name,
    as_of: AsOf = "",
    sample: Annotated[int, typer.Option(min=0, help="Members to show.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Evaluate a definition and show its size and some members with their reasons. Nothing is stored."""
    from ml.segments.inspect import preview as look

    found = look(name, as_of or None, sample)
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"{name} at {found['as_of']}: {found['size']:,} customers, {found['share']:.1%} of everybody known then."
    )
    _print_standing(found)
    consent = found["consent"]
    typer.echo(f"{consent['granted']:,} of them consent to {consent['purpose']} by {consent['channel']}.")
    for band, counts in found["by"].items():
        shown = ", ".join(f"{value} {count:,}" for value, count in list(counts.items())[:8])
        typer.echo(f"By {band.replace('_', ' ')}: {shown or 'nobody'}.")
    print_table(["customer", "reason"], [[str(row["customer_key"]), row["reason"]] for row in found["sample"]])


@app.command()
def explain(
    name: Name,
    customer: Annotated[int, typer.Option(help="customer_key.")],
    as_of: AsOf = "",
    as_json: AsJson = False,
) -> None:
    """Say whether a customer is in a segment: each condition with its value and verdict."""
    from ml.segments.inspect import explain as look

    found = look(name, customer, as_of or None)
    if as_json:
        print_json(found)
        return
    verdict = "is in" if found["is_member"] else "is not in"
    typer.echo(f"Customer {customer} {verdict} {name} at {found['as_of']}. The rule: {found['rule']}.")
    _print_standing(found)
    rows = [["yes" if fact["holds"] else "no", fact["asked"], fact["known"]] for fact in found["conditions"]]
    print_table(["holds", "condition", "what is known"], rows)


@app.command("fit-clusters")
def fit_clusters(
    name: Annotated[str, typer.Argument(help="What to call the clustering.")],
    feature: Annotated[list[str], typer.Option(help="A numeric feature; say it once for each.")],
    count: Annotated[int, typer.Option(min=2, max=20, help="Clusters to look for.")] = 4,
    as_of: AsOf = "",
    as_json: AsJson = False,
) -> None:
    """Propose clusters of customers; the output goes into config/clusters.yaml, under names of your own."""
    from ml.segments.clusters import propose

    found, sizes = propose(name, feature, count, as_of or None)
    if as_json:
        print_json({"clusters": found, "sizes": sizes})
        return
    typer.echo("\n".join(f"# {cluster}: {size:,} customers" for cluster, size in sizes.items()))
    typer.echo(yaml.safe_dump({"clusters": found}, sort_keys=False, default_flow_style=None, width=120))


@app.command()
def simulate(
    name: Name,
    journey: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A journey's file; default: all in journeys/NAME."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a made-up customer through a segment: when it enters and leaves. Exit 1 when that is not as expected."""
    from ml.segments.play import play, table_rows

    played = play(name, journey or ())
    if as_json:
        print_json(played)
    else:
        for one in played:
            typer.echo(f"{one['journey']}: {one['description']}")
            print_table(["when", "what happens", f"in {name}"], table_rows(one))
    if not all(one["passed"] for one in played):
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a segment's file, by which editors complete and check it."""
    from ml.segments.schema import page

    typer.echo(page(""))


def _catalogue() -> Catalogue:
    from ml.segments.catalogue import load_catalogue

    return load_catalogue()


def _complain(problems: Iterable[str]) -> None:
    for text in problems:
        print_problem(text)


def _rule(name: str) -> Any:
    catalogue = _catalogue()
    return catalogue.rules[catalogue[name].name]


def _checked() -> Any:
    """Return the catalogue, or the error that nothing in it can be used."""
    from ml.errors import ConfigError

    try:
        return _catalogue()
    except ConfigError as error:
        return error


def _print_standing(found: dict[str, Any]) -> None:
    typer.echo(f"By the file as it is now ({found['definition_hash']}).")
    for note in found["notes"]:
        typer.secho(f"But {note}{'' if note.endswith('?') else '.'}", fg="yellow")


def _listed(one: dict[str, Any]) -> list[str]:
    return [one["name"], one["rule"], f"{one['holdout']:.0%}", ", ".join(one["destinations"])]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
