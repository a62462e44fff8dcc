"""The page as one HTML file, and its charts as files of their own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from ml.models.page.parts import Chart, Section, Tile
from ml.models.page.sections import Story, sections, tiles

_TEMPLATES = Path(__file__).parent / "templates"


def write_page(story: Story, folder: Path) -> None:
    """Write `evaluation.html`, which needs no other file, and `figures/*.svg`, into `folder`."""
    made = sections(story)
    (folder / "evaluation.html").write_text(render(story, made), encoding="utf-8")
    figures = folder / "figures"
    figures.mkdir()
    for chart in (block for section in made for block in section.blocks if isinstance(block, Chart)):
        (figures / chart.file).write_text(_alone(chart), encoding="utf-8")


def render(story: Story, made: list[Section]) -> str:
    """Return the page as HTML."""
    tested = f"{story.data.test.as_of.at:%Y-%m-%d}"
    lead = f"{story.spec.description} {story.found.chosen}, tested on {tested}."
    return page(f"{story.spec.name}, tested on {tested}", story.spec.name, lead, tiles(story), made)


def page(title: str, heading: str, lead: str, read_first: list[Tile], made: list[Section]) -> str:
    """Return tiles and sections as one HTML file that needs no other."""
    return (
        _environment()
        .get_template("page.html.j2")
        .render(title=title, heading=heading, lead=lead, tiles=read_first, sections=made, chart_css=_css())
    )


def _alone(chart: Chart) -> str:
    """Return a chart as a file: with its colours inside."""
    return chart.svg.replace(">", Markup("><style>{}</style>").format(_css()), 1)


@lru_cache
def _css() -> Markup:
    return Markup((_TEMPLATES / "chart.css").read_text(encoding="utf-8"))  # noqa: S704 - a file of this package


@lru_cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
