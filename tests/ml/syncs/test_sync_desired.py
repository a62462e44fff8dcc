import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syncworld import AS_OF, fill

from ml.errors import FatalError, GuardTripped, NotEnoughData
from ml.syncs.audience import audience
from ml.syncs.desired import decimal_text, gate, load_desired, segment_names


def gated(*rows):
    frame = pd.DataFrame(rows, columns=["customer_key", "email", "is_holdout", "granted"])
    chosen, suppressed = gate(frame.astype({"email": "str", "is_holdout": "bool", "granted": "boolean"}))
    return dict(zip(chosen["customer_key"], chosen["email"], strict=True)), suppressed


def test_holdouts_missing_addresses_and_missing_consent_are_held_back_each_for_its_reason():
    chosen, suppressed = gated(
        (1, " Ann@Example.com", False, True),
        (2, "b@x.com", True, True),
        (3, None, False, True),
        (4, "", False, True),
        (5, "e@x.com", False, None),
        (6, "f@x.com", False, False),
    )
    assert chosen == {1: "ann@example.com"}
    assert suppressed == {"holdout": 1, "no_email": 2, "no_consent": 2}


def test_an_address_shared_with_a_holdout_or_a_refusal_is_sent_for_nobody():
    chosen, suppressed = gated(
        (1, "a@x.com", False, True),
        (2, "A@x.com", True, True),
        (3, "b@x.com", False, True),
        (4, "b@x.com", False, False),
    )
    assert chosen == {}
    assert suppressed == {"holdout": 1, "no_consent": 1, "shared_with_holdout": 1, "shared_with_refusal": 1}


def test_customers_without_an_address_do_not_share_one():
    chosen, _ = gated((1, None, True, True), (2, None, False, True), (3, "c@x.com", False, True))
    assert chosen == {3: "c@x.com"}


def test_of_customers_with_one_address_the_lowest_key_is_sent():
    chosen, suppressed = gated((9, "a@x.com", False, True), (2, "A@X.com", False, True))
    assert chosen == {2: "a@x.com"}
    assert suppressed == {"duplicate_email": 1}


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a@x", "b@x", None]), st.booleans(), st.sampled_from([True, False, None])),
        max_size=8,
    )
)
def test_every_member_is_sent_or_counted_once_and_nobody_slips_through(rows):
    members = [(key, *row) for key, row in enumerate(rows)]
    chosen, suppressed = gated(*members)
    assert len(chosen) + sum(suppressed.values()) == len(members)
    assert len(set(chosen.values())) == len(chosen)
    held_out = {email for _, email, holdout, _ in members if holdout}
    assert not held_out & set(chosen.values())
    assert all(members[key][3] is True for key in chosen)


def test_numbers_become_plain_decimal_text():
    numbers = pd.Series([0.12345, 1e9, 1e-9, None, float("nan"), -0.5])
    assert decimal_text(numbers, 2).tolist() == ["0.12", "1000000000.00", "0.00", "", "", "-0.50"]
    assert decimal_text(pd.Series([1234.6]), 0).tolist() == ["1235"]
    assert decimal_text(pd.Series([], dtype=float), 2).tolist() == []


def test_segment_names_are_sorted_and_joined():
    members = pd.DataFrame({"segment": ["b", "a", "a"], "customer_key": [1, 1, 2]})
    assert segment_names(members, pd.Series([1, 2, 3])).tolist() == ["a;b", "a", ""]
    assert segment_names(members[:0], pd.Series([1])).tolist() == [""]


def test_the_warehouse_gives_contacts_with_properties_and_holdouts_do_not_name_their_segment(duck, config):
    fill(duck, {1: {}, 2: {"churn": None}, 3: {"granted": None}, 4: {"holdout": True}})
    fill(duck, {1: {"holdout": True}, 2: {}, 3: {"granted": None}, 4: {}}, segment="browsing")
    fill(duck, {1: {}, 2: {"churn": None}, 3: {"granted": None}, 4: {"holdout": True}})
    found = load_desired(duck, audience("loyal", "hubspot"), AS_OF)
    rows = found.contacts[["customer_key", "email", "af_churn", "af_segments"]].to_numpy().tolist()
    assert rows == [[1, "c1@example.com", "0.25", "loyal"], [2, "c2@example.com", "", "browsing;loyal"]]
    assert found.suppressed == {"holdout": 1, "no_consent": 1}


def test_a_segment_that_was_not_built_or_was_halted_is_not_sent(world):
    with pytest.raises(FatalError, match="browsing was not built at 2018-01-01"):
        load_desired(world, audience("browsing", "hubspot"), AS_OF)
    runs = world.read("segment_runs").drop(columns=["segment", "as_of"])
    world.write(
        "segment_runs", runs.assign(status="halted", status_reason="too large"), {"segment": "loyal", "as_of": AS_OF}
    )
    with pytest.raises(GuardTripped, match=r"halted at .*: too large"):
        load_desired(world, audience("loyal", "hubspot"), AS_OF)


def test_a_property_without_any_score_halts_or_is_left_alone_as_configured(world, reconfigure):
    world.delete("customer_scores")
    with pytest.raises(NotEnoughData, match=r"property af_churn: no scores of churn_28d .*score_customers"):
        load_desired(world, audience("loyal", "hubspot"), AS_OF)
    score = {"score": "churn_28d", "on_missing": "omit"}
    reconfigure(properties=[{"name": "af_churn", "label": "Churn", "kind": "number", "value": score}])
    assert "af_churn" not in load_desired(world, audience("loyal", "hubspot"), AS_OF).contacts
