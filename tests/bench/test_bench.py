"""The bench judges what it measured, and says so where it did not. Nothing here is timed."""

import json

import pytest

from tests.bench import run

FOUND = {
    "scan": {"seconds": 0.5, "process_seconds": 2.5, "peak_mb": 100},
    "features": {"seconds": 8.0, "process_seconds": 19.0, "peak_mb": 1600},
    "one_as_of": {"seconds": 8.0, "process_seconds": 9.0, "peak_mb": 1600},
    "six_as_of": {"seconds": 44.0, "process_seconds": 45.0, "peak_mb": 1500},
    "pandas_load": {"seconds": 4.0, "process_seconds": 4.0, "peak_mb": 2000},
    "training": {"seconds": 90.0, "cpu_seconds": 100.0, "process_seconds": 99.0, "peak_mb": 100, "result": "1"},
    "scoring": {"seconds": 9.0, "cpu_seconds": 20.0, "process_seconds": 19.0, "peak_mb": 100, "result": 400_000},
    "pandas_compute": {"seconds": 6.0, "process_seconds": 6.0, "peak_mb": 3000},
}


def test_a_bar_is_met_up_to_its_limit_and_missed_beyond():
    judged = {one.what: one for one in run.judge(FOUND)}
    assert judged["features / pandas, loading included"].figure == pytest.approx(0.8)
    assert judged["features / pandas, loading included"].met
    assert judged["features / scan of their columns"].figure == pytest.approx(16.0)
    assert judged["six as_of / one, a process each"].met
    assert judged["six as_of / one, without the start of the process"].figure == pytest.approx(5.5)
    assert judged["features, peak memory"].met is False
    assert judged["six as_of, peak memory"].met
    assert judged["features / pandas, frames in memory"].met is None


def test_what_was_not_measured_has_no_verdict():
    judged = {one.what: one for one in run.judge(FOUND)}
    reasons = judged["reasons of 500,000 / training, CPU"]
    assert (reasons.figure, reasons.met) == (None, None)


def test_scoring_counts_the_processor_and_half_a_million_customers():
    judged = {one.what: one for one in run.judge(FOUND)}
    scoring = judged["scoring 500,000 / training, CPU"]
    assert (scoring.figure, scoring.met) == (pytest.approx(0.25), True)


def test_what_is_dear_to_install_is_measured_only_when_asked_for(home, monkeypatch):
    asked = []
    monkeypatch.setattr(run, "_prepare", lambda folder, given: folder.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(run, "measure", lambda name, folder: asked.append(name) or FOUND["scan"])
    monkeypatch.setattr(run, "judge", lambda found: [])
    for arguments in ([], ["--pymc"]):
        run.main(["--events", "10", "--customers", "2", *arguments])
    assert asked.count("pymc") == 1
    assert asked.count("btyd") == 2


@pytest.mark.parametrize(("strict", "code"), [([], 0), (["--strict"], 1)])
def test_results_are_written_and_a_missed_bar_fails_a_strict_run(home, monkeypatch, strict, code):
    monkeypatch.setattr(run, "_prepare", lambda folder, given: folder.mkdir(parents=True))
    monkeypatch.setattr(run, "measure", lambda name, folder: FOUND[name])
    assert run.main(["--events", "10", "--customers", "2", "--only", *FOUND, *strict]) == code
    written = json.loads((home / "bench" / "results.json").read_text())
    assert written["measurements"] == FOUND
    assert {bar["what"] for bar in written["bars"] if bar["met"] is False} == {"features, peak memory"}


def test_every_bar_is_made_of_measurements_that_exist():
    from tests.bench.measures import MEASURES

    assert {name for bar in run.BARS for name in bar.needs} <= set(run.NAMES) == set(MEASURES)
