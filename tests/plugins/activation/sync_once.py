"""One sync in a process of its own, to be killed: `python sync_once.py SEGMENT AS_OF`."""

import json
import sys

from activation.operators.sync import hook_for
from ml.syncs.run import Sync

sync = Sync(sys.argv[1], sys.argv[2], "hubspot")
print(json.dumps(sync.run(hook_for(sync.audience.settings)).counts()))  # noqa: T201 - the test reads it
