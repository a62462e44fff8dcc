"""What the bench measures, one name each; a measurement runs in a process of its own, for its peak memory.

`python -m tests.bench.measures <name>` prints one line of JSON: seconds and CPU seconds of the best of a few runs, the
start of the process and what prepares a run left out; peak memory of the whole process; and what came out.
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

MODEL = "clv_84d"  # asks about everybody who ever ordered, and not only about those who did so lately

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
    """Search, fit and test the model with every candidate; building its snapshots is not timed."""
    from ml.models import snapshots
    from ml.models.spec import model_spec
    from ml.models.train import train_model

    house, spec = Warehouse(), model_spec(MODEL)
    snapshots.ensure(spec, snapshots.choose(spec, AS_OF, house), AS_OF, house)
    return _best(1, lambda: train_model(MODEL, str(AS_OF), force=True)["version"])


def scoring() -> Result:
    """Score every customer of the model's population with its champion: features, scores, intervals, reasons, rows."""
    from ml.scores.batch import score_model

    _ensure_features(AS_OF)
    return _best(1, lambda: score_model(MODEL, str(AS_OF))["rows"])


def reasons() -> Result:
    """Give the same customers their three reasons in words, and nothing else."""
    from ml.models import registry
    from ml.models.dataset import read_features
    from ml.models.spec import model_spec
    from ml.scores.batch import explanations

    spec, champion = model_spec(MODEL), registry.champion(MODEL)
    if champion is None:
        raise SystemExit(f"{MODEL} has no champion: measure the training first")
    _ensure_features(AS_OF)
    scorer = registry.load_scorer(champion)
    frame = read_features(Warehouse(), spec, AS_OF, scorer.features, spec.population)
    return _best(1, lambda: len(explanations(scorer, frame)))


def btyd() -> Result:
    """Fit BG/NBD, Pareto/NBD and Gamma-Gamma to the CDNOW sample; the seconds are those of the slowest."""
    from tests.bench.btyd import Found, ours

    found = Found()
    measured = _best(1, lambda: found.update(ours()))
    seconds = {name: min(fitted["seconds"]) for name, fitted in found.items()}
    slowest = max(seconds, key=seconds.__getitem__)
    return measured | {"seconds": seconds[slowest], "result": slowest}


def pymc() -> Result:
    """Fit the same with ours and with pymc-marketing, in an environment of its own; tells our least lead."""
    from tests.bench.btyd import install, ours, ratios, theirs

    home, faster = settings().home, dict[str, float]()
    python = install(home)
    measured = _best(1, lambda: faster.update(ratios(ours(), theirs(python, home))))
    least = min(faster, key=faster.__getitem__)
    return measured | {"result": least, "times_faster": faster[least]}


def segments() -> Result:
    """Build the bench's twenty segments together, for the first time: members, reasons, entries, holdouts."""
    names = _bench_segments()
    _forget()
    return _best(1, lambda: _build(AS_OF)) | {"segments": len(names)}


def segments_alone() -> Result:
    """Build each of the twenty alone; the seconds are those of the slowest."""
    times = {name: _best(1, lambda name=name: _build(AS_OF, name)) for name in _bench_segments()}
    slowest = max(times, key=lambda name: times[name]["seconds"])
    return times[slowest] | {"result": slowest}


def segments_day_later() -> Result:
    """Build the twenty a day after they were built."""
    before = AS_OF.minus(1)
    _bench_segments()
    _ensure_features(before)
    _forget()
    _build(before)
    return _best(1, lambda: _build(AS_OF))


def _build(as_of: AsOf, *names: str) -> int:
    from ml.segments.assign import build_segments

    return sum(one["size"] for one in build_segments(str(as_of), names))


def _ensure_features(at: AsOf) -> None:
    if not Warehouse().count("customer_features", {"as_of": at}):
        build_features(str(at))


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
        *(scan, features, pandas_load, pandas_compute, one_as_of, six_as_of),
        *(training, scoring, reasons, btyd, pymc),
        *(segments, segments_alone, segments_day_later),
    )
}


def _best(times: int, run: Callable[[], Any]) -> Result:
    taken, result = [], None
    for _ in range(times):
        started, used = time.perf_counter(), time.process_time()
        result = run()
        taken.append((round(time.perf_counter() - started, 3), round(time.process_time() - used, 3)))
    seconds, cpu = min(taken)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "result": result if isinstance(result, int | str) else None,
    }


if __name__ == "__main__":
    # What a library prints must not be taken for the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer.write(json.dumps(MEASURES[sys.argv[1]]()) + "\n")
    answer.close()
