"""The laws of the house (docs/decisions/0001): each is checked here or by ruff, never by memory."""

import ast
import subprocess
from pathlib import Path

import pytest

from ml.settings import PROJECT_DIR

SQL_STARTS = ("SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "UPDATE ", "WITH ")
# The warehouse layer is where statements around a SELECT are made; nobody else writes them.
WAREHOUSE_LAYER = {"ml/warehouse.py", "ml/schema.py", "ml/engines.py", "ml/checks.py"}


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return [PROJECT_DIR / line for line in listed.stdout.splitlines() if (PROJECT_DIR / line).exists()]


def _imports(path: Path, *, module_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if module_level else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _breaks(files: list[Path], banned: str, *, module_level: bool = False) -> list[str]:
    return [
        str(path.relative_to(PROJECT_DIR))
        for path in files
        if any(n == banned or n.startswith(banned + ".") for n in _imports(path, module_level=module_level))
    ]


def test_the_library_never_imports_the_orchestrator():
    for banned in ("airflow", "activation", "orchestration"):
        assert _breaks(_tracked("ml/*.py"), banned) == []


@pytest.mark.parametrize(
    ("package", "only"), [("mlflow", ["ml/models/registry.py"]), ("evidently", ["ml/monitoring/drift.py"])]
)
def test_a_heavy_package_is_imported_in_one_module(package, only):
    assert _breaks(_tracked("ml/*.py", "dags/*.py", "plugins/*.py"), package) == only


def test_vendor_http_lives_in_the_hooks():
    places = _breaks(_tracked("ml/*.py", "dags/*.py", "plugins/*.py"), "httpx")
    assert places
    assert all(place.startswith("plugins/activation/hooks/") for place in places)


@pytest.mark.parametrize("banned", ["pandas", "sklearn", "mlflow", "evidently", "ml.models", "ml.warehouse"])
def test_a_dag_file_imports_nothing_heavy_at_parse(banned):
    assert _breaks(_tracked("dags/*.py"), banned, module_level=True) == []


def test_a_dag_file_is_short():
    files = _tracked("dags/*.py")
    assert len(files) == 10
    assert {p.name: len(p.read_text().splitlines()) for p in files if len(p.read_text().splitlines()) > 120} == {}


def test_sql_lives_in_sql():
    found = []
    for path in _tracked("ml/*.py", "dags/*.py", "plugins/*.py"):
        place = str(path.relative_to(PROJECT_DIR))
        if place not in WAREHOUSE_LAYER:
            strings = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant))
            found += [
                f"{place}:{n.lineno}"
                for n in strings
                if str(n.value).lstrip().upper().startswith(SQL_STARTS) and str(n.value).lstrip()[:6].isupper()
            ]
    assert found == []


def test_no_file_names_a_package_registry():
    hosts = ["pypi" + ".org", "files.python" + "hosted", "registry.npm" + "js"]
    for path in _tracked():
        if path.suffix not in {".png", ".jpg", ".gz", ".parquet"}:
            text = path.read_text(errors="ignore")
            assert not [host for host in hosts if host in text], path


def test_requirements_are_pinned_without_addresses():
    lines = (PROJECT_DIR / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert pins
    assert all("==" in pin and "://" not in pin and "@" not in pin for pin in pins)
