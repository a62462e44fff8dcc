"""All DAGs in one process, in the order of their assets: what `make demo` and `make run` start.

No server, no scheduler and no approvals: each DAG runs over `dag.test()` against Airflow's own database below the home
folder, so `make up` shows the same runs. Killed at any point it may be started again; every stage replaces what it
wrote before.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import json
import logging
import os
import signal
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from ml.config import did_you_mean
from ml.errors import AudienceflowError, ConfigError
from ml.leaving import leave_quietly
from ml.settings import settings
from ml.times import parse_as_of
from orchestration import summary
from orchestration.environment import PROJECT_DIR, apply_environment
from orchestration.screen import Screen, output_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ml.warehouse import Warehouse
    from orchestration.inprocess import StageRun

log = logging.getLogger(__name__)

DEMO_AS_OF = "2018-01-01"
"""The day after the demo's data ends."""

DEMO_SEARCH_TRIALS = "4"
"""A taste of each model's search: the demo has three minutes. Set AUDIENCEFLOW_SEARCH_TRIALS for another number."""

UNATTENDED = {"approval": False}
"""Nobody can answer in this process, whatever the settings ask for."""

UNSEEN = {"backtest": True}
"""The demo's segments are new, and nobody is there to backtest them first."""

CRM_CONNECTION = "AIRFLOW_CONN_HUBSPOT_DEFAULT"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 when a DAG failed, or 2 when the request is wrong."""
    asked = _parser().parse_args(arguments)
    try:
        log_file = _log_file()
    except ConfigError as error:
        Console(stderr=True).print(f"[red]✗[/] {escape(str(error))}", soft_wrap=True)
        return 2
    apply_environment(settings().home)
    with output_to(log_file) as console:
        _stop_at_once(console)
        try:
            return int(asked.act(asked, console))
        except ConfigError as error:
            return _complain(console, error, log_file, code=2)
        except Exception as error:  # noqa: BLE001 - whatever it was, say it in words and leave a non-zero code
            return _complain(console, error, log_file, code=1)


def demo(asked: argparse.Namespace, console: Console) -> int:
    """Run every DAG at one `as_of`, print the tables and write the summary; a demo that fails leaves none."""
    as_of = str(parse_as_of(asked.as_of or settings().as_of or DEMO_AS_OF))
    os.environ.setdefault("AUDIENCEFLOW_SEARCH_TRIALS", DEMO_SEARCH_TRIALS)
    _set_clock(as_of)
    importlib.import_module("skops.io")  # asks every module that is there for hundreds of names: before Airflow's are
    from orchestration.chain import run_all
    from orchestration.order import on_request

    with in_process(console) as (dags, screen):
        summary.forget()
        _write_raw_files(screen)
        conf = {"as_of": as_of, **UNATTENDED, **UNSEEN, **_for_a_moved_clock(as_of, _warehouse())}
        runs = run_all({dag_id: dag for dag_id, dag in dags.items() if not on_request(dag)}, conf, screen)
        found = summary.summarise(as_of, runs, _warehouse(), screen.seconds)
    summary.write(found, summary.summary_path())
    _show(console, found, runs)
    return 0


def run(asked: argparse.Namespace, console: Console) -> int:
    """Run one DAG with a configuration and print what its tasks returned."""
    conf = _conf(asked.conf)
    clock = conf.get("as_of") or settings().as_of or summary.read(summary.summary_path()).get("as_of")
    if clock:
        _set_clock(str(parse_as_of(clock)))
    from orchestration.chain import run_all
    from orchestration.params import refuse_unknown

    with in_process(console) as (dags, screen):
        if asked.dag not in dags:
            raise ConfigError(f"There is no DAG {asked.dag!r}{did_you_mean(asked.dag, dags)}")
        refuse_unknown(conf, dags[asked.dag])
        found = run_all({asked.dag: dags[asked.dag]}, UNATTENDED | conf, screen)[asked.dag]
    for task_id, values in found.results.items():
        for value in values:
            console.print(f"{task_id}: {json.dumps(value, default=str)}", markup=False, soft_wrap=True)
    return 0


@contextmanager
def in_process(console: Console) -> Iterator[tuple[dict[str, Any], Screen]]:
    """Yield the DAGs by id in the order of their assets, with database, pool and CRM ready."""
    screen = Screen(console, log_file=_log_file())
    with ExitStack() as stack:
        stack.enter_context(only_one(settings().home))
        refuse_beside_services()
        stack.enter_context(screen.alive())
        with screen.stage("prepare"):
            dags = _prepare(screen)
            stack.enter_context(crm(screen))
        yield dags, screen


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home folder for one in-process run; the lock dies with the process. Raises `AudienceflowError`."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AudienceflowError(f"Another run holds {home}: wait for it, or stop it first") from error
        yield


def refuse_beside_services() -> None:
    """Raise `AudienceflowError` while `make up` serves this home folder: its scheduler would take up our runs."""
    from orchestration.services import register

    for service in register().running():
        if service.name == "Airflow":
            raise AudienceflowError(f"Airflow runs at {service.address}: start the DAG there, or `make down` first")


@contextmanager
def crm(screen: Screen) -> Iterator[None]:
    """Start the sandbox CRM, unless a connection to a real one is set."""
    if os.environ.get(CRM_CONNECTION):
        yield
        return
    from activation.sandbox import connection_json, running_sandbox

    screen.task("starting the sandbox CRM")
    with running_sandbox(sandbox_state()) as address:
        os.environ[CRM_CONNECTION] = connection_json(address)
        try:
            yield
        finally:
            del os.environ[CRM_CONNECTION]


def sandbox_state() -> Path:
    """Return the file in which the sandbox CRM remembers its contacts and lists."""
    return settings().home / "sandbox" / "hubspot.jsonl"


def _prepare(screen: Screen) -> dict[str, Any]:
    screen.task("starting Airflow")
    from orchestration import bookkeeping
    from orchestration.inprocess import load_dags
    from orchestration.order import asset_order

    screen.task("making Airflow's database")
    bookkeeping.prepare()
    if abandoned := bookkeeping.abandon_test_runs():
        screen.say(f"  {abandoned} run(s) that never ended are marked failed; starting anew")
    bookkeeping.hold_schedules()
    screen.task("reading the DAGs")
    return {dag.dag_id: dag for dag in asset_order(load_dags(str(PROJECT_DIR / "dags")).values())}


def _for_a_moved_clock(as_of: str, warehouse: Warehouse) -> dict[str, Any]:
    """Let a demo at another point in time send what a guard would take for a mistake: months of entries and exits."""
    pushed = {"dry_run": False, "status": ("!=", "halted")}
    runs = warehouse.read("sync_runs", ["segment", "as_of"], pushed, order_by=["started_at"])
    synced = {str(parse_as_of(at)) for at in runs.drop_duplicates("segment", keep="last")["as_of"].tolist()}
    if synced <= {as_of}:
        return {}
    log.warning("The CRM holds members as of %s: no guard holds up the changes of this run", " and ".join(synced))
    return {"override_guards": True}


def _write_raw_files(screen: Screen) -> None:
    from ml.sources.demo import write_demo

    with screen.stage("demo data"):
        write_demo(progress=screen.note)


def _log_file() -> Path:
    return settings().home / "logs" / "local.log"


def _set_clock(as_of: str) -> None:
    os.environ["AUDIENCEFLOW_AS_OF"] = as_of
    settings.cache_clear()


def _warehouse() -> Warehouse:
    from ml.warehouse import Warehouse

    return Warehouse()


def _conf(text: str) -> dict[str, Any]:
    try:
        conf = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ConfigError(f"CONF is not JSON: {error}. Write CONF='{{\"dry_run\": true}}'") from error
    if not isinstance(conf, dict):
        raise ConfigError(f"CONF must be a JSON object, not {text!r}")
    if conf.get("approval") and not conf.get("dry_run"):
        raise ConfigError("CONF asks for approval, but nobody can answer here: `make up`, and start the DAG in Airflow")
    return conf


def _show(console: Console, found: dict[str, Any], runs: dict[str, StageRun]) -> None:
    for table in (summary.stage_table(runs), summary.segment_table(found), summary.sync_table(found)):
        console.print(table)
    home = settings().home
    console.print(f"As of {found['as_of']}, peak memory {found['peak_rss_mb']:,} MB. Where to look next:")
    console.print(f"  {summary.summary_path()}  these figures for machines")
    console.print(f"  {home / 'reports'}  drift reports")
    console.print("  make up  Airflow, MLflow and the sandbox CRM in the browser")


def _complain(console: Console, error: Exception, log_file: Path, code: int) -> int:
    import traceback

    traceback.print_exc()  # goes to the log file
    known = type(error).__name__ == "DagFailed" or isinstance(error, AudienceflowError)
    words = str(error) if known else f"{type(error).__name__}: {error}"
    console.print(f"[red]✗[/] {escape(words)}", soft_wrap=True)
    console.print(f"  The whole story is in {log_file}", soft_wrap=True)
    return code


def _stop_at_once(console: Console) -> None:
    """End this process on Ctrl-C and SIGTERM: Airflow would take an exception for a task's failure and try again."""

    def stop(number: int, _: object) -> None:
        console.show_cursor()
        console.print("Stopped. Start it again at any time; nothing is sent twice.")
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orchestration.local", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    whole = verbs.add_parser("demo", help="run every DAG")
    whole.add_argument("--as-of", default="", help=f"point in time, {DEMO_AS_OF} by default")
    whole.set_defaults(act=demo)
    one = verbs.add_parser("run", help="run one DAG")
    one.add_argument("dag")
    one.add_argument("--conf", default="", help="the run's parameters as JSON")
    one.set_defaults(act=run)
    return parser


if __name__ == "__main__":
    leave_quietly(main())
