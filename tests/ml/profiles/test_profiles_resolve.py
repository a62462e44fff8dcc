"""References become customers: by stated links always, by shared identifiers within limits."""

from collections import defaultdict

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.profiles.resolve import resolve

LIMITS = {"email": 3, "phone": 2, "anonymous_id": 1}
REFERENCES = [*(f"crm:{i}" for i in range(6)), *(f"household:{i}" for i in range(4))]
links_lists = st.lists(
    st.tuples(st.sampled_from(list(LIMITS)), st.sampled_from("abcd"), st.sampled_from(REFERENCES)),
    max_size=20,
    unique=True,
)
stated_lists = st.lists(st.tuples(st.sampled_from(REFERENCES), st.sampled_from(REFERENCES)), max_size=3)


def run(links, stated=(), limits=LIMITS, exclusive=("household",), references=REFERENCES):
    position = {name: i for i, name in enumerate(references)}
    frame = pd.DataFrame(links, columns=["identifier_type", "identifier", "reference"])
    frame["position"] = frame.pop("reference").map(position).astype("int64")
    pairs = np.array([(position[a], position[b]) for a, b in stated], dtype=np.int64).reshape(-1, 2)
    return resolve(pd.Series(references), (pairs[:, 0], pairs[:, 1]), frame, limits, exclusive)


def customers(resolution, references=REFERENCES):
    """The partition as a set of sets."""
    groups = defaultdict(set)
    for name, component in zip(references, resolution.component.tolist(), strict=True):
        groups[component].add(name)
    return {frozenset(group) for group in groups.values()}


def rows(frame):
    return sorted(frame.drop(columns="component", errors="ignore").itertuples(index=False, name=None))


class Naive:
    """The rules in plain sets, slow and obvious."""

    def __init__(self, references):
        self.label = {name: name for name in references}

    def join(self, names):
        labels = {self.label[name] for name in names}
        self.label = {n: min(labels) if at in labels else at for n, at in self.label.items()}

    def partition(self):
        groups = defaultdict(set)
        for name, at in self.label.items():
            groups[at].add(name)
        return {frozenset(group) for group in groups.values()}


def naive(links, stated, limits, exclusive):
    state = Naive(REFERENCES)
    for pair in stated:
        state.join(pair)
    certain = dict(state.label)
    for kind, limit in limits.items():
        holders = defaultdict(set)
        for found, identifier, reference in links:
            if found == kind:
                holders[identifier].add(reference)
        kept = {i: refs for i, refs in holders.items() if len({certain[r] for r in refs}) <= limit}
        before, trial = dict(state.label), Naive(REFERENCES)
        trial.label = dict(state.label)
        for refs in kept.values():
            trial.join(refs)
        for refs in kept.values():
            group = {r for r, at in trial.label.items() if at == trial.label[min(refs)]}
            apart = any(len({before[r] for r in group if r.startswith(f"{space}:")}) > 1 for space in exclusive)
            if not apart:
                state.join(refs)
    return state.partition()


@given(links_lists, stated_lists, st.sampled_from([(), ("household",), ("household", "crm")]))
def test_it_does_what_the_rules_say(links, stated, exclusive):
    """The sparse graph agrees with plain sets."""
    assert customers(run(links, stated, exclusive=exclusive)) == naive(links, stated, LIMITS, exclusive)


@settings(max_examples=30)
@given(links_lists, stated_lists, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(links, stated, random):
    shuffled = random.sample(links, len(links))
    one, other = run(links, stated), run(shuffled, stated)
    assert customers(one) == customers(other)
    assert rows(one.owned) == rows(other.owned)
    assert rows(one.shared) == rows(other.shared)


@settings(max_examples=30)
@given(links_lists, stated_lists)
def test_only_a_stated_link_joins_two_references_of_an_exclusive_namespace(links, stated):
    stated_alone = customers(run([], stated))
    for group in customers(run(links, stated)):
        households = {name for name in group if name.startswith("household:")}
        assert len({next(g for g in stated_alone if h in g) for h in households}) <= 1


@settings(max_examples=30)
@given(links_lists, stated_lists)
def test_a_higher_limit_never_parts_customers(links, stated):
    low = customers(run(links, stated, {"email": 1, "phone": 1}, ()))
    high = customers(run(links, stated, {"email": 5, "phone": 5}, ()))
    assert all(any(group <= larger for larger in high) for group in low)


@settings(max_examples=30)
@given(links_lists, stated_lists)
def test_every_identifier_is_owned_or_shared_and_nothing_is_lost(links, stated):
    found = run(links, stated)
    named = {(kind, identifier) for kind, identifier, _ in links}
    assert {row[:2] for row in rows(found.owned)} | {row[:2] for row in rows(found.shared)} == named
    assert len(found.owned) + len(found.shared) == len(named)


def test_a_shared_address_does_not_merge_fifty_people():
    people = [f"crm:{i}" for i in range(50)]
    found = run([("email", "info@example.com", name) for name in people], references=people)
    assert len(customers(found, people)) == 50
    assert rows(found.shared) == [("email", "info@example.com", 50, "limit")]


def test_duplicates_of_one_customer_do_not_count_as_many_customers():
    """Five contacts with one loyalty number share an address: that is one customer, not a crowd."""
    stated = [(f"crm:{i}", "household:0") for i in range(5)]
    found = run([("email", "ann@example.com", f"crm:{i}") for i in range(6)], stated)
    assert frozenset([*(f"crm:{i}" for i in range(6)), "household:0"]) in customers(found)


def test_a_chain_through_another_duplicate_joins():
    found = run(
        [("email", "ann@example.com", "crm:0"), ("email", "ann@example.com", "crm:1"),
         ("phone", "+1", "crm:1"), ("phone", "+1", "crm:2")], [("crm:0", "household:0")]
    )  # fmt: skip
    assert frozenset({"crm:0", "crm:1", "crm:2", "household:0"}) in customers(found)


def test_an_identifier_that_would_join_two_households_is_reported():
    found = run([("email", "a", "household:0"), ("email", "a", "household:1")])
    assert rows(found.shared) == [("email", "a", 2, "exclusive")]


def test_a_device_of_one_customer_is_owned_and_a_family_tablet_is_not():
    found = run([("anonymous_id", "phone", "household:0"), ("anonymous_id", "tablet", "household:0"),
                 ("anonymous_id", "tablet", "household:1")])  # fmt: skip
    assert rows(found.owned) == [("anonymous_id", "phone")]
    assert rows(found.shared) == [("anonymous_id", "tablet", 2, "limit")]


def test_no_reference_at_all_is_no_customer():
    found = run([], references=[])
    assert len(found.component) == len(found.owned) == len(found.shared) == 0
