"""Customer keys that outlive a run: who was known keeps the key, whatever is joined or parted later."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

# pandas turns an index of two integers into a range and overflows when last + difference passes 63 bits.
_MASK = np.uint64(2**62 - 1)
_HASH_KEY = "audienceflow-key"  # 16 bytes; another one would give every new customer another key
_IDENTIFIER = ["identifier_type", "identifier"]


class Assignment(NamedTuple):
    """The key of each component, and what moved: from_key, into_key, reason, identifiers."""

    keys: pd.Series
    moves: pd.DataFrame


def assign_keys(members: pd.DataFrame, previous: pd.DataFrame) -> Assignment:
    """Give each component its key.

    A key known from `previous` goes to the component that holds its oldest identifier; a component that
    receives several keeps the oldest, then the smallest. A component without one gets a hash of its
    smallest customer reference.

    Args:
        members: identifier_type, identifier, component of every identifier of this run.
        previous: identifier_type, identifier, customer_key, first_seen_epoch of the last run.
    """
    import pandas as pd

    known = previous.merge(members[[*_IDENTIFIER, "component"]], on=_IDENTIFIER)
    survivors = _survivors(known, previous)
    fresh = _smallest_reference(members[~members["component"].isin(survivors.index)])
    new = new_keys(fresh, taken=previous["customer_key"].unique())
    keys: pd.Series = pd.concat([survivors, new]).rename("customer_key").sort_index()
    return Assignment(keys, _moves(known, keys))


def new_keys(names: pd.Series, taken: npt.ArrayLike = ()) -> pd.Series:
    """Return distinct positive 62-bit keys for distinct names, none of them in `taken`.

    A name whose hash is taken is hashed again with a counter behind it until the key is free.
    """
    import pandas as pd

    keys = pd.Series(0, index=names.index, dtype=np.int64)
    used = np.asarray(taken, dtype=np.int64)
    open_, turn = names.sort_values(), 0
    while len(open_):
        drawn = pd.Series(hash_names(open_.to_numpy(object), turn), index=open_.index)
        free = ~(drawn.isin(used) | drawn.duplicated() | (drawn == 0))
        keys.loc[drawn.index[free]] = drawn[free]
        used = np.concatenate([used, drawn[free].to_numpy()])
        open_, turn = open_[~free], turn + 1
    return keys


def hash_names(names: npt.NDArray[np.object_], turn: int = 0) -> npt.NDArray[np.int64]:
    """Return 62-bit hashes (SipHash, as pandas has it) of names; `turn` gives another one of the same name."""
    import pandas as pd

    salted = names if turn == 0 else names + f"\x1f{turn}"
    hashed = pd.util.hash_array(salted, hash_key=_HASH_KEY, categorize=False)
    return (hashed & _MASK).astype(np.int64)


def _survivors(known: pd.DataFrame, previous: pd.DataFrame) -> pd.Series:
    """Return the surviving key of each component that holds a key's oldest identifier."""
    age = previous.groupby("customer_key")["first_seen_epoch"].min()
    is_weak = known["identifier_type"] != "customer_ref"
    oldest = known.assign(is_weak=is_weak).sort_values(
        ["customer_key", "first_seen_epoch", "is_weak", *_IDENTIFIER], na_position="last"
    )
    holders = oldest.drop_duplicates("customer_key")
    holders = holders.assign(age=holders["customer_key"].map(age))
    ranked = holders.sort_values(["component", "age", "customer_key"], na_position="last")
    return ranked.drop_duplicates("component").set_index("component")["customer_key"].astype(np.int64)


def _smallest_reference(members: pd.DataFrame) -> pd.Series:
    references = members[members["identifier_type"] == "customer_ref"].sort_values("identifier")
    return references.drop_duplicates("component").set_index("component")["identifier"]


def _moves(known: pd.DataFrame, keys: pd.Series) -> pd.DataFrame:
    """Return one row per pair of keys between which identifiers moved."""
    now = known["component"].map(keys)
    moved = known.assign(from_key=known["customer_key"], into_key=now)[known["customer_key"] != now]
    counted = moved.groupby(["from_key", "into_key"]).size().rename("identifiers").reset_index()
    lives_on = counted["from_key"].isin(keys)
    return counted.assign(reason=np.where(lives_on, "split", "merge"))
