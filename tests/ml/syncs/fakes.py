"""A platform in memory, which notes every call and can be told to misbehave."""

from collections import Counter

from ml.errors import RetriableError
from ml.syncs.platform import Membership, Outcome


class FakePlatform:
    """Behaves like a CRM with static lists. `silent` counts calls that go unanswered, after the write when `late`."""

    batch_rows = 100
    account = "crm.example"

    def __init__(self):
        self.contacts, self.lists, self.members = {}, {}, {}
        self.properties, self.calls, self.writes = set(), [], Counter()
        self.bad, self.terminal = set(), set()
        self.silent, self.late = Counter(), False

    def ensure_properties(self, properties):
        self.calls.append("ensure_properties")
        missing = [p.name for p in properties if p.name not in self.properties]
        self.properties |= set(missing)
        return missing

    def ensure_list(self, name):
        self.calls.append("ensure_list")
        list_id = self.lists.setdefault(name, f"L{len(self.members) + 1}")
        self.members.setdefault(list_id, set())
        return list_id

    def upsert_contacts(self, contacts):
        self._maybe_silent("upsert")
        return [self._upsert(contact, contact.email.lower()) for contact in contacts]

    def _upsert(self, contact, email):
        if email in self.bad | self.terminal or "@" not in email:
            return Outcome(contact.trace_id, error=f"{email} is bad", terminal=email not in self.bad)
        record = self.contacts.setdefault(email, {"id": f"R{len(self.contacts) + 1}"})
        record.update(contact.properties)
        self.writes[email] += 1
        return Outcome(contact.trace_id, remote_id=record["id"])

    def change_membership(self, list_id, add, remove):
        self._maybe_silent("join") if add else None
        if not self.late:
            self._maybe_silent("members")
        known = {record["id"] for record in self.contacts.values()}
        self.members[list_id] |= set(add) & known
        self.members[list_id] -= set(remove)
        if self.late:
            self._maybe_silent("members")
        present = frozenset(set(add) & self.members[list_id])
        return Membership(present, frozenset(remove), frozenset({*add, *remove} - known))

    def clear_properties(self, record_ids, names):
        self._maybe_silent("clear")
        for record in self.contacts.values():
            record.update(dict.fromkeys(names, "") if record["id"] in record_ids else {})

    def _maybe_silent(self, call):
        self.calls.append(call)
        if self.silent[call]:
            self.silent[call] -= 1
            raise RetriableError(f"the platform did not answer {call}")

    def value(self, email, name):
        return self.contacts[email][name]

    def emails_on(self, name):
        on = self.members[self.lists[name]]
        return {email for email, record in self.contacts.items() if record["id"] in on}
