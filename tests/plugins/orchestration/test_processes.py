"""What is started is remembered, and stopped to the last child."""

import json
import socket
import sys
import threading
import time

import psutil
import pytest

from ml.errors import AudienceflowError
from orchestration.processes import Register, Service, answer, free_port, start, stop, wait_until

# A parent that ignores SIGINT, with a child of its own: the worst that Airflow does.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def stubborn(tmp_path):
    log = tmp_path / "logs" / "stubborn.log"
    service = start("stubborn", [sys.executable, "-c", STUBBORN], {}, log, "http://127.0.0.1:1")
    wait_until(lambda: "ready" in log.read_text(), service, log, seconds=20)
    yield service
    stop(service, grace=0.1)


def test_neither_a_service_nor_a_child_of_it_is_left(stubborn):
    family = [stubborn.process(), *stubborn.process().children()]
    assert len(family) == 2
    stop(stubborn, grace=0.2)
    assert [process for process in family if process.is_running()] == []
    stop(stubborn)  # once more is nothing


def test_another_process_with_the_same_id_is_not_taken_for_ours():
    mine = psutil.Process()
    assert Service("me", mine.pid, mine.create_time(), "").process() is not None
    assert Service("me", mine.pid, mine.create_time() - 1, "").process() is None


def test_the_register_remembers_across_processes_and_knows_who_is_alive(tmp_path, stubborn):
    register = Register(tmp_path / "services" / "running.json")
    assert register.services() == []
    register.add(stubborn)
    register.add(Service("gone", 2**22 + 1, 0.0, ""))
    again = Register(register.path)
    assert [service.name for service in again.services()] == ["stubborn", "gone"]
    assert again.running() == [stubborn]
    register.clear()
    register.clear()
    assert again.services() == []


def test_a_service_that_ends_while_starting_is_named_with_its_log(tmp_path):
    log = tmp_path / "short.log"
    service = start("short", [sys.executable, "-c", "raise SystemExit(3)"], {}, log, "")
    with pytest.raises(AudienceflowError, match=r"short ended while starting; its log is .*short\.log"):
        wait_until(lambda: False, service, log, seconds=20)


def test_a_service_that_never_answers_is_given_up(tmp_path, stubborn):
    began = time.monotonic()
    with pytest.raises(AudienceflowError, match="does not answer after 0 s"):
        wait_until(lambda: False, stubborn, tmp_path / "x.log", seconds=0.1)
    assert time.monotonic() - began < 5


def test_a_port_in_use_is_passed_over_with_its_neighbours():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = free_port(port - 1, width=3)
    assert found > port


def test_one_s_own_question_is_no_answer():
    """A connection to a port that nobody listens on yet can meet itself: what it reads is what it sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo():
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(1024))

        thread = threading.Thread(target=echo)
        thread.start()
        assert answer(f"http://127.0.0.1:{server.getsockname()[1]}/health") is None
        thread.join()


def test_nobody_there_is_no_answer():
    assert answer("http://127.0.0.1:9/") is None
    assert json.dumps(answer("http://127.0.0.1:9/")) == "null"
