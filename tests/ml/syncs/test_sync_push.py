"""A push against a platform in memory: what the platform holds, what the ledger says, what is counted."""

from dataclasses import replace

import pytest
from fakes import FakePlatform
from memory import MemoryWarehouse
from syncworld import AS_OF, fill, people

from ml.errors import FatalError, RetriableError
from ml.syncs.run import Incomplete, Sync

LIST = "AF loyal"


def ledger(world, **where):
    return world.read("sync_ledger", where=where, order_by=["customer_key"]).set_index("customer_key")


def test_everybody_who_may_be_sent_becomes_a_member_with_properties(sync, platform, world):
    report = sync()
    planned = {"destination": "hubspot", "segment": "loyal", "adds": 30, "updates": 0, "removes": 0, "dry_run": False}
    outcome = {"confirmed": 30, "failed": 0, "terminal": 0, "suppressed": 0, "suppressed_by": {}, "status": "done"}
    assert report.counts() == planned | outcome
    assert platform.emails_on(LIST) == {f"c{k}@example.com" for k in range(1, 31)}
    assert platform.contacts["c7@example.com"] == {"id": "R7", "af_churn": "0.25", "af_segments": "loyal"}
    assert set(ledger(world)["state"]) == {"confirmed"}


def test_a_second_sync_sends_nothing_at_all(sync, platform):
    sync()
    platform.calls.clear()
    assert sync().counts()["adds"] == 0
    assert platform.calls == []


def test_a_changed_score_is_an_update_and_asks_for_no_membership(sync, platform, world):
    sync()
    platform.calls.clear()
    fill(world, {**people(30), 3: {"churn": 0.9}})
    assert (sync().counts()["updates"], platform.contacts["c3@example.com"]["af_churn"]) == (1, "0.90")
    assert "members" not in platform.calls


def test_who_leaves_is_taken_off_and_keeps_no_score(sync, platform, world):
    sync()
    fill(world, people(29))
    report = sync()
    assert (report.removes, report.tally.confirmed) == (1, 1)
    assert "c30@example.com" not in platform.emails_on(LIST)
    assert platform.contacts["c30@example.com"]["af_churn"] == ""
    assert not ledger(world).loc[30, "is_member"]


def test_who_stays_in_another_audience_keeps_the_scores(sync, platform, world):
    fill(world, people(30), segment="browsing")
    fill(world, people(30))
    sync("browsing")
    sync("loyal")
    fill(world, people(29))
    sync("loyal")
    assert platform.contacts["c30@example.com"]["af_churn"] == "0.25"
    assert "c30@example.com" in platform.emails_on("AF browsing")


def test_members_that_others_put_on_the_list_stay(sync, platform, world):
    platform.contacts["by-hand@example.com"] = {"id": "R900"}
    platform.members[platform.ensure_list(LIST)] = {"R900"}
    sync()
    fill(world, people(29))
    sync()
    assert "by-hand@example.com" in platform.emails_on(LIST)


def test_a_dry_run_makes_the_same_plan_and_touches_nothing(sync, platform, world):
    sync()
    fill(world, {**people(28), 3: {"churn": 0.9}, 40: {}})
    platform.calls.clear()
    dry = sync(dry_run=True).counts()
    assert platform.calls == []
    assert ledger(world).loc[30, "is_member"]
    real = sync().counts()
    assert {k: dry[k] for k in ("adds", "updates", "removes", "suppressed")} == {
        k: real[k] for k in ("adds", "updates", "removes", "suppressed")
    }
    assert (dry["adds"], dry["updates"], dry["removes"]) == (1, 1, 2)


# -- failures -----------------------------------------------------------------------------------------


def test_one_bad_record_does_not_stop_the_others_and_is_tried_again(sync, platform, world):
    platform.bad = {"c5@example.com"}
    report = sync()
    assert (report.tally.confirmed, report.tally.failed, report.status) == (29, 1, "incomplete")
    with pytest.raises(Incomplete, match="hubspot/loyal: 1 records did not get through"):
        report.raise_for_error()
    row = ledger(world).loc[5]
    assert (row["state"], row["attempts"], row["last_error"]) == ("failed", 1, "c***@example.com is bad")
    platform.bad = set()
    assert sync().counts()["confirmed"] == 1
    assert platform.writes["c4@example.com"] == 1


