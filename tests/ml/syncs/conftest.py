import pytest
from fakes import FakePlatform
from syncworld import AS_OF, configure, fill, people

from ml.segments.catalogue import cached_catalogue
from ml.syncs.run import Sync


@pytest.fixture
def platform():
    return FakePlatform()


@pytest.fixture
def world(duck, home, monkeypatch):
    """A warehouse whose segment `loyal` has 30 ordinary members."""
    configure(home, monkeypatch)
    cached_catalogue.cache_clear()
    fill(duck, people(30))
    return duck


@pytest.fixture
def sync(world, platform):
    """Run a sync of `loyal` and return its report."""

    def run(segment="loyal", **options):
        return Sync(segment, AS_OF, "hubspot", world).run(platform, **options)

    return run
