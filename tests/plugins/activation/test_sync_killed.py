"""A real sync, killed with SIGKILL while the CRM holds its answer back, and started again."""

import multiprocessing
import signal

import pytest

from activation.sandbox import connection_json
from tests.ml.syncs.syncworld import AS_OF, fill, people, write_config
from tests.plugins.activation.sync_once import sync_once

BATCH = 10
pytestmark = [pytest.mark.slow, pytest.mark.shut]


class Started:
    """A sync in a process of its own: forked from one that has imported what it needs."""

    def __init__(self, env):
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload([sync_once.__module__])
        self._counts, given = forks.Pipe(duplex=False)
        self.process = forks.Process(target=sync_once, args=(env, "loyal", str(AS_OF), given))
        self.process.start()
        given.close()

    def counts(self):
        """Return what it counted, once it is done."""
        found = self._counts.recv()
        self.process.join()
        assert self.process.exitcode == 0
        return found


@pytest.fixture
def start(duck, home, sandbox):
    """Start a sync of fifty members in batches of ten in a process of its own."""
    write_config(home / "config", batch_rows=BATCH)
    fill(duck, people(50))
    env = {
        "AUDIENCEFLOW_HOME": str(home),
        "AUDIENCEFLOW_CONFIG_DIR": str(home / "config"),
        "AIRFLOW_CONN_HUBSPOT_DEFAULT": connection_json(sandbox.url),
    }
    return lambda: Started(env)


def kill_while_hanging(started, sandbox):
    sandbox.http.get("/_sandbox/hanging").raise_for_status()
    started.process.kill()
    started.process.join()
    assert started.process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("path", "after"), [("batch/upsert", True), ("add-and-remove", False), ("add-and-remove", True)]
)
def test_a_killed_sync_goes_on_without_sending_a_confirmed_record_again(duck, start, sandbox, path, after):
    """The third batch is cut off: after the contacts were written, before or after their membership was given."""
    sandbox.fault("hang", path=path, skip=2, after=after, seconds=600)
    kill_while_hanging(start(), sandbox)
    confirmed = set(duck.read("sync_ledger", where={"state": "confirmed"})["customer_key"])
    assert len(confirmed) == 2 * BATCH
    sandbox.clear()

    counts = start().counts()
    assert (counts["adds"], counts["confirmed"], counts["failed"]) == (30, 30, 0)
    assert sandbox.emails_on("AF loyal") == {f"c{k}@example.com" for k in range(1, 51)}
    writes = sandbox.state()["writes"]
    assert {writes[f"c{k}@example.com"] for k in confirmed} == {1}
    assert sum(writes.values()) == 50 + BATCH
    assert set(duck.read("sync_ledger")["state"]) == {"confirmed"}


def test_whoever_leaves_after_the_kill_is_taken_off_although_nothing_confirmed_their_membership(duck, start, sandbox):
    """The membership was given, the answer was lost with the process, and the segment has moved on since."""
    sandbox.fault("hang", path="add-and-remove", skip=2, after=True, seconds=600)
    kill_while_hanging(start(), sandbox)
    sandbox.clear()
    fill(duck, people(25))
    assert start().counts()["removes"] == 5
    assert sandbox.emails_on("AF loyal") == {f"c{k}@example.com" for k in range(1, 26)}
