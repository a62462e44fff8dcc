"""What the bench measures, one name each; a measurement runs in a process of its own, for its peak memory.

`python -m tests.bench.measures <name>` prints one line of JSON: seconds (the best of a few runs), CPU
seconds and peak memory of the whole process, and what came out.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from ml.features.build import build_features
from ml.features.config import load_config
from ml.sql import table
from ml.warehouse import Warehouse
from tests.bench.world import AS_OF

MODEL = "churn_28d"

Result = dict[str, Any]


def scan() -> Result:
    """Add up every column that the feature queries need: what reading alone costs."""
    from tests.bench.pandas_features import COLUMNS

    house = Warehouse()
    house.create(*COLUMNS)
    return _best(3, lambda: [_scan(house, name, columns) for name, columns in COLUMNS.items()])


def _scan(house: Warehouse, name: str, columns: list[str]) -> int:
    texts = {column.name for column in table(name).columns if column.type == "VARCHAR"}
    sums = ", ".join(f"SUM(STRLEN({c}))" if c in texts else f"SUM({c})" for c in columns)
    with house.session() as session:
        return int(session.arrow(f"SELECT {sums} FROM {name}").num_rows)


def features() -> Result:
    """Build the features of one point in time: queries, writes and checks of all feature tables."""
    return _best(2, lambda: build_features(str(AS_OF))["rows"])


def one_as_of() -> Result:
    """Build one point in time in a fresh process, as a task does."""
    return _best(1, lambda: build_features(str(AS_OF))["rows"])


def six_as_of() -> Result:
    """Build six points in time, four weeks apart, one after the other in one process, as a training does."""
    return _best(1, lambda: sum(build_features(str(AS_OF.minus(28 * back)))["rows"] for back in range(6)))


def pandas_load() -> Result:
    """Read the columns that the features need into pandas frames."""
    from tests.bench import pandas_features

    house = Warehouse()
    house.create(*pandas_features.COLUMNS)
    return _best(2, lambda: len(pandas_features.load(house.read_arrow)))


def pandas_compute() -> Result:
    """Compute the same features in pandas, from frames that are in memory already."""
    from tests.bench import pandas_features

    house, params = Warehouse(), load_config().params()
    house.create(*pandas_features.COLUMNS)
    frames = pandas_features.load(house.read_arrow)
    return _best(2, lambda: len(pandas_features.customer_features(frames, AS_OF.epoch, params)))


def training() -> Result:
    """Train the churn model on its snapshots with every candidate; building the snapshots is not timed."""
    from ml.models import snapshots
    from ml.models.spec import model_spec
    from ml.models.train import train_model

    house, spec = Warehouse(), model_spec(MODEL)
    snapshots.ensure(spec, snapshots.choose(spec, AS_OF, house), AS_OF, house)
    return _best(1, lambda: train_model(MODEL, str(AS_OF), force=True)["version"])


def scoring() -> Result:
    """Score every customer of the churn model's population with its champion, reasons included."""
    from ml.scores.batch import score_model

    return _best(1, lambda: score_model(MODEL, str(AS_OF))["rows"])


def segments() -> Result:
    """Build every shipped segment that needs no score: members, reasons, entries and exits."""
    from ml.segments.assign import build_segments
    from ml.segments.catalogue import load_catalogue
    from ml.segments.conditions import leaves

    known = load_catalogue().rules
    names = [name for name, one in known.items() if not any(hasattr(leaf, "score") for leaf in leaves(one.condition))]
    names = [name for name in names if set(known[name].references) <= set(names)]
    return _best(1, lambda: sum(one["size"] for one in build_segments(str(AS_OF), names))) | {"segments": len(names)}


MEASURES: dict[str, Callable[[], Result]] = {
    measure.__name__: measure
    for measure in (scan, features, pandas_load, pandas_compute, one_as_of, six_as_of, training, scoring, segments)
}


def _best(times: int, run: Callable[[], Any]) -> Result:
    seconds, result = [], None
    for _ in range(times):
        started = time.perf_counter()
        result = run()
        seconds.append(round(time.perf_counter() - started, 3))
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": min(seconds),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "result": result if isinstance(result, int | str) else None,
    }


if __name__ == "__main__":
    # What a library prints must not be taken for the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer.write(json.dumps(MEASURES[sys.argv[1]]()) + "\n")
    answer.close()
