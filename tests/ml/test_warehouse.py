"""The warehouse replaces partitions whole, checks them, and says what went wrong; on both engines."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from ml import checks, engines, sql
from ml.errors import CheckFailed, ConfigError, WarehouseAway, WarehouseBusy, WarehouseError
from ml.settings import settings
from ml.times import parse_as_of
from ml.warehouse import Warehouse

pytestmark = pytest.mark.shut

DAY_1, DAY_2 = parse_as_of("2018-01-01T00:00:00"), parse_as_of("2018-01-02T00:00:00")
SCORES = """
description: Scores. One row per customer and as_of.
grain: customer x as_of
key: [customer_key, as_of]
partition: [as_of]
columns:
  - {name: customer_key, type: BIGINT, description: The customer.}
  - {name: as_of, type: TIMESTAMP, description: Point in time.}
  - {name: score, type: DOUBLE, description: Score., checks: {not_null: true, between: [0, 1]}}
  - {name: band, type: VARCHAR, description: Band., checks: {in: [low, high]}}
"""
LEDGER = """
description: A ledger. One row per customer.
grain: customer
key: [customer_key]
write: merge
columns:
  - {name: customer_key, type: BIGINT, description: The customer.}
  - {name: state, type: VARCHAR, description: State.}
"""


@pytest.fixture(autouse=True)
def tables(home, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("sql") / "5_scores"
    folder.mkdir()
    (folder / "scores.yaml").write_text(SCORES)
    (folder / "scores.sql").write_text(
        "SELECT customer_key, {{ as_of }} AS as_of, {{ score }} AS score, 'low' AS band FROM ledger"
    )
    (folder / "ledger.yaml").write_text(LEDGER)
    monkeypatch.setenv("AUDIENCEFLOW_SQL_DIR", str(folder.parent))
    settings.cache_clear()


def _rows(*keys: int) -> pd.DataFrame:
    return pd.DataFrame({"customer_key": keys, "score": [0.5] * len(keys), "band": ["low"] * len(keys)})


def test_a_partition_is_replaced_whole_and_the_others_stay(warehouse):
    warehouse.write("scores", _rows(1, 2, 3), {"as_of": DAY_1})
    warehouse.write("scores", _rows(9), {"as_of": DAY_2})
    warehouse.write("scores", _rows(4), {"as_of": DAY_1})
    assert warehouse.read("scores", ["customer_key"], order_by=["customer_key"])["customer_key"].tolist() == [4, 9]


def test_a_select_fills_its_partition_and_may_run_twice(warehouse):
    warehouse.write("ledger", pd.DataFrame({"customer_key": [1, 2], "state": ["a", None]}))
    runs = [warehouse.run_table("scores", {"as_of": DAY_1}, score=0.25) for _ in range(2)]
    assert [run.rows for run in runs] == [2, 2]
    assert warehouse.count("scores") == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": [0.5, 1.5]}, "1 rows where score is outside 0 to 1, such as customer_key=2"),
        ({"score": [0.5, None]}, "score is missing"),
        ({"band": ["low", "odd"]}, "band is not one of"),
        ({"customer_key": [7, 7]}, r"customer_key\+as_of is not unique, such as customer_key=7"),
    ],
)
def test_a_broken_check_names_the_row_and_keeps_the_old_partition(warehouse, change, words):
    warehouse.write("scores", _rows(1), {"as_of": DAY_1})
    with pytest.raises(CheckFailed, match=words):
        warehouse.write("scores", _rows(1, 2).assign(**change), {"as_of": DAY_1})
    assert warehouse.read("scores")["customer_key"].tolist() == [1]


def test_a_merge_replaces_the_keys_it_brings(warehouse):
    warehouse.write("ledger", pd.DataFrame({"customer_key": [1, 2], "state": ["old", "old"]}))
    warehouse.write("ledger", pd.DataFrame({"customer_key": [2, 3], "state": ["new", "new"]}))
    found = warehouse.read("ledger", order_by=["customer_key"])
    assert found["state"].tolist() == ["old", "new", "new"]


def test_reading_pushes_columns_and_conditions_down(warehouse):
    warehouse.write("scores", _rows(1, 2, 3, 4), {"as_of": DAY_1})
    where = {"as_of": DAY_1, "customer_key": (">=", 2), "band": ["low", "high"]}
    found = warehouse.read("scores", ["customer_key"], where, order_by=["customer_key"])
    assert found["customer_key"].tolist() == [2, 3, 4]
    assert list(found.columns) == ["customer_key"]
    assert str(found.dtypes["customer_key"]) == "int64[pyarrow]"
    with pytest.raises(ConfigError, match="no column 'scor'; did you mean score"):
        warehouse.read("scores", ["scor"])


def test_a_write_that_does_not_fit_names_the_column(warehouse):
    with pytest.raises(WarehouseError, match="have no column 'band'"):
        warehouse.write("scores", _rows(1).drop(columns="band"), {"as_of": DAY_1})
    with pytest.raises(WarehouseError, match=r"has no columns \['colour'\]|no columns \['colour'\]"):
        warehouse.write("scores", _rows(1).assign(colour="red"), {"as_of": DAY_1})
    with pytest.raises(WarehouseError, match="partitioned by"):
        warehouse.write("scores", _rows(1))


def test_a_new_column_in_the_yaml_is_added_and_a_removed_one_is_an_error(warehouse):
    warehouse.write("ledger", pd.DataFrame({"customer_key": [1], "state": ["a"]}))
    path = settings().sql_dir / "5_scores" / "ledger.yaml"
    path.write_text(LEDGER + "  - {name: attempts, type: BIGINT, description: Attempts.}\n")
    sql._read_tables.cache_clear()
    fresh = Warehouse(warehouse.url)
    assert fresh.read("ledger")["attempts"].isna().all()
    path.write_text(LEDGER)
    sql._read_tables.cache_clear()
    with pytest.raises(WarehouseError, match=r"does not name: \['attempts'\]"):
        Warehouse(warehouse.url).read("ledger")


def test_a_warehouse_that_is_gone_says_so(home):
    with pytest.raises(WarehouseAway, match=r"127\.0\.0\.1:1/nowhere does not answer: .*Connection refused"):
        Warehouse("postgresql://nobody@127.0.0.1:1/nowhere").read("ledger")


def test_a_database_that_does_not_exist_is_no_reason_to_wait(postgres):
    with pytest.raises(WarehouseError, match=r'refused: .*database "nowhere" does not exist'):
        Warehouse(postgres.engine.url.set(database="nowhere").render_as_string(hide_password=False)).read("ledger")


def test_a_warehouse_that_goes_in_the_middle_says_so_and_keeps_the_old_partition(postgres, monkeypatch):
    postgres.write("scores", _rows(1), {"as_of": DAY_1})
    leave = "SELECT pg_terminate_backend(pg_backend_pid()) AS gone"
    with monkeypatch.context() as patch:
        patch.setattr(checks, "run", lambda session, *_: session.arrow(leave))
        with pytest.raises(WarehouseAway, match=r"does not answer: .*terminat"):
            postgres.write("scores", _rows(5), {"as_of": DAY_1})
    assert postgres.read("scores")["customer_key"].tolist() == [1]


def test_a_connection_that_was_lost_between_two_statements_may_be_tried_again(postgres):
    def write():
        with postgres.session() as session:
            (pid,) = session.arrow("SELECT pg_backend_pid() AS pid").column(0).to_pylist()
            with postgres.session() as another:
                another.arrow(f"SELECT pg_terminate_backend({pid}, 2000) AS gone")
            session.append("ledger", pa.table({"customer_key": [1]}))

    with pytest.raises(WarehouseAway, match="does not answer"):
        write()


@pytest.mark.parametrize(("state", "error"), [("08006", WarehouseAway), ("40P01", WarehouseAway), ("42P01", None)])
def test_what_may_pass_is_told_by_the_state_of_the_error(state, error):
    failure = Exception("terminating connection")
    failure.sqlstate = state
    assert type(engines._named("here", failure)) is (error or WarehouseError)


def test_a_file_that_goes_in_the_middle_says_so(duck):
    """DuckDB itself would commit into a file that nobody can open any more."""
    rows = pd.DataFrame({"customer_key": [1], "state": ["a"]})
    duck.write("ledger", rows)

    def write():
        with duck.session() as session:
            duck.engine.path.unlink()
            session.execute("DELETE FROM ledger")

    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb is gone: somebody removed"):
        write()
    with pytest.raises(WarehouseError, match="is gone"):
        duck.write("ledger", rows)
    assert not duck.engine.path.exists(), "no new, empty warehouse takes its place"


def test_a_file_that_may_only_be_read_says_so(duck):
    duck.write("ledger", pd.DataFrame({"customer_key": [1], "state": ["a"]}))
    with pytest.raises(WarehouseError, match=r"refused: .*read-only mode"):
        Warehouse(f"{duck.url}?access_mode=read_only").delete("ledger")


def test_a_file_of_somebody_else_s_says_so(tmp_path_factory, tables):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        Warehouse(f"duckdb:///{path}").create("ledger")
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        with _nobody(), pytest.raises(WarehouseError, match=r"warehouse\.duckdb cannot be opened: .*Permission denied"):
            Warehouse(f"duckdb:///{path}").read("ledger")
        Path(folder).chmod(0o755)


@contextmanager
def _nobody():
    """An administrator may write everything, so give that up for a moment."""
    us = os.geteuid()
    if us == 0:
        os.seteuid(65534)
    yield
    os.seteuid(us)


def test_an_engine_that_is_not_supported_is_refused():
    with pytest.raises(ConfigError, match="use duckdb"):
        Warehouse("sqlite:///x.db")


def test_a_read_only_warehouse_says_so(postgres):
    postgres.write("ledger", pd.DataFrame({"customer_key": [1], "state": ["a"]}))
    with postgres.session() as session:
        session.execute(f"ALTER DATABASE {postgres.engine.url.database} SET default_transaction_read_only = on")
    with pytest.raises(WarehouseError, match="read-only transaction"):
        postgres.write("ledger", pd.DataFrame({"customer_key": [2], "state": ["b"]}))


def test_a_file_that_is_no_warehouse_says_so(home):
    home.joinpath("broken.duckdb").write_text("not a database at all, " * 400)
    with pytest.raises(WarehouseError, match=r"broken\.duckdb cannot be opened"):
        Warehouse(f"duckdb:///{home / 'broken.duckdb'}").read("ledger")


HOLD = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(duck, home):
    duck.write("ledger", pd.DataFrame({"customer_key": [1], "state": ["a"]}))
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home / "warehouse.duckdb")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_warehouse_that_stays_locked_names_the_holder(duck, holder, monkeypatch):
    monkeypatch.setenv("AUDIENCEFLOW_LOCK_TIMEOUT", "0.3")
    settings.cache_clear()
    with pytest.raises(WarehouseBusy, match=rf"held by another process.*PID {holder.pid}"):
        duck.read("ledger")


def test_a_lock_is_waited_for(duck, holder):
    import threading

    threading.Timer(0.4, holder.kill).start()
    assert duck.count("ledger") == 1


def test_a_file_is_whole_and_free_between_sessions_and_held_while_an_outer_one_lasts(duck, home):
    """What another process sees is the file alone, and only while nobody has it open."""
    look = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).sql('FROM ledger').fetchall())"

    def seen_by_another() -> str:
        command = [sys.executable, "-c", look, str(duck.engine.path)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return found.stdout or found.stderr

    duck.write("ledger", pd.DataFrame({"customer_key": [1], "state": ["a"]}))
    assert "(1, 'a'" in seen_by_another()
    with duck.held():
        duck.count("ledger")
        assert "lock" in seen_by_another()
    assert [path.name for path in home.glob("warehouse*")] == ["warehouse.duckdb"]
    assert "(1, 'a'" in seen_by_another()


def test_what_is_no_address_is_said_at_once():
    with pytest.raises(ConfigError, match="WAREHOUSE_URL is no address: write one such as duckdb:"):
        Warehouse("/tmp/x.duckdb")


def test_what_is_held_commits_each_write_by_itself(warehouse):
    with warehouse.held():
        warehouse.write("ledger", pd.DataFrame({"customer_key": [1], "state": ["a"]}))
        assert Warehouse(warehouse.url).count("ledger") == 1, "seen from another connection"


def test_nothing_idles_on_a_server_while_it_is_held(postgres):
    postgres.write("ledger", pd.DataFrame({"customer_key": [1], "state": ["a"]}))
    idle = "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
    with postgres.held(), postgres.session() as session:
        assert session.arrow(idle).column(0)[0].as_py() == 1, "this one"


def test_two_files_are_open_at_once(duck, home):
    other = Warehouse(f"duckdb:///{home}/it's another.duckdb")
    with duck.session(), other.session():
        duck.write("ledger", pd.DataFrame({"customer_key": [1], "state": ["a"]}))
        other.write("ledger", pd.DataFrame({"customer_key": [2], "state": ["b"]}))
    assert (duck.read("ledger")["customer_key"][0], other.read("ledger")["customer_key"][0]) == (1, 2)


def _write_one(url: str, key: int) -> None:
    Warehouse(url).write("ledger", pd.DataFrame({"customer_key": [key], "state": ["a"]}))


def test_processes_that_write_at_once_all_get_their_turn(duck):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write_one, args=(duck.url, key)) for key in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert duck.count("ledger") == 6


def test_a_writer_killed_in_the_middle_leaves_the_old_partition(warehouse):
    warehouse.write("scores", _rows(1), {"as_of": DAY_1})
    script = f"""
        import os, signal
        from ml import checks
        from ml.warehouse import Warehouse
        import pandas as pd
        from ml.times import parse_as_of
        checks.run = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
        rows = pd.DataFrame({{"customer_key": [5], "score": [0.5], "band": ["low"]}})
        Warehouse({warehouse.url!r}).write("scores", rows, {{"as_of": parse_as_of("2018-01-01T00:00:00")}})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL
    assert warehouse.read("scores")["customer_key"].tolist() == [1]
