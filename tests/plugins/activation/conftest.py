import httpx
import pytest
import stamina

from activation.hooks.limits import account_limiter
from activation.sandbox import connection_json, running_sandbox


class Control:
    """The sandbox as a person sees it: its state, its log, and the faults it can be told to make."""

    def __init__(self, url):
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60)

    def fault(self, kind, **options):
        self.http.post("/_sandbox/faults", json={"kind": kind, **options}).raise_for_status()

    def clear(self):
        self.http.delete("/_sandbox/faults").raise_for_status()

    def log(self):
        return self.http.get("/_sandbox/log").json()

    def calls(self, path=""):
        return [entry for entry in self.log() if path in entry["path"]]

    def state(self):
        return self.http.get("/_sandbox/state").json()

    def emails_on(self, name):
        state = self.state()
        return {state["contacts"][record]["email"] for record in state["lists"][name]}


@pytest.fixture
def no_waiting():
    """Retries happen, at most three, without a pause."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def sandbox(tmp_path):
    with running_sandbox(tmp_path / "crm.jsonl", rate=100_000) as url:
        control = Control(url)
        yield control
        control.http.close()


@pytest.fixture
def hook(sandbox, home, monkeypatch, no_waiting):
    """A HubSpot hook whose connection points at the sandbox."""
    from activation.hooks.hubspot import HubSpotHook

    monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", connection_json(sandbox.url))
    account_limiter.cache_clear()
    made = HubSpotHook(requests=100_000, timeout=2.0)
    yield made
    made.client.close()
