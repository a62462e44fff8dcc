"""Draws by counter."""

import numpy as np
import pytest
from scipy import stats

from ml.sources.demo.randomness import Draws

DRAWS = Draws(1)
KEYS = np.arange(20_000)


def test_a_draw_depends_on_its_own_keys_only():
    """Leaving out rows, or adding some, changes no other row's numbers."""
    some = KEYS[::7]
    assert np.array_equal(DRAWS.uniform("visit", KEYS)[::7], DRAWS.uniform("visit", some))


def test_numbers_are_uniform_and_neighbours_independent():
    numbers = DRAWS.uniform("visit", KEYS)
    assert stats.kstest(numbers, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.03


@pytest.mark.parametrize("other", [Draws(2).uniform("visit", KEYS), DRAWS.uniform("cart", KEYS)])
def test_seeds_and_streams_are_independent(other):
    assert abs(np.corrcoef(DRAWS.uniform("visit", KEYS), other)[0, 1]) < 0.03


def test_order_of_keys_matters_and_keys_broadcast():
    assert DRAWS.bits("x", 1, 2)[0] != DRAWS.bits("x", 2, 1)[0]
    grid = DRAWS.bits("x", KEYS[:5, None], KEYS[None, :3])
    assert grid.shape == (5, 3)
    assert len(np.unique(grid)) == 15


def test_shapes_of_distributions():
    assert stats.kstest(DRAWS.normal("n", KEYS), "norm").pvalue > 0.001
    assert stats.kstest(DRAWS.exponential("e", KEYS), "expon").pvalue > 0.001
    picked = np.bincount(DRAWS.pick("p", (1, 3), KEYS)) / len(KEYS)
    assert picked == pytest.approx([0.25, 0.75], abs=0.01)
    dice = DRAWS.integers("d", 1, 6, KEYS)
    assert (dice.min(), dice.max()) == (1, 6)
    assert sorted(DRAWS.order("o", KEYS)) == KEYS.tolist()