def test_a_terminal_record_is_counted_but_fails_no_task_and_is_not_tried_again(sync, platform, world):
    platform.terminal = {"c5@example.com"}
    report = sync()
    report.raise_for_error()
    assert (report.tally.failed, report.tally.terminal, report.status) == (1, 1, "done")
    platform.calls.clear()
    assert sync().counts()["suppressed_by"] == {"terminal": 1}
    assert platform.calls == []
    fill(world, {**people(30), 5: {"email": "new5@example.com"}})
    assert sync().counts()["confirmed"] == 1


def test_a_platform_that_stays_silent_stops_the_push_and_the_next_run_goes_on(sync, platform, world):
    fill(world, people(700))
    platform.silent["upsert"] = 5
    report = sync()
    with pytest.raises(RetriableError, match="did not answer upsert"):
        report.raise_for_error()
    assert (report.tally.failed, report.status, platform.calls.count("upsert")) == (300, "failed", 3)
    platform.silent.clear()
    assert sync().counts()["confirmed"] == 700


def test_one_silent_batch_is_noted_and_the_rest_is_sent(sync, platform, world):
    fill(world, people(300))
    platform.silent["upsert"] = 1
    report = sync()
    assert (report.tally.confirmed, report.tally.failed) == (200, 100)


def test_a_platform_that_refuses_every_record_is_not_asked_for_ever(sync, platform, world):
    fill(world, people(700))
    platform.bad = {f"c{k}@example.com" for k in range(1, 701)}
    with pytest.raises(FatalError, match="every record is refused"):
        sync().raise_for_error()
    assert platform.calls.count("upsert") == 3


@pytest.mark.parametrize("late", [False, True])
def test_membership_that_was_not_answered_is_not_confirmed_and_can_be_undone(sync, platform, world, late):
    """The answer is lost before or after the platform acted: either way the next run ends in the right state."""
    platform.silent["members"], platform.late = 1, late
    assert sync().tally.failed == 30
    assert ledger(world)["is_member"].all()
    assert ledger(world)["confirmed_fingerprint"].isna().all()
    fill(world, people(25))
    assert sync().counts()["confirmed"] == 30
    assert platform.emails_on(LIST) == {f"c{k}@example.com" for k in range(1, 26)}


def test_a_record_refused_in_a_batch_that_then_falls_silent_is_counted_once_and_keeps_its_reason(sync, platform, world):
    platform.terminal, platform.silent["members"] = {"c5@example.com"}, 1
    report = sync()
    assert (report.tally.failed, report.tally.terminal) == (30, 1)
    assert (ledger(world).loc[5, "state"], ledger(world).loc[6, "state"]) == ("terminal", "failed")


def test_a_removal_that_was_not_answered_is_tried_again(sync, platform, world):
    sync()
    fill(world, people(29))
    platform.silent["clear"] = 1
    assert sync().tally.failed == 1
    assert sync().counts()["removes"] == 1
    assert platform.contacts["c30@example.com"]["af_churn"] == ""


# -- identities ---------------------------------------------------------------------------------------


def test_a_new_address_brings_the_new_contact_and_takes_the_old_one_off(sync, platform, world):
    sync()
    fill(world, {**people(30), 7: {"email": "new7@example.com"}})
    assert sync().counts()["updates"] == 1
    assert "new7@example.com" in platform.emails_on(LIST)
    assert "c7@example.com" not in platform.emails_on(LIST)


def test_a_new_address_whose_membership_was_not_answered_is_asked_for_again(sync, platform, world):
    sync()
    fill(world, {**people(30), 7: {"email": "new7@example.com"}})
    platform.silent["join"] = 1
    assert sync().tally.failed == 1
    assert "new7@example.com" not in platform.emails_on(LIST)
    sync()
    assert "new7@example.com" in platform.emails_on(LIST)


@pytest.mark.parametrize("batch_rows", [100, 1])
def test_two_customers_who_swap_addresses_both_stay_members(sync, platform, world, reconfigure, batch_rows):
    sync()
    reconfigure(batch_rows=batch_rows)
    fill(world, {**people(30), 1: {"email": "c30@example.com"}, 30: {"email": "c1@example.com"}})
    sync()
    assert len(platform.emails_on(LIST)) == 30
    rows = ledger(world)
    assert (rows.loc[1, "remote_id"], rows.loc[30, "remote_id"]) == ("R30", "R1")


def test_a_contact_that_passes_to_another_customer_stays_a_member(sync, platform, world):
    """Customer 30 leaves; customer 31 enters with the same address: one contact, still on the list."""
    sync()
    fill(world, {**people(29), 31: {"email": "c30@example.com"}})
    report = sync()
    assert (report.adds, report.removes, report.tally.confirmed) == (1, 1, 2)
    assert "c30@example.com" in platform.emails_on(LIST)
    assert sync().counts()["adds"] == 0


