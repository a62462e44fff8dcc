"""Writing: once, whole, the same bytes every time."""

import hashlib
import json

import pytest

from ml.errors import SourceError
from ml.sources.demo import __main__ as command
from ml.sources.demo import journey, write_demo, writing


def _bytes(raw):
    return {
        str(path.relative_to(raw)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in raw.rglob("*")
        if path.is_file()
    }


class KilledError(BaseException):
    """Stands for a signal: nothing in the code may catch it and go on."""


def test_same_seed_same_bytes_other_seed_other_companion(small, tmp_path):
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    for home, seed in ((first, 1), (again, 1), (other, 2)):
        write_demo(home, seed=seed)
    one, two, three = (_bytes(home / "demo" / "raw") for home in (first, again, other))
    assert one == two
    assert one["complete_journey/transactions.parquet"] == three["complete_journey/transactions.parquet"]
    changed = {name for name in one if name.startswith(("companion/w", "companion/c", "truth/"))}
    assert all(one[name] != three.get(name) for name in changed)


def test_second_call_does_nothing_and_a_damaged_file_is_made_again(small, tmp_path):
    first = write_demo(tmp_path, seed=1)
    assert first["written"]
    raw = tmp_path / "demo" / "raw"
    before = {path: path.stat().st_mtime_ns for path in raw.rglob("*")}
    assert not write_demo(tmp_path, seed=1)["written"]
    assert before == {path: path.stat().st_mtime_ns for path in raw.rglob("*")}
    whole = _bytes(raw)
    victim = raw / "companion" / "crm_contacts.csv.gz"
    victim.write_bytes(victim.read_bytes()[:100])
    (raw / "companion" / "web_events" / "web_events_1999-01.parquet").write_bytes(b"left over")
    assert write_demo(tmp_path, seed=1)["written"]
    assert _bytes(raw) == whole


@pytest.mark.parametrize("moment", [0, 2, 4])
def test_killed_at_any_moment_it_ends_in_the_same_state(small, tmp_path, moment):
    said = []

    def killed(line: str) -> None:
        said.append(line)
        if len(said) == moment + 1:
            raise KilledError

    with pytest.raises(KilledError):
        write_demo(tmp_path, seed=1, progress=killed)
    raw = tmp_path / "demo" / "raw"
    assert not (raw / writing.MANIFEST).exists()
    made = write_demo(tmp_path, seed=1)
    assert made["written"]
    assert made["files"].keys() | {writing.MANIFEST} == _bytes(raw).keys()
    assert all(made["files"][name]["sha256"] == digest for name, digest in _bytes(raw).items() if name in made["files"])


def test_manifest_names_every_file_with_its_hash(raw):
    manifest = json.loads((raw.folder / writing.MANIFEST).read_text())
    found = _bytes(raw.folder)
    found.pop(writing.MANIFEST)
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == found


def test_missing_package_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(journey.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SourceError, match="make setup"):
        write_demo(tmp_path, seed=1)


def test_command_prints_what_it_wrote(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["demo", "--home", str(tmp_path), "--seed", "3"])
    assert command.main() == 0
    printed = capsys.readouterr().out
    assert "seed 3" in printed
    assert "revenue cents" in printed


def test_generated_files_say_that_they_are_synthetic(raw):
    assert "generated" in (raw.folder / "companion" / "README.md").read_text()
