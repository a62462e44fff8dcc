"""How the commands print: JSON for machines, tables for people."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


def print_json(value: Any) -> None:
    """Print a value as JSON; what JSON does not know is printed as text."""
    typer.echo(json.dumps(value, indent=2, default=str))


def print_problem(text: str) -> None:
    """Print what is wrong, as it is, where errors go."""
    Console(stderr=True).print(text, style="red", markup=False, highlight=False, soft_wrap=True)


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print rows of text under the names of their columns."""
    table = Table(*columns, show_lines=False)
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    Console().print(table)
