"""docker-compose.yml holds together: what it names exists, what it hides has no default, what it opens is loopback."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from ml.settings import PROJECT_DIR, Settings, variable_name
from tests.composition import (
    Native,
    arguments,
    compose,
    dockerfile,
    env_example,
    image_environment,
    our_services,
    variables,
)

SERVICES = compose()["services"]
WITH_HEALTH = {name: service["healthcheck"] for name, service in SERVICES.items() if "healthcheck" in service}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|SALT")
LISTENS = {"postgres": "5432", "redis": "6379"}


def words(service):
    return [str(word) for word in service.get("command", [])]


def port_of(name):
    """The port that a service's command listens on."""
    found = re.search(r"--port[ =](\d+)", " ".join(words(SERVICES[name])))
    return found[1] if found else LISTENS.get(name)


def test_every_part_of_the_platform_is_there():
    assert set(SERVICES) == {
        "postgres", "redis", "mlflow", "sandbox", "airflow-init", "airflow-api-server", "airflow-scheduler",
        "airflow-dag-processor", "airflow-triggerer", "airflow-worker", "demo-data",
    }  # fmt: skip


def test_the_example_environment_names_every_variable_and_no_other():
    assert set(env_example()) == {variable.name for variable in variables()}


def test_no_secret_has_a_default():
    for variable in variables():
        assert variable.is_required == bool(SECRET.search(variable.name)), variable.name
    assert {name for name, value in env_example().items() if value and SECRET.search(name)} == set()
    assert not SECRET.search(" ".join(image_environment()))


def test_git_ignores_the_filled_in_environment():
    assert ".env" in (PROJECT_DIR / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_exists_and_can_be_waited_for(name):
    for target, how in SERVICES[name].get("depends_on", {}).items():
        condition = how["condition"]
        assert condition in {"service_healthy", "service_completed_successfully"}
        if condition == "service_healthy":
            assert target in WITH_HEALTH
        else:
            assert SERVICES[target]["restart"] == "no"


def test_no_service_waits_for_itself():
    graph = {name: list(service.get("depends_on", {})) for name, service in SERVICES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(SERVICES)


def test_host_ports_are_loopback_and_do_not_clash():
    published = [port.rsplit(":", 2) for service in SERVICES.values() for port in service.get("ports", [])]
    assert {address for address, _, _ in published} == {"127.0.0.1"}
    assert len({host for _, host, _ in published}) == len(published) == 3


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "ports" in service])
def test_a_published_port_is_one_that_the_service_listens_on(name):
    assert {port.rsplit(":", 1)[1] for port in SERVICES[name]["ports"]} == {port_of(name)}


def test_an_address_names_a_service_and_the_port_it_listens_on():
    text = json.dumps([(service.get("environment"), words(service)) for service in SERVICES.values()])
    found = set(re.findall(r"(?:@|//)([a-z-]+):(\d+)", text))
    inside = {(host, port) for host, port in found if host != "localhost"}
    assert inside == {
        (host, port_of(host)) for host in ("postgres", "redis", "mlflow", "sandbox", "airflow-api-server")
    }
    assert {port for host, port in found - inside} <= {port_of(n) for n in ("mlflow", "sandbox", "airflow-api-server")}


def test_every_volume_path_and_config_exists():
    known, found = compose(), set()
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source, target, *_ = volume.split(":")
            found.add(source)
            if source.startswith("."):
                assert (PROJECT_DIR / source).exists()
                assert volume.endswith(":ro")
            elif "build" in service:
                assert target in prepared_folders(), f"{target} would belong to root"
        assert {c["source"] for c in service.get("configs", [])} <= set(known["configs"])
    assert {source for source in found if not source.startswith(".")} == set(known["volumes"])


def prepared_folders():
    text = next(rest for word, rest in dockerfile() if word == "RUN" and "install --directory" in rest)
    return {part for part in text.split() if part.startswith("/var/lib/")}


@pytest.mark.parametrize("name", WITH_HEALTH)
def test_a_health_check_is_well_formed_and_asks_its_own_service(name):
    check = WITH_HEALTH[name]
    kind, *rest = check["test"]
    assert kind in {"CMD", "CMD-SHELL"}
    for key in ("interval", "timeout", "start_period"):
        assert re.fullmatch(r"\d+[sm]", check.get(key, "0s")), key
    assert check["retries"] >= 3
    if rest[:2] == ["python", "-c"]:
        compile(rest[2], name, "exec")
        asked = re.search(r"http://127\.0\.0\.1:(\d+)/", rest[2])[1]
        own = port_of(name) or SERVICES[name]["environment"]["AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"]
        assert asked == own


def test_every_long_running_service_has_a_health_check():
    assert {name for name, service in SERVICES.items() if service["restart"] != "no"} == set(WITH_HEALTH)