def test_a_list_that_was_deleted_on_the_platform_is_filled_again(sync, platform, world):
    sync()
    platform.lists.clear()
    fill(world, {**people(30), 3: {"churn": 0.9}})
    assert sync().counts()["confirmed"] == 30
    assert len(platform.emails_on(LIST)) == 30


def test_who_left_while_the_list_was_deleted_is_forgotten(sync, platform, world):
    sync()
    platform.lists.clear()
    fill(world, people(29))
    assert sync().counts()["confirmed"] == 29
    assert sync().counts()["removes"] == 0


# -- accounts -----------------------------------------------------------------------------------------


def test_what_another_account_was_told_does_not_count(sync, platform, world, caplog):
    """After a demo against a sandbox, the real CRM gets everybody, and no record id of the sandbox's."""
    sync()
    real = FakePlatform()
    real.account = "api.hubapi.com"
    fill(world, people(20))
    report = Sync("loyal", AS_OF, "hubspot", world).run(real)
    assert (report.adds, report.removes, report.tally.confirmed) == (20, 0, 20)
    assert len(real.emails_on(LIST)) == 20
    assert "hubspot/loyal: api.hubapi.com was never told of this audience; the ledger's 30 records" in caplog.text
    back = sync(override_guards=True)
    assert (back.adds, back.updates, back.removes) == (0, 0, 10), "each account keeps its own"


def test_who_is_in_another_account_s_audience_keeps_no_score_in_this_one(platform, world):
    fill(world, people(30), segment="browsing")
    fill(world, people(30))
    other = FakePlatform()
    other.account = "api.hubapi.com"
    Sync("browsing", AS_OF, "hubspot", world).run(other)
    Sync("loyal", AS_OF, "hubspot", world).run(platform)
    fill(world, people(29))
    Sync("loyal", AS_OF, "hubspot", world).run(platform)
    assert platform.contacts["c30@example.com"]["af_churn"] == ""


# -- guards and records -------------------------------------------------------------------------------


def test_a_tripped_guard_sends_nothing_and_says_why_unless_a_person_overrides_it(sync, platform, world):
    sync()
    platform.calls.clear()
    fill(world, people(10))
    report = sync()
    assert (report.status, platform.calls) == ("halted", [])
    assert str(report.error).startswith("hubspot/loyal: nothing was sent: 20 of 30 confirmed members")
    assert sync(override_guards=True).counts()["removes"] == 20


def test_everybody_leaves_a_segment_that_has_expired(sync, platform, world):
    sync()
    fill(world, people(1, email=None))
    late = Sync("loyal", AS_OF, "hubspot", world)
    assert late.run(platform).status == "halted", "nobody is left, and the guard asks why"
    late.audience = replace(late.audience, expires=AS_OF.at.date())
    assert late.run(platform).counts()["removes"] == 30
    assert platform.emails_on(LIST) == set()


def test_runs_and_attempts_are_kept_and_name_no_address(sync, platform, world):
    platform.bad = {"c5@example.com"}
    sync()
    runs = world.read("sync_runs").iloc[0]
    assert (runs["adds"], runs["confirmed"], runs["failed"], runs["status"]) == (30, 29, 1, "incomplete")
    records = world.read("sync_records", where={"run_id": runs["run_id"]})
    assert records.groupby(["operation", "outcome"]).size().to_dict() == {
        ("add", "confirmed"): 29,
        ("add", "failed"): 1,
    }
    text = world.read("sync_ledger").to_csv() + records.to_csv() + world.read("sync_runs").to_csv()
    assert "c5@" not in text


def test_no_log_line_names_an_address(sync, platform, world, caplog):
    caplog.set_level("DEBUG")
    platform.bad, platform.silent["members"] = {"c5@example.com"}, 0
    sync()
    assert "c5@example.com" not in caplog.text


def test_the_ledger_is_the_same_on_both_engines_and_in_memory(both_engines, config):
    rows = []
    for engine in (*both_engines, MemoryWarehouse()):
        fill(engine, {**people(5), 9: {"email": "bad@example.com"}})
        crm = FakePlatform()
        crm.bad = {"bad@example.com"}
        Sync("loyal", AS_OF, "hubspot", engine).run(crm)
        fill(engine, people(4))
        assert Sync("loyal", AS_OF, "hubspot", engine).run(crm).status == "done"
        found = engine.read("sync_ledger", order_by=["customer_key"]).drop(columns=["updated_at"])
        rows.append(found.astype(object).where(found.notna(), None).to_numpy().tolist())
    assert rows[0] == rows[1] == rows[2]
