"""Holdouts: members kept back from every platform, drawn by a salted hash and never drawn again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.settings import settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.times import AsOf
    from ml.warehouse import Warehouse


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


def assign_holdout(warehouse: Warehouse, segment: str, members: pa.Array, share: float, as_of: AsOf) -> pa.Array:
    """Return a boolean a member: is it in the holdout?

    A customer keeps the arm it was first given, whatever the share is today; only customers new to the segment
    are drawn, and their arms are recorded in `holdout_assignments`.
    """
    columns = ["customer_key", "arm"]
    known = warehouse.read_arrow("holdout_assignments", columns, where={"segment": segment})
    new = members.filter(pc.invert(pc.is_in(members, value_set=known["customer_key"])))
    if len(new):
        drawn = pa.array(draw(np.asarray(new), segment, settings().salt) < share)
        fresh = pa.table({"customer_key": new, "arm": pc.if_else(drawn, "holdout", "treated")})
        stamp = pa.repeat(pa.scalar(as_of.at, pa.timestamp("us")), len(new))
        warehouse.write("holdout_assignments", fresh.append_column("assigned_at", stamp), {"segment": segment})
        known = pa.concat_tables([known.cast(fresh.schema), fresh])
    held_out = known.filter(pc.equal(known["arm"], "holdout"))["customer_key"]
    return pc.is_in(members, value_set=held_out.combine_chunks())
