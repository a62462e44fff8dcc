"""One sync in a process of its own, to be killed."""

import os
from multiprocessing.connection import Connection

from activation.operators.sync import hook_for
from ml.settings import settings
from ml.syncs.run import Sync


def sync_once(env: dict[str, str], segment: str, as_of: str, counts: Connection) -> None:
    """Sync a segment under the variables of `env` and send what it counted."""
    os.environ.update(env)
    settings.cache_clear()
    sync = Sync(segment, as_of, "hubspot")
    counts.send(sync.run(hook_for(sync.audience.settings)).counts())
