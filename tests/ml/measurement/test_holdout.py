"""A holdout is drawn once, by a salted hash, and stays."""

import numpy as np
import pyarrow as pa

from ml.measurement.holdout import Holdouts, draw
from ml.settings import settings
from tests.ml.segments.worlds import AS_OF

KEYS = np.random.default_rng(5).integers(1, 2**62, 20_000)


def test_draws_are_uniform_and_the_same_every_time():
    drawn = draw(KEYS, "loyal", "salt")
    assert np.array_equal(drawn, draw(KEYS[::-1], "loyal", "salt")[::-1]), "a customer's draw is its own"
    deciles = np.bincount((drawn * 10).astype(int), minlength=10)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert np.all(np.abs(deciles - 2000) < 5 * np.sqrt(2000 * 0.9))


def test_small_neighbouring_keys_are_spread_as_well():
    assert abs((draw(np.arange(1, 10_001), "loyal", "salt") < 0.1).mean() - 0.1) < 0.015


def test_segments_and_salts_draw_independently():
    first = draw(KEYS, "loyal", "salt")
    for other in (draw(KEYS, "lapsed", "salt"), draw(KEYS, "loyal", "pepper")):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.03


def assigned(warehouse, members, share, as_of):
    holdouts = Holdouts(warehouse, as_of, ["loyal"])
    found = holdouts.of("loyal", members, share)
    holdouts.save()
    return found


def test_arms_are_kept_when_the_share_or_the_salt_changes(warehouse, monkeypatch):
    few, many = pa.array(KEYS[:500]), pa.array(KEYS[:1000])
    first = assigned(warehouse, few, 0.2, AS_OF)
    monkeypatch.setenv("AUDIENCEFLOW_SALT", "another")
    settings.cache_clear()
    later = assigned(warehouse, many, 0.5, AS_OF.plus(1))
    assert later.slice(0, 500).equals(first), "those who were drawn stay where they are"
    assert 0.4 < np.mean(later.slice(500).to_pylist()) < 0.6, "those who are new are drawn at today's share"
    assert warehouse.count("holdout_assignments") == 1000
    assert warehouse.count("holdout_assignments", {"assigned_at": AS_OF}) == 500


def test_a_share_of_zero_holds_nobody_out(duck):
    assert not any(assigned(duck, pa.array(KEYS[:50]), 0.0, AS_OF).to_pylist())
    assert assigned(duck, pa.array([], pa.int64()), 0.5, AS_OF).to_pylist() == []


def test_segments_of_one_run_are_written_at_once_and_do_not_share_arms(duck):
    few = pa.array(KEYS[:400])
    holdouts = Holdouts(duck, AS_OF, ["loyal", "lapsed"])
    loyal, lapsed = (holdouts.of(name, few, 0.5) for name in ("loyal", "lapsed"))
    assert duck.count("holdout_assignments") == 0
    holdouts.save()
    assert duck.count("holdout_assignments") == 800
    assert not loyal.equals(lapsed)
    again = Holdouts(duck, AS_OF.plus(1), ["loyal", "lapsed"])
    assert [again.of(name, few, 0.0) for name in ("loyal", "lapsed")] == [loyal, lapsed]
    again.save()
    assert duck.count("holdout_assignments", {"assigned_at": AS_OF}) == 800
