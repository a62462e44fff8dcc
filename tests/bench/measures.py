"""What the bench measures, one name each; a measurement runs in a process of its own, for its peak memory.

`python -m tests.bench.measures <name>` prints one line of JSON: seconds (the best of a few runs), CPU
seconds and peak memory of the whole process, and what came out.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml.features.build import build_features
from ml.features.config import load_config
from ml.settings import settings
from ml.sql import table
from ml.times import AsOf
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
    """Build the bench's twenty segments together, for the first time: members, reasons, entries, holdouts."""
    names = _bench_segments()
    _forget()
    return _best(1, lambda: _build(AS_OF)) | {"segments": len(names)}


def segments_alone() -> Result:
    """Build each of the twenty alone; the seconds are those of the slowest."""
    times = {}
    for name in _bench_segments():
        times[name] = _best(1, lambda name=name: _build(AS_OF, name))["seconds"]
    slowest = max(times, key=times.__getitem__)
    return _best(1, lambda: 0) | {"seconds": times[slowest], "result": slowest}


def segments_day_later() -> Result:
    """Build the twenty a day after they were built."""
    before = AS_OF.minus(1)
    _bench_segments()
    if not Warehouse().count("customer_features", {"as_of": before}):
        build_features(str(before))
    _forget()
    _build(before)
    return _best(1, lambda: _build(AS_OF))


def _build(as_of: AsOf, *names: str) -> int:
    from ml.segments.assign import build_segments

    return sum(one["size"] for one in build_segments(str(as_of), names))


def _forget() -> None:
    for name in ("segment_members", "segment_changes", "segment_runs", "holdout_assignments"):
        Warehouse().delete(name)


def _bench_segments() -> list[str]:
    """Put the twenty segments of the bench in the place of the shipped ones, and return their names."""
    folder = settings().home / "config"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(settings().config_dir, folder, ignore=shutil.ignore_patterns("segments"))
    shutil.copytree(Path(__file__).parent / "segments", folder / "segments")
    os.environ["AUDIENCEFLOW_CONFIG_DIR"] = str(folder)
    settings.cache_clear()
    return sorted(path.stem for path in (folder / "segments").glob("*.yaml"))


MEASURES: dict[str, Callable[[], Result]] = {
    measure.__name__: measure
    for measure in (
        *(scan, features, pandas_load, pandas_compute, one_as_of, six_as_of, training, scoring),
        *(segments, segments_alone, segments_day_later),
    )
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
