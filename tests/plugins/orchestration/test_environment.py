"""One dictionary says how Airflow runs on one machine."""

import json
import stat
import subprocess
import sys

from orchestration.environment import airflow_environment, secret_file


def test_everything_lies_below_the_home_folder(tmp_path):
    found = airflow_environment(tmp_path)
    places = ["AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__LOGGING__BASE_LOG_FOLDER"]
    assert all(str(tmp_path) in found[name] for name in places)


def test_only_loopback_is_listened_on_and_the_ports_follow(tmp_path):
    found = airflow_environment(tmp_path, port=9100)
    assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:9100/execution/"
    assert found["AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"] == "9102"


def test_the_keys_are_the_same_for_every_process_and_differ_between_homes(tmp_path):
    first = airflow_environment(tmp_path / "a")
    assert first == airflow_environment(tmp_path / "a")
    keys = ["AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY"]
    other = airflow_environment(tmp_path / "b")
    assert all(first[key] != other[key] for key in keys)
    assert len(first["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64


def test_the_secret_is_for_its_owner_only_and_survives_a_kill_while_it_was_written(tmp_path):
    path = tmp_path / "secret"
    path.touch()  # what a process leaves that is killed between creating and writing
    secret = secret_file(path)
    assert len(secret) >= 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret_file(path) == secret


def test_telemetry_is_off_everywhere(tmp_path):
    found = airflow_environment(tmp_path)
    assert found["DO_NOT_TRACK"] == found["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_it_may_be_asked_before_airflow_is_imported():
    code = "import json, sys, orchestration.environment; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = json.loads(printed)
    assert not [name for name in loaded if name.split(".")[0] in {"airflow", "ml"}]