@pytest.mark.parametrize("name", our_services())
def test_every_command_is_a_program_of_the_environment(name):
    found = [words(SERVICES[name])[0]]
    check = SERVICES[name].get("healthcheck", {}).get("test", ["CMD", "python"])
    found.append(check[1].split()[0])
    for program in found:
        assert (Path(sys.executable).parent / program).exists(), program


@pytest.mark.parametrize("name", our_services())
def test_every_variable_of_ours_is_a_setting(name):
    known = {variable_name(field) for field in Settings.model_fields}
    for variable in SERVICES[name].get("environment", {}):
        if variable.startswith("AUDIENCEFLOW_") or variable in {"WAREHOUSE_URL", "MLFLOW_TRACKING_URI"}:
            assert variable in known


def test_the_image_copies_what_exists_and_is_not_ignored():
    kept = {line[1:] for line in (PROJECT_DIR / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for words in arguments("COPY") for source in words[:-1]}
    assert copied == kept
    assert all((PROJECT_DIR / source).exists() for source in copied)


def test_the_image_has_the_projects_python_and_does_not_run_as_root():
    (base,) = arguments("FROM")
    assert base[0].startswith("python:3.11")
    assert arguments("USER")[-1] == ["audienceflow"]
    assert any("--create-home audienceflow" in rest for word, rest in dockerfile() if word == "RUN")


def test_the_images_paths_are_folders_of_the_project():
    inside = [value for value in image_environment().values() if value.startswith("/opt/audienceflow/")]
    assert inside
    assert all((PROJECT_DIR / Path(value).relative_to("/opt/audienceflow")).is_dir() for value in inside)


PARSES = """
import json, sys
from airflow.cli import cli_parser
from airflow.configuration import conf
from airflow.providers.celery.executors.celery_executor import app
import mlflow.cli, mlflow.environment_variables
asked = json.load(sys.stdin)
parser = cli_parser.get_parser()
for words in asked["airflow"]:
    parser.parse_args(words)
server = mlflow.cli.cli.commands["server"]
server.make_context("server", list(asked["mlflow"]))
from mlflow.server.security_utils import is_allowed_host_header
hosts = next(word for word in asked["mlflow"] if word.startswith("--allowed-hosts=")).partition("=")[2].split(",")
welcome = [host for host in ("mlflow:5000", "localhost:5000", "evil.example:5000")
           if is_allowed_host_header(hosts, host)]
understood = {str(option.envvar) for option in server.params} | set(dir(mlflow.environment_variables))
options = {f"AIRFLOW__{section}__{option}".upper() for section, found in conf.configuration_description.items()
           for option in found["options"]}
missing = [name for name in asked["options"] if name not in options]
missing += [name for name in asked["mlflow_variables"] if name not in understood]
print(json.dumps({"missing": missing, "app": type(app).__module__, "welcome": welcome}))
"""


@pytest.mark.airflow
def test_airflow_mlflow_and_celery_understand_what_they_are_told(tmp_path):
    """Every subcommand, argument and variable, by the programs' own parsers and lists."""
    checks = [check["test"][1:] for check in WITH_HEALTH.values()]
    commands = [*(words(service) for service in our_services().values()), *checks]
    names = {name for service in our_services().values() for name in service.get("environment", {})}
    asked = {
        "airflow": [found[1:] for found in commands if found[0] == "airflow"],
        "mlflow": words(SERVICES["mlflow"])[2:],
        "options": [name for name in names if name.startswith("AIRFLOW__")],
        "mlflow_variables": [name for name in names if name.startswith("MLFLOW_")],
    }
    native = Native(tmp_path, {}, {})
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PARSES], input=json.dumps(asked), capture_output=True, text=True,
        env=native.environment("airflow-worker"), check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    expected = {"missing": [], "app": "celery.app.base", "welcome": ["mlflow:5000", "localhost:5000"]}
    assert json.loads(ran.stdout.splitlines()[-1]) == expected
    assert len(asked["airflow"]) == 7
    asked_of_celery = next(found[0].split() for found in checks if "celery" in found[0])
    assert asked_of_celery[:3] == ["celery", "--app", "airflow.providers.celery.executors.celery_executor.app"]


def test_redis_is_started_with_the_password_from_its_environment():
    """Its server is not on every machine: then its command is only read."""
    *_, line = words(SERVICES["redis"])
    assert '--requirepass "$REDISCLI_AUTH"' in line
    assert "REDISCLI_AUTH" in SERVICES["redis"]["environment"]
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on this machine: its command was read, not run")
    assert subprocess.run(["redis-server", "--version"], check=False).returncode == 0


def test_a_fresh_stack_backtests_its_segments_and_so_has_something_to_send():
    """Where a backtest is required, every segment waits as `untested` for a person."""
    assert compose()["services"]["airflow-worker"]["environment"]["AUDIENCEFLOW_BACKTESTS"] == "automatic"
    assert env_example()["AUDIENCEFLOW_BACKTESTS"] == "automatic"
