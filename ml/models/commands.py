"""`audienceflow models`: which version of each model reigns, why, and how to go back to an earlier one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(no_args_is_help=True, help="See the champions, and go back to an earlier one.")

Name = Annotated[str, typer.Argument(help="Registered model, such as churn_28d.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the versions.")]
By = Annotated[str, typer.Option(help="Who decides; default: the user of this machine.")]

_VERSION = ("version", "champion", "as_of", "decision", "decided_by", "decision_reason")


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models: the champion, how good it was when it was tested, and what became of the latest version."""
    from ml.models.champions import overview

    _show(overview(), as_json)


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show every version of a model, the latest first, with what was decided about it, by whom and why."""
    from ml.models.champions import history

    found = history(name)
    _show(found if as_json else [{key: row[key] for key in _VERSION} for row in found], as_json)


@app.command()
def rollback(
    name: Name,
    reason: Reason,
    to: Annotated[str, typer.Option(help="Version that was champion before; default: the one before today's.")] = "",
    by: By = "",
) -> None:
    """Let an earlier champion reign again. Equal data never promote the present one again."""
    from ml.models.champions import roll_back

    _told(roll_back(name, to=to, reason=reason, by=by or _user()))


@app.command()
def promote(
    name: Name,
    version: Annotated[str, typer.Argument(help="Version to promote, whatever was decided about it.")],
    reason: Reason,
    by: By = "",
) -> None:
    """Make a version champion by hand, such as one that was stopped though it is honest."""
    from ml.models.champions import promote

    _told(promote(name, version, reason=reason, by=by or _user()))


def _told(done: dict[str, str]) -> None:
    name, version, before = done["name"], done["version"], done["instead_of"]
    if version == before:
        typer.echo(f"{name}: version {version} is champion already")
        return
    instead = f" instead of version {before}" if before else ""
    typer.echo(f"{name}: version {version} is champion{instead}. Scores follow with the next run of score_customers.")


def _user() -> str:
    import getpass

    return getpass.getuser()


def _show(rows: Sequence[dict[str, str]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("Nothing is registered yet: train first")
        return
    table = Table(*(key.replace("_", " ") for key in rows[0]))
    for row in rows:
        table.add_row(*(value.replace("[", r"\[") for value in row.values()))
    Console().print(table)
