"""What every destination must do, whichever platform is behind it. A destination's tests subclass this.

The subclass gives the fixtures `platform` (a hook against a counterpart that starts empty) and `crm`, which tells
what the counterpart holds: `emails_on(list name)` and `value(email, property)`.
"""

from ml.syncs.platform import Contact, PropertySpec

SCORE = PropertySpec("af_score", "Score", "How likely.", "number")


def contacts(*numbers, score="0.5"):
    return [Contact(str(n), f"c{n}@example.com", {"af_score": score}) for n in numbers]


class DestinationContract:
    def joined(self, platform, *numbers):
        platform.ensure_properties([SCORE])
        outcomes = platform.upsert_contacts(contacts(*numbers))
        list_id = platform.ensure_list("AF test")
        ids = [outcome.remote_id for outcome in outcomes]
        platform.change_membership(list_id, ids, [])
        return list_id, ids

    def test_the_account_has_a_name_that_shows_no_secret(self, platform):
        assert platform.account
        assert platform.account == platform.account.strip()
        assert "sandbox-token" not in platform.account

    def test_properties_are_created_once(self, platform):
        assert platform.ensure_properties([SCORE]) == ["af_score"]
        assert platform.ensure_properties([SCORE]) == []
        assert platform.ensure_properties([]) == []

    def test_a_list_is_created_once_and_found_again(self, platform):
        assert platform.ensure_list("AF test") == platform.ensure_list("AF test")
        assert platform.ensure_list("AF test") != platform.ensure_list("AF other")

    def test_every_contact_has_an_outcome_in_order(self, platform):
        platform.ensure_properties([SCORE])
        outcomes = platform.upsert_contacts(contacts(*range(250)))
        assert [o.trace_id for o in outcomes] == [str(n) for n in range(250)]
        assert len({o.remote_id for o in outcomes}) == 250

    def test_an_upsert_is_safe_to_repeat(self, platform, crm):
        platform.ensure_properties([SCORE])
        first = platform.upsert_contacts(contacts(1, 2))
        assert platform.upsert_contacts(contacts(1, 2, score="0.9")) == first
        assert crm.value("c1@example.com", "af_score") == "0.9"

    def test_one_address_twice_is_one_contact_and_both_learn_its_id(self, platform, crm):
        platform.ensure_properties([SCORE])
        twice = [Contact("1", "Same@example.com", {}), Contact("2", "same@EXAMPLE.com", {"af_score": "0.7"})]
        first, second = platform.upsert_contacts(twice)
        assert first.remote_id == second.remote_id
        assert (first.trace_id, second.trace_id) == ("1", "2")
        assert crm.value("same@example.com", "af_score") == "0.7"

    def test_members_come_and_go(self, platform, crm):
        list_id, ids = self.joined(platform, 1, 2, 3)
        change = platform.change_membership(list_id, [], ids[:1])
        assert change.absent == {ids[0]}
        assert crm.emails_on("AF test") == {"c2@example.com", "c3@example.com"}

    def test_membership_is_safe_to_repeat_and_says_what_is_true(self, platform):
        list_id, ids = self.joined(platform, 1, 2)
        assert platform.change_membership(list_id, ids, []).present == set(ids)
        platform.change_membership(list_id, [], ids)
        assert platform.change_membership(list_id, [], ids).absent == set(ids)

    def test_an_unknown_record_is_missing_and_stops_no_other(self, platform):
        list_id, ids = self.joined(platform, 1)
        change = platform.change_membership(list_id, [*ids, "999999"], [])
        assert (change.present, change.missing) == (set(ids), {"999999"})

    def test_emptied_properties_are_empty_and_unknown_records_are_passed_over(self, platform, crm):
        _, ids = self.joined(platform, 1, 2)
        platform.clear_properties([ids[0], "999999"], ["af_score"])
        assert (crm.value("c1@example.com", "af_score"), crm.value("c2@example.com", "af_score")) == ("", "0.5")

    def test_a_bad_record_is_refused_alone(self, platform, crm):
        platform.ensure_properties([SCORE])
        bad = Contact("bad", "not-an-address", {})
        outcomes = {o.trace_id: o for o in platform.upsert_contacts([*contacts(*range(60)), bad])}
        refused = outcomes.pop("bad")
        assert (refused.remote_id, refused.terminal) == (None, True)
        assert all(o.remote_id and not o.error for o in outcomes.values())
        assert crm.value("c59@example.com", "af_score") == "0.5"
