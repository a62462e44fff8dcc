"""`audienceflow segments`: what a change would do, who may let it in, and how the whole catalogue does."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import Annotated, Any

import typer

from ml.segments.prints import print_json, print_table

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Segment: the file's name in config/segments without .yaml.")]
AsOf = Annotated[str, typer.Option(help="Point in time (2018-01-01); default: the latest with features.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the version.")]


@app.command()
def diff(name: Name, as_of: AsOf = "", as_json: AsJson = False) -> None:
    """Show who would enter and leave if the file took the place of the active version. Nothing is stored."""
    from ml.segments.compared import compared

    found = compared(name, as_of or None)
    if as_json:
        print_json(found)
        return
    typer.echo(found["text"])
    rows = [[str(one["customer_key"]), one["change"], one["cause"], one["reason"]] for one in found["sample"]]
    if rows:
        print_table(["customer", "change", "because of", "reason"], rows)


@app.command()
def versions(name: Name, as_json: AsJson = False) -> None:
    """List the versions of a segment: what each one changed, and who let it in."""
    from ml.segments.approve import stored

    found = [asdict(one) for one in stored(name)]
    if as_json:
        print_json(found)
        return
    columns = ["version", "status", "cause", "active_from", "size_before", "size", "decided_by", "reason"]
    print_table(columns, [[str("" if one[key] is None else one[key]) for key in columns] for one in found])


@app.command()
def approve(name: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Let the version that waits take the place of the active one, from the run that proposed it on."""
    _settle(name, reason, approved=True, as_json=as_json)


@app.command()
def reject(name: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Reject the version that waits: the active one goes on until the file changes again."""
    _settle(name, reason, approved=False, as_json=as_json)


@app.command()
def health(  # noqa: PLR0917 - typer knows the options by their names
    as_of: Annotated[str, typer.Option(help="Point in time (2018-01-01); default: the latest build.")] = "",
    smallest: Annotated[int, typer.Option(min=1, help="Fewer members are too few.")] = 50,
    alike: Annotated[float, typer.Option(min=0, max=1, help="Jaccard index from which two are too alike.")] = 0.8,
    most: Annotated[int, typer.Option(min=1, help="Segments that a customer should be in at most.")] = 5,
    html: Annotated[bool, typer.Option("--html", help="Write the page below the reports.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which segments are too alike, too small, of no use or without an outcome of their own. Exit 1 when any is."""
    from ml.segments.health import Bounds, as_dict, write_page
    from ml.segments.health import health as look
    from ml.segments.health_words import headline, untested, verdicts

    found = look(as_of or None, bounds=Bounds(smallest, alike, most))
    told = verdicts(found)
    page = str(write_page(found)) if html else ""
    if as_json:
        print_json({**as_dict(found), "verdicts": [asdict(one) for one in told], "page": page})
    else:
        typer.echo(f"{headline(found)} {untested(found)}".strip())
        print_table(["what", "next step"], [[one.text, one.next_step] for one in told])
        typer.echo(f"{found.in_none:.1%} are in no segment, {found.in_many:.1%} in more than {most}. {page}".strip())
    if told:
        raise typer.Exit(1)


def _settle(name: str, reason: str, *, approved: bool, as_json: bool) -> None:
    from ml.segments.approve import answer, waiting

    found: dict[str, Any] = answer(
        name, str(waiting(name).version), approved=approved, by=getpass.getuser(), note=reason
    )
    if as_json:
        print_json(found)
        return
    typer.echo(f"Version {found['version']} of {name} is {found['status']}. The next build_segments goes by it.")
