"""The evaluation page: one file that needs nothing else, with every section, for probabilities and for cents."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from ml.models.dataset import Snapshot, TrainingSet
from ml.models.evaluate import Evaluation, Gain, decile_table, metrics_of
from ml.models.explain import Explanation
from ml.models.metrics import Predicted, intervals, measure
from ml.models.page.parts import Facts, Section
from ml.models.page.render import write_page
from ml.models.page.sections import Story, sections
from ml.models.page.svg import Axis
from ml.models.slices import slice_table
from ml.models.spec import ModelSpec
from ml.models.thresholds import choice_table, contact_choices, round_choices
from ml.times import parse_as_of
from tests.e2e.browser import DESKTOP, PHONE, a_page, chromium, fits

COUNT = 400
VOID = {"meta", "br", "link"}


class Tags(HTMLParser):
    """Remembers tags, what they refer to, and what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.links += [str(value) for name, value in attrs if name in {"href", "src"}]
        self.ids += [str(value) for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _snapshot(day: str, label: np.ndarray) -> Snapshot:
    blank = pd.DataFrame(index=range(COUNT))
    return Snapshot(parse_as_of(day), np.arange(COUNT), blank, blank, label)


def _slices(spec: ModelSpec, seen: Snapshot, score: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    groups = np.where(np.arange(COUNT) < 200, "<script>alert(1)</script>", "plain & simple")
    known = pd.DataFrame({"age_band": groups, "last_device": np.roll(groups, 100)})
    monkeypatch.setattr("ml.models.slices.read_attributes", lambda *_: known)
    return slice_table(spec, seen, score, score > np.quantile(score, 0.9), None)


def _story(kind: str) -> Story:
    rng, task = np.random.default_rng(7), "clv" if kind == "cents" else "offer_response"
    spec = ModelSpec(name="made_up", description="Chance & <luck>.", task=task, horizon_days=28)
    score = rng.gamma(2.0, 4_000, COUNT) if kind == "cents" else rng.random(COUNT) * 0.6
    chance = rng.gamma(4.0, 0.25, COUNT) * score if kind == "cents" else (rng.random(COUNT) < score).astype(float)
    seen = _snapshot("2024-05-04", chance)
    with pytest.MonkeyPatch.context() as patched:
        slices = _slices(spec, seen, score, patched)
    scores = {"xgboost": score, "recency": np.round(score, -3 if kind == "cents" else 1) + 0.01}
    found = {name: measure(Predicted(chance, s), metrics_of(spec)) for name, s in scores.items()}
    spreads = intervals(Predicted(chance, score), metrics_of(spec), 20, 1)
    low = {f"{name}_low": ends[0] for name, ends in spreads.items()}
    high = {f"{name}_high": ends[1] for name, ends in spreads.items()}
    evaluation = Evaluation(
        chosen="xgboost",
        metrics=found["xgboost"] | low | high | {"test_mean": float(chance.mean())},
        baselines={"recency": found["recency"]},
        candidates={"xgboost": found["xgboost"]},
        deciles=decile_table(Predicted(chance, score)),
        predictions=pd.DataFrame({"actual": chance, **scores, "chosen": score}),
        over_rule=Gain("recency", spec.primary, 0.01, -0.002, 0.022),
        contacts=choice_table(spec, contact_choices(spec, score), score, chance),
        thresholds=choice_table(spec, round_choices(spec, score), score, chance),
        slices=slices,
    )
    moved = pd.DataFrame(rng.normal(size=(50, 2)), columns=["recency_days", "main_channel"])
    places = pd.DataFrame({"recency_days": np.linspace(0, 1, 50), "main_channel": np.nan})
    explained = Explanation(0.97, {"recency_days": 0.8, "main_channel": 0.1}, moved, places, "EUR")
    data = TrainingSet((_snapshot("2024-03-01", chance),), _snapshot("2024-04-01", chance), seen)
    more = Section("Season", "Not seen in training.", (Facts({"weeks": "51 and 52"}),))
    return Story(spec, data, evaluation, explained, {"search": "40 trials"}, {"search_seconds": 2.0}, (more,))


@cache
def _story_of(kind: str) -> Story:
    return _story(kind)


@pytest.fixture(params=["probability", "cents"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """The kind of a model, and the folder with its page."""
    write_page(_story_of(request.param), tmp_path)
    return request.param, tmp_path


def test_the_page_is_whole_and_needs_nothing_else(page: tuple[str, Path]):
    text = (page[1] / "evaluation.html").read_text()
    tags = Tags(text)
    assert tags.open == []
    titles = {section.anchor for section in sections(_story_of(page[0]))}
    assert {link.removeprefix("#") for link in tags.links} == set(tags.ids) == titles
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}, "a name, not an address"
    assert "@import" not in text
    assert "url(" not in text


def test_every_section_that_a_reader_needs_is_there(page: tuple[str, Path]):
    kind, folder = page
    titles = [section.title for section in sections(_story_of(kind))]
    wanted = ["Model card", "Beside the baselines", "Ranking", "Whom marketing will contact", "Calibration"]
    wanted += ["What it leans on", "Groups of customers", "How it was fitted", "Season"]
    assert [title for title in titles if title != "Thresholds"] == wanted
    assert ("Thresholds" in titles) == (kind == "probability"), "no segment and no round threshold of cents here"
    text = (folder / "evaluation.html").read_text()
    for words in ("Not to be used for", "2024-03-01", "highest 10%", "sensitive", "51 and 52", "40 trials"):
        assert words in text


def test_what_comes_from_outside_is_text_and_never_markup(page: tuple[str, Path]):
    text = (page[1] / "evaluation.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "Chance &amp; &lt;luck&gt;." in text


def test_each_figure_stands_alone(page: tuple[str, Path]):
    kind, folder = page
    own = {"deciles.svg"} if kind == "cents" else {"roc.svg", "precision_recall.svg", "reliability.svg"}
    files = {path.name: path for path in (folder / "figures").iterdir()}
    assert set(files) == own | {"gains.svg", "lift.svg", "importance.svg", "shap.svg"}
    for path in files.values():
        drawn = ET.parse(path).getroot()
        assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in drawn[0].text


def test_nothing_is_drawn_outside_its_paper(page: tuple[str, Path]):
    for path in (page[1] / "figures").iterdir():
        text = path.read_text()
        width, height = (float(size) for size in re.search(r'viewBox="0 0 (\S+) (\S+)"', text).groups())
        places = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", text) + re.findall(r'x="(\S+)" y="(\S+)"', text)
        assert places
        assert all(-1 <= float(x) <= width + 1 and -1 <= float(y) <= height + 1 for x, y in places), path.name


def test_axes_have_round_ticks():
    assert Axis("", 0.0, 1.0).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert Axis("", 0.0, 1_530.0).ticks() == [0, 500, 1_000, 1_500]
    assert Axis("", 0.0, 0.0).ticks()[:1] == [0]
    assert Axis("", 0, 1, is_share=True).text(0.05) == "5%"
    assert Axis("", 0, 1).text(1_500) == "1.5k"


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: install the package chromium")
def test_the_page_reads_on_a_desk_and_on_a_phone(tmp_path: Path):
    write_page(_story_of("probability"), tmp_path)
    with a_page(DESKTOP) as page:
        page.goto(f"file://{tmp_path}/evaluation.html")
        for size in (DESKTOP, PHONE):
            page.set_viewport_size(size)
            assert fits(page), "tables scroll, the page does not"
        small = "[...document.querySelectorAll('figure text')].map(t => t.getBoundingClientRect().height)"
        assert min(page.evaluate(small)) > 8
        assert page.evaluate("document.querySelectorAll('figure svg').length") == 7
