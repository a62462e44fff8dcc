import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import confirmed, desired, ledger

from ml.errors import GuardTripped
from ml.segments.language import Guard
from ml.syncs.plan import plan_sync

VERSIONS = st.dictionaries(st.integers(1, 12), st.integers(0, 2), max_size=12)
LOOSE = Guard(maximum_removal_share=1.0, maximum_size_change=1000.0, on_empty="send")


def keys(frame):
    return set(frame["customer_key"])


def members(*who, **values):
    return ledger(*({"customer_key": k, "confirmed_fingerprint": "f1", **values} for k in who))


def test_a_plan_tells_new_changed_and_gone_apart():
    plan = plan_sync(desired({1: 1, 2: 9, 4: 1}), members(1, 2, 3), LOOSE)
    assert (keys(plan.adds), keys(plan.updates), keys(plan.removes)) == ({4}, {2}, {3})


@settings(max_examples=15)
@given(VERSIONS, VERSIONS)
def test_a_confirmed_plan_leaves_nothing_to_send(before, after):
    """Replay: whatever was in the audience, once the platform confirmed a plan, planning again is empty."""
    book = confirmed(ledger(), plan_sync(desired(before), ledger(), LOOSE))
    book = confirmed(book, plan_sync(desired(after), book, LOOSE))
    assert plan_sync(desired(after), book, LOOSE).is_empty
    assert keys(book[book["is_member"]]) == set(after)


@settings(max_examples=15)
@given(VERSIONS, VERSIONS)
def test_planning_twice_gives_the_same_plan(before, after):
    book = confirmed(ledger(), plan_sync(desired(before), ledger(), LOOSE))
    first, second = (plan_sync(desired(after), book, LOOSE) for _ in range(2))
    assert first.upserts.equals(second.upserts)
    assert first.removes.equals(second.removes)


@settings(max_examples=15)
@given(VERSIONS, st.sets(st.integers(1, 12)))
def test_only_members_we_added_are_removed(wanted, strangers):
    """Rows that are no members of ours (failed before, removed before) are never removed."""
    book = members(*strangers, is_member=False)
    assert plan_sync(desired(wanted), book, LOOSE).removes.empty


@settings(max_examples=15)
@given(VERSIONS, VERSIONS)
def test_nobody_is_both_sent_and_removed(before, after):
    book = confirmed(ledger(), plan_sync(desired(before), ledger(), LOOSE))
    plan = plan_sync(desired(after), book, LOOSE)
    assert keys(plan.upserts) | keys(plan.removes) <= set(before) | set(after)
    assert not keys(plan.upserts) & keys(plan.removes)
    assert keys(plan.removes) == set(before) - set(after)


def test_a_fingerprint_that_was_not_confirmed_is_sent_again():
    book = members(1, 2, state="failed", desired_fingerprint="f2", confirmed_fingerprint="f1")
    assert keys(plan_sync(desired({1: 2, 2: 1}), book).updates) == {1}


def test_membership_that_was_asked_for_but_never_confirmed_is_an_add():
    book = members(1, state="accepted", confirmed_fingerprint=None)
    plan = plan_sync(desired({1: 1}), book)
    assert keys(plan.adds) == {1}
    assert not plan.adds["was_member"].any()


def test_membership_that_was_asked_for_but_never_confirmed_can_be_removed():
    book = members(1, 2, state="accepted", confirmed_fingerprint=None)
    assert keys(plan_sync(desired({2: 1}), book).removes) == {1}


def test_a_terminal_address_is_not_tried_again_until_it_changes():
    book = members(1, 2, is_member=False, state="terminal", confirmed_fingerprint=None)
    book.loc[book["customer_key"] == 2, "identifier_hash"] = "the old address"
    plan = plan_sync(desired({1: 5, 2: 5}), book)
    assert keys(plan.adds) == {2}
    assert plan.refused == 1


def test_a_member_whose_address_became_terminal_is_taken_off():
    plan = plan_sync(desired({1: 1, 2: 1}), ledger({"customer_key": 1, "state": "terminal"}), LOOSE)
    assert keys(plan.removes) == {1}


