"""Holdouts: members kept back from every platform, drawn by a salted hash and never drawn again."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.settings import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.times import AsOf
    from ml.warehouse import Warehouse

_ARMS = pa.schema([("segment", pa.string()), ("customer_key", pa.int64()), ("arm", pa.string())])


def draw(customer_keys: NDArray[np.int64], segment: str, salt: str) -> NDArray[np.float64]:
    """Return a number in [0, 1) a customer: uniform, the same on every run, independent between segments.

    The key is mixed with a hash of salt and segment by SplitMix64's finaliser (Steele, Lea and Flood, 2014,
    "Fast splittable pseudorandom number generators"). A larger holdout contains the smaller one.
    """
    seed = int.from_bytes(hashlib.sha256(f"{salt}|{segment}".encode()).digest()[:8], "big")
    z = customer_keys.astype(np.uint64) ^ np.uint64(seed)
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / float(1 << 53)


class Holdouts:
    """The arms of the members of `segments`: read once, drawn for who is new, and written when they are saved."""

    def __init__(self, warehouse: Warehouse, as_of: AsOf, segments: Sequence[str]) -> None:
        self._warehouse, self._as_of, self._segments = warehouse, as_of, list(segments)
        self._drawn = list[pa.Table]()

    @cached_property
    def _known(self) -> pa.Table:
        where = {"segment": self._segments}
        return self._warehouse.read_arrow("holdout_assignments", [*_ARMS.names], where).cast(_ARMS)

    def of(self, segment: str, members: pa.Array, share: float) -> pa.Array:
        """Return a boolean a member: is it in the holdout?

        A customer keeps the arm it was first given, whatever the share is today; only customers new to the segment
        are drawn.
        """
        known = self._known.filter(pc.equal(self._known["segment"], segment))
        new = members.filter(pc.invert(pc.is_in(members, value_set=known["customer_key"])))
        drawn = pa.array(draw(np.asarray(new), segment, settings().salt) < share)
        arms = [pa.repeat(pa.scalar(segment), len(new)), new, pc.if_else(drawn, "holdout", "treated")]
        fresh = pa.table(arms, schema=_ARMS)
        self._drawn.append(fresh)
        arms_now = pa.concat_tables([known, fresh])
        held_out = arms_now.filter(pc.equal(arms_now["arm"], "holdout"))["customer_key"]
        return pc.is_in(members, value_set=held_out.combine_chunks())

    def save(self) -> None:
        """Write the arms that were drawn, before anything tells of them."""
        drawn, self._drawn = pa.concat_tables([_ARMS.empty_table(), *self._drawn]), []
        if len(drawn):
            stamp = pa.repeat(pa.scalar(self._as_of.at, pa.timestamp("us")), len(drawn))
            part = {"segment": pc.unique(drawn["segment"]).to_pylist()}
            self._warehouse.write("holdout_assignments", drawn.append_column("assigned_at", stamp), part)
