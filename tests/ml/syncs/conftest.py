import pytest
from fakes import FakePlatform
from memory import MemoryWarehouse
from syncworld import AS_OF, fill, people, use, write_config

from ml.syncs.run import Sync


@pytest.fixture
def platform():
    return FakePlatform()


@pytest.fixture(scope="session")
def config_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("syncs") / "config"
    write_config(folder)
    return folder


@pytest.fixture
def config(config_folder, home, monkeypatch):
    """The settings point at two segments, `loyal` and `browsing`, and one destination."""
    use(config_folder, monkeypatch)


@pytest.fixture
def reconfigure(home, monkeypatch):
    """Give the test a configuration of its own, with changes to the destination."""

    def write(**destination):
        write_config(home / "config", **destination)
        use(home / "config", monkeypatch)

    return write


@pytest.fixture(scope="session")
def thirty():
    """A warehouse in memory whose segment `loyal` has 30 ordinary members."""
    memory = MemoryWarehouse()
    fill(memory, people(30))
    return memory


@pytest.fixture
def world(config, thirty):
    """A copy of `thirty` for one test."""
    return thirty.copy()


@pytest.fixture
def sync(world, platform):
    """Run a sync of `loyal` and return its report."""

    def run(segment="loyal", **options):
        return Sync(segment, AS_OF, "hubspot", world).run(platform, **options)

    return run
