"""The command line: `audienceflow`. Groups are thin; what they call is imported when it is needed.

Exit codes: 0 all is well, 1 a file that a person edits is wrong, 2 the command itself is wrong, 3 the data or the
warehouse stands in the way, 4 the same command may succeed later.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ml.errors import AudienceflowError, ConfigError, RetriableError
from ml.leaving import leave_quietly
from ml.models.commands import app as models  # noqa: TID253 - imports nothing heavy
from ml.segments.commands import app as segments
from ml.segments.prints import print_problem


class _Group(TyperGroup):
    """Turns the project's errors into a message and an exit code; anything else is a defect and shows itself."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except AudienceflowError as error:
            print_problem(str(error))
            raise typer.Exit(_exit_code(error)) from error


def _exit_code(error: AudienceflowError) -> int:
    if isinstance(error, ConfigError):
        return 1
    return 4 if isinstance(error, RetriableError) else 3


app = typer.Typer(name="audienceflow", cls=_Group, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(segments, name="segments")
app.add_typer(models, name="models")


@app.callback()
def audienceflow() -> None:
    """Predictive customer segmentation, from raw customer data to hybrid segments in the CRM."""


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a page is out of date.")] = False,
) -> None:
    """Bring the generated pages of docs/ up to date."""
    from ml.pages import write_pages

    stale = write_pages(check=check)
    typer.echo("\n".join(f"docs/{name} {'is out of date' if check else 'written'}" for name in stale) or "up to date")
    if check and stale:
        raise typer.Exit(1)


@app.command(name="test-alert")
def test_alert() -> None:
    """Send an alert to every place that the settings name, and say which took it; exit 1 when one did not."""
    from ml.alerts import alert

    taken = alert("A test", "Whoever reads this will hear of drift, decline, odd sources and failed tasks.")
    for place, took in taken.items():
        typer.echo(f"{place}: {'sent' if took else 'not sent, see above'}")
    if not taken:
        typer.echo("only the log: set AUDIENCEFLOW_ALERT_WEBHOOK or AUDIENCEFLOW_ALERT_EMAIL")
    if not all(taken.values()):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except SystemExit as left:
        leave_quietly(left.code)