def test_a_contact_that_another_member_shares_is_marked():
    book = members(1, 2, 3)
    book.loc[book["customer_key"] == 1, "remote_id"] = "r2"
    removes = plan_sync(desired({2: 1}), book, LOOSE).removes.set_index("customer_key")
    assert removes["shared"].to_dict() == {1: True, 3: False}


# -- guards -------------------------------------------------------------------------------------------


def test_an_empty_audience_halts_unless_its_meaning_is_declared():
    book = members(*range(1, 31))
    with pytest.raises(GuardTripped, match="nobody is left to send; 30 members are confirmed"):
        plan_sync(desired({}), book, Guard())
    assert plan_sync(desired({}), book, Guard(on_empty="skip")).is_empty
    assert len(plan_sync(desired({}), book, Guard(on_empty="send")).removes) == 30


def test_an_empty_audience_halts_on_the_first_sync_too():
    with pytest.raises(GuardTripped, match="0 members are confirmed"):
        plan_sync(desired({}), ledger(), Guard())


def test_too_many_removals_halt_and_say_how_many():
    book, wanted = members(*range(1, 41)), desired(dict.fromkeys(range(1, 20), 1))
    with pytest.raises(GuardTripped, match=r"21 of 40 confirmed members would be removed \(52%\).*50%"):
        plan_sync(wanted, book, Guard(maximum_removal_share=0.5))
    assert len(plan_sync(wanted, book, Guard(maximum_removal_share=0.6)).removes) == 21


def test_a_size_jump_halts_both_ways():
    book = members(*range(1, 31))
    with pytest.raises(GuardTripped, match=r"from 30 to 100 members \(\+233%\)"):
        plan_sync(desired(dict.fromkeys(range(1, 101), 1)), book, Guard(maximum_size_change=2.0))
    with pytest.raises(GuardTripped, match=r"from 30 to 10 members \(-67%\)"):
        plan_sync(
            desired(dict.fromkeys(range(1, 11), 1)), book, Guard(maximum_size_change=0.5, maximum_removal_share=1.0)
        )


def test_the_first_sync_and_small_audiences_are_not_judged_by_shares():
    assert len(plan_sync(desired(dict.fromkeys(range(500), 1)), ledger(), Guard()).adds) == 500
    assert len(plan_sync(desired({9: 1}), members(1, 2, 3), Guard(minimum_members=4)).removes) == 3


@pytest.mark.parametrize("state", ["pending", "accepted", "failed"])
def test_a_push_that_was_cut_short_goes_on_under_the_guard_that_let_it_begin(state):
    """100 of 250 were confirmed before the end: to the guard the audience has 250 members, not 150% more."""
    wanted = desired(dict.fromkeys(range(250), 1))
    left = [
        {"customer_key": k, "desired_fingerprint": "f1", "is_member": False, "state": state} for k in range(100, 250)
    ]
    done = [{"customer_key": k, "desired_fingerprint": "f1", "confirmed_fingerprint": "f1"} for k in range(100)]
    assert len(plan_sync(wanted, ledger(*done, *left), Guard()).adds) == 150


def test_whom_the_platform_never_takes_is_no_member_to_a_guard():
    refused = [
        {"customer_key": k, "desired_fingerprint": "f1", "is_member": False, "state": "terminal"} for k in range(90)
    ]
    book = ledger(*refused, *({"customer_key": k, "confirmed_fingerprint": "f1"} for k in range(90, 120)))
    with pytest.raises(GuardTripped, match="21 of 30 confirmed members would be removed"):
        plan_sync(desired(dict.fromkeys(range(90, 99), 1)), book, Guard(maximum_removal_share=0.5))


@settings(max_examples=15)
@given(st.integers(0, 40), st.floats(0, 1), st.floats(0, 1))
def test_a_wider_guard_never_stops_what_a_narrower_one_lets_pass(staying, one, other):
    book, wanted = members(*range(1, 41)), desired(dict.fromkeys([*range(1, staying + 1), 99], 1))
    narrow, wide = sorted((one, other))

    def passes(share):
        try:
            plan_sync(wanted, book, Guard(maximum_removal_share=share, minimum_members=1))
        except GuardTripped:
            return False
        return True

    assert passes(wide) or not passes(narrow)
