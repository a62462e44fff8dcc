"""The bench of buy-till-you-die fits judges by the best runs, and compares with nothing that is not there."""

import json

import pytest

from tests.bench import btyd

OURS = {"BG/NBD": {"seconds": [0.9, 0.01, 0.02]}, "Gamma-Gamma": {"seconds": [0.1, 0.1, 0.1]}}


def run(home, monkeypatch, gamma_gamma):
    other = {"BG/NBD": {"seconds": [9.0, 2.0, 3.0]}, "Gamma-Gamma": {"seconds": [8.0, gamma_gamma, 2.0]}}
    monkeypatch.setattr(btyd, "ours", lambda: OURS)
    monkeypatch.setattr(btyd, "theirs", lambda python, folder: other)
    return btyd.main(["--python", "python"]), json.loads((home / "bench" / "btyd.json").read_text())


@pytest.mark.parametrize(("gamma_gamma", "code"), [(1.0, 0), (0.9, 1)])
def test_every_model_must_be_ten_times_faster(home, monkeypatch, gamma_gamma, code):
    returned, written = run(home, monkeypatch, gamma_gamma)
    assert returned == code
    assert written["faster"] == {"BG/NBD": 200.0, "Gamma-Gamma": 10 * gamma_gamma}


def test_without_anything_to_compare_with_it_says_how(home, capsys):
    assert btyd.main([]) == 1
    assert "--install" in capsys.readouterr().out


def test_our_side_fits_each_model_on_cdnow(monkeypatch):
    monkeypatch.setattr(btyd, "_RUNS", 1)
    found = btyd.ours()
    assert found.keys() == {"BG/NBD", "Pareto/NBD", "Gamma-Gamma"}
    assert found["BG/NBD"]["params"]["r"] == pytest.approx(0.243, abs=0.002)
