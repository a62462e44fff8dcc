"""The operator over real HTTP: once on a real warehouse, then on one in memory."""

import json

import pytest

from activation.sandbox import connection_json, running_sandbox
from ml.errors import ConfigError, FatalError, GuardTripped
from ml.syncs.run import Incomplete
from tests.ml.syncs.memory import MemoryWarehouse
from tests.ml.syncs.syncworld import AS_OF, fill, people, use, write_config


class TaskInstance:
    """What the operator needs of Airflow's task instance."""

    def __init__(self):
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = value


@pytest.fixture(scope="module")
def config_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operator") / "config"
    write_config(folder, batch_rows=10)
    return folder


@pytest.fixture
def connected(config_folder, home, sandbox, monkeypatch, no_waiting):
    """A sandbox behind the connection."""
    use(config_folder, monkeypatch)
    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", connection_json(sandbox.url))


@pytest.fixture
def world(connected, monkeypatch):
    """Thirty members in a warehouse in memory."""
    memory = MemoryWarehouse()
    monkeypatch.setattr("ml.syncs.run.Warehouse", lambda: memory)
    fill(memory, people(30))
    return memory


def run(ti=None, **options):
    from activation.operators.sync import SyncSegmentOperator

    arguments = {"segment": "loyal", "as_of": str(AS_OF), "destination": "hubspot", **options}
    operator = SyncSegmentOperator(task_id="sync", **arguments)
    return operator.execute({"ti": ti or TaskInstance()})


def test_a_dry_run_prints_what_the_real_run_does_and_the_next_run_sends_nothing(duck, connected, sandbox):
    """Flags come as rendered templates, so `"True"` and `"False"` are text."""
    fill(duck, people(30))
    dry = run(dry_run="True")
    assert (dry["adds"], dry["dry_run"], dry["status"], sandbox.log()) == (30, True, "planned", [])
    real = run(dry_run="False")
    assert {k: v for k, v in real.items() if k not in ("dry_run", "confirmed", "status")} == {
        k: v for k, v in dry.items() if k not in ("dry_run", "confirmed", "status")
    }
    assert (real["confirmed"], real["failed"], len(sandbox.emails_on("AF loyal"))) == (30, 0, 30)
    sandbox.clear()
    again = run()
    assert (again["adds"], again["updates"], again["removes"], sandbox.log()) == (0, 0, 0, [])


def test_the_sandbox_stays_one_account_although_its_port_changes(world, sandbox, tmp_path, monkeypatch):
    run()
    with running_sandbox(tmp_path / "crm.jsonl", rate=100_000) as again:
        assert again != sandbox.url
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", connection_json(again))
        counts = run()
    assert (counts["adds"], counts["updates"], counts["removes"]) == (0, 0, 0)


def test_another_portal_is_sent_everybody(world, sandbox, tmp_path, monkeypatch):
    run()
    with running_sandbox(tmp_path / "portal.jsonl", rate=100_000) as portal:
        connection = {**json.loads(connection_json(portal)), "login": "1234567"}
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps(connection))
        counts = run()
    assert (counts["adds"], counts["confirmed"]) == (30, 30)


def test_a_dry_run_needs_no_connection_and_says_what_it_plans_for(world, monkeypatch, caplog):
    monkeypatch.delenv("AIRFLOW_CONN_HUBSPOT_DEFAULT")
    assert run(dry_run=True)["adds"] == 30
    assert "The plan is that of a new account: There is no connection 'hubspot_default'" in caplog.text
    with pytest.raises(ConfigError, match="There is no connection"):
        run()


def test_a_partial_failure_fails_the_task_after_everything_good_was_sent_and_keeps_the_counts(world, sandbox):
    sandbox.fault("refuse", emails=["c3@example.com"], times=-1)
    ti = TaskInstance()
    with pytest.raises(Incomplete, match="1 records did not get through"):
        run(ti)
    counts = ti.pushed["return_value"]
    assert (counts["confirmed"], counts["failed"], len(sandbox.emails_on("AF loyal"))) == (29, 1, 29)
    sandbox.clear()
    assert run()["confirmed"] == 1
    assert max(sandbox.state()["writes"].values()) == 1


def test_refused_credentials_keep_what_was_confirmed(world, sandbox):
    sandbox.fault("status", status=401, path="batch/upsert", skip=1, times=-1)
    ti = TaskInstance()
    with pytest.raises(FatalError, match=r"401.*connection hubspot_default"):
        run(ti)
    assert (ti.pushed["return_value"]["confirmed"], ti.pushed["return_value"]["status"]) == (10, "failed")
    sandbox.clear()
    assert run()["confirmed"] == 20


def test_a_tripped_guard_makes_no_request(world, sandbox):
    run()
    sandbox.clear()
    fill(world, people(5))
    with pytest.raises(GuardTripped, match="25 of 30 confirmed members would be removed"):
        run()
    assert sandbox.log() == []
    assert run(override_guards=True)["removes"] == 25


def test_a_list_and_a_contact_that_were_deleted_in_the_crm_come_back(world, sandbox):
    run()
    headers = {"authorization": "Bearer sandbox-token"}
    (list_id,) = (entry["path"].split("/")[4] for entry in sandbox.calls("add-and-remove")[:1])
    sandbox.http.delete(f"/crm/lists/2026-03/{list_id}", headers=headers)
    sandbox.http.delete("/crm/objects/2026-03/contacts/1005", headers=headers)
    fill(world, {**people(30), 3: {"churn": 0.9}})
    assert run()["confirmed"] == 30
    assert len(sandbox.emails_on("AF loyal")) == 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segment": "loyel"}, "no segment 'loyel'; did you mean loyal"),
        ({"destination": "hubspit"}, "no destination 'hubspit'; did you mean hubspot"),
        ({"as_of": "yesterday"}, "as_of 'yesterday' is not a date"),
    ],
)
def test_what_does_not_exist_is_named(world, options, message):
    with pytest.raises(ConfigError, match=message):
        run(**options)
