"""Random numbers by counter: a draw depends on the seed, a stream's name and its keys, on nothing else.

Sequential generators shift every later draw when one row is removed. Here a household's visit on a day
draws the same numbers whatever its baskets do afterwards, which is what makes "no event knows the
future" a testable fact. The mixer is SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom
Number Generators", OOPSLA 2014).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bits = NDArray[np.uint64]
Key = Integers | Bits | int

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(state: Bits) -> Bits:
    """SplitMix64's finaliser, elementwise, in place on a copy."""
    state = state.copy()
    state ^= state >> np.uint64(30)
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return state


@dataclass(frozen=True)
class Draws:
    """Vectorised draws; every method takes a stream's name and one or more broadcastable keys."""

    seed: int

    def bits(self, stream: str, *keys: Key) -> Bits:
        """64 random bits for each combination of keys."""
        digest = hashlib.blake2b(f"{self.seed}:{stream}".encode(), digest_size=8).digest()
        state = np.full(1, np.frombuffer(digest, "<u8")[0], dtype=np.uint64)
        for key in keys:
            step = np.atleast_1d(np.asarray(key)).astype(np.uint64) * _GOLDEN
            state = mix(state + step + _GOLDEN)
        return state

    def uniform(self, stream: str, *keys: Key) -> Floats:
        """Uniform in [0, 1)."""
        return (self.bits(stream, *keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, stream: str, low: int | Integers, high: int | Integers, *keys: Key) -> Integers:
        """Integers in [low, high]; the bounds may be arrays of the keys' shape."""
        span = np.asarray(high) - np.asarray(low) + 1
        return np.asarray(low + np.floor(self.uniform(stream, *keys) * span), dtype=np.int64)

    def exponential(self, stream: str, *keys: Key) -> Floats:
        """Exponential with mean 1."""
        return -np.log1p(-self.uniform(stream, *keys))

    def normal(self, stream: str, *keys: Key) -> Floats:
        """Standard normal (Box and Muller)."""
        radius = np.sqrt(2.0 * self.exponential(f"{stream}/radius", *keys))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(f"{stream}/angle", *keys)))

    def pick(self, stream: str, weights: Sequence[float], *keys: Key) -> Integers:
        """Index of the chosen weight."""
        edges = np.cumsum(weights) / np.sum(weights)
        return np.asarray(
            np.minimum(np.searchsorted(edges, self.uniform(stream, *keys), side="right"), len(weights) - 1),
            dtype=np.int64,
        )

    def order(self, stream: str, *keys: Key) -> Integers:
        """A random permutation: the rank of each key."""
        return np.asarray(np.argsort(np.argsort(self.bits(stream, *keys), kind="stable")), dtype=np.int64)
