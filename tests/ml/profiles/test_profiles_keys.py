"""Keys outlive runs: who was known keeps the key."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.profiles import keys as keys_module
from ml.profiles.keys import assign_keys, hash_names, new_keys

NAMES = [f"crm:{i}" for i in range(8)]
partitions = st.lists(st.integers(0, 4), min_size=len(NAMES), max_size=len(NAMES))
NOBODY = pd.DataFrame(
    {"identifier_type": pd.Series(dtype=str), "identifier": pd.Series(dtype=str),
     "customer_key": pd.Series(dtype="int64"), "first_seen_epoch": pd.Series(dtype="float64")}
)  # fmt: skip


def members(components, names=NAMES, first_seen=None):
    frame = pd.DataFrame({"identifier_type": "customer_ref", "identifier": names, "component": components})
    return frame.assign(first_seen_epoch=first_seen if first_seen is not None else range(len(frame)))


def after(frame, keys):
    """What the identity table holds after a run."""
    return frame.assign(customer_key=frame["component"].map(keys)).drop(columns="component")


def key_of(frame, keys):
    return dict(zip(frame["identifier"], frame["component"].map(keys), strict=True))


def moves(assignment):
    return sorted(
        assignment.moves[["from_key", "into_key", "reason", "identifiers"]].itertuples(index=False, name=None)
    )


def test_a_hash_is_the_same_on_every_machine():
    """A constant: another hash would give every customer of a rebuilt warehouse another key."""
    assert hash_names(np.array(["household:1", "crm:C100001"], object)).tolist() == [
        389946561230746737,
        982541181239239024,
    ]


def test_any_two_keys_can_be_an_index():
    """Two keys far apart overflow pandas' search for a range when they have 63 bits."""
    names = np.array([f"crm:{number}" for number in range(2000)], object)
    keys = hash_names(names)
    pair = pd.DataFrame({"customer_key": [keys.min(), keys.max()]})
    assert len(pair.set_index("customer_key").index) == 2


def test_a_new_customer_gets_the_hash_of_its_smallest_reference():
    frame = members([0, 0], ["crm:b", "crm:a"])
    assert assign_keys(frame, NOBODY).keys.tolist() == hash_names(np.array(["crm:a"], object)).tolist()


@settings(max_examples=25)
@given(partitions, st.randoms(use_true_random=False))
def test_a_second_run_changes_nothing(partition, random):
    """Whatever the numbering of components and the order of rows."""
    first = members(partition)
    before = assign_keys(first, NOBODY).keys
    renamed = first.assign(component=first["component"].map(dict(enumerate(random.sample(range(5), 5)))))
    again = assign_keys(renamed.sample(frac=1, random_state=1), after(first, before))
    assert key_of(renamed, again.keys) == key_of(first, before)
    assert again.moves.empty


@settings(max_examples=25)
@given(partitions, partitions)
def test_keys_are_positive_and_one_per_customer_whatever_was_before(before, now):
    first, second = members(before), members(now)
    keys = assign_keys(second, after(first, assign_keys(first, NOBODY).keys)).keys
    assert (keys > 0).all()
    assert keys.is_unique
    assert set(keys.index) == set(now)


@settings(max_examples=25)
@given(partitions, partitions)
def test_every_identifier_that_changed_its_key_is_in_the_log(before, now):
    first, second = members(before), members(now)
    old = assign_keys(first, NOBODY).keys
    change = assign_keys(second, after(first, old))
    was, is_ = key_of(first, old), key_of(second, change.keys)
    moved = {(was[name], is_[name]) for name in NAMES if was[name] != is_[name]}
    assert {(a, b) for a, b, _, _ in moves(change)} == moved
    for from_key, _, reason, _ in moves(change):
        assert reason == ("split" if from_key in set(change.keys) else "merge")


@settings(max_examples=25)
@given(partitions)
def test_newcomers_leave_the_others_keys_alone(partition):
    first = members(partition)
    old = assign_keys(first, NOBODY).keys
    more = pd.concat([first, members([7, 8], ["crm:00", "app:1"])])
    assert key_of(more, assign_keys(more, after(first, old)).keys).items() >= key_of(first, old).items()


def test_a_merge_keeps_the_oldest_key_and_says_so():
    first = members([0, 1], ["crm:a", "crm:b"], [9, 5])
    old = assign_keys(first, NOBODY).keys
    merged = assign_keys(members([0, 0], ["crm:a", "crm:b"]), after(first, old))
    assert merged.keys.tolist() == [old[1]]
    assert moves(merged) == [(old[0], old[1], "merge", 1)]


def test_of_two_keys_of_one_age_the_smallest_stays():
    first = members([0, 1], ["crm:a", "crm:b"], [5, 5])
    old = assign_keys(first, NOBODY).keys
    merged = assign_keys(members([0, 0], ["crm:a", "crm:b"]), after(first, old))
    assert merged.keys.tolist() == [min(old)]


def test_a_split_keeps_the_key_with_the_oldest_identifier():
    first = members([0, 0], ["crm:a", "crm:b"], [9, 5])
    old = assign_keys(first, NOBODY).keys
    parted = assign_keys(members([0, 1], ["crm:a", "crm:b"]), after(first, old))
    assert parted.keys[1] == old[0]
    assert parted.keys[0] != old[0]
    assert moves(parted) == [(old[0], parted.keys[0], "split", 1)]


def test_an_unknown_age_is_younger_than_any_known_one():
    first = members([0, 0], ["crm:a", "crm:b"], [None, 5])
    old = assign_keys(first, NOBODY).keys
    assert assign_keys(members([0, 1], ["crm:a", "crm:b"]), after(first, old)).keys[1] == old[0]


def test_a_taken_key_is_never_given_again():
    taken = hash_names(np.array(["crm:a"], object))
    key = new_keys(pd.Series(["crm:a"]), taken)[0]
    assert key == hash_names(np.array(["crm:a"], object), 1)[0]


def test_names_that_collide_get_different_keys(monkeypatch):
    """Every hash of turn 0 is the same, so the counter must part them."""
    real = hash_names
    monkeypatch.setattr(
        keys_module, "hash_names", lambda names, turn=0: real(names, turn) if turn else np.full(len(names), 7)
    )
    found = new_keys(pd.Series(["crm:a", "crm:b", "crm:c"]))
    assert found.is_unique
    assert found[0] == 7
