"""Fingerprints: equal exactly when what a platform would be told is equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

# Two keys of 16 bytes make 128 bits out of pandas' 64-bit SipHash; changing either re-sends everything.
_KEYS = ("audienceflow-a-1", "audienceflow-b-1")


def fingerprints(frame: pd.DataFrame, columns: Sequence[str], salt: str = "") -> pd.Series:
    """Return 32 hexadecimal digits a row over the named text columns; missing and empty are told apart.

    The order of `columns` counts, that of the rows does not, and values cannot run into each other.
    """
    import pandas as pd

    texts = [pa.scalar(f"{salt}|{'|'.join(columns)}"), *(_delimited(frame[name]) for name in columns)]
    joined = pc.binary_join_element_wise(*texts, "") if len(frame) else pa.array([], pa.string())
    values = np.asarray(joined.to_pandas(), dtype=object)
    halves = [pd.util.hash_array(values, hash_key=key, categorize=False) for key in _KEYS]
    return pd.Series(_hexadecimal(*halves), index=frame.index, dtype="str")


def _delimited(values: pd.Series) -> pa.Array:
    """Return each value behind its length, so that `ab`+`c` and `a`+`bc` differ."""
    array = pa.array(values, pa.string(), from_pandas=True)
    length = pc.cast(pc.binary_length(array), pa.string())
    return pc.fill_null(pc.binary_join_element_wise(length, array, ":"), "-")


def _hexadecimal(high: np.ndarray, low: np.ndarray) -> list[str]:
    digest = np.stack([high, low], axis=1).astype(">u8").tobytes().hex()
    return cast("list[str]", np.array([digest]).view("U32").tolist()) if digest else []
