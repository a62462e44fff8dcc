"""What a team's Airflow needs before it starts."""

import json

import pytest

from ml.errors import ConfigError
from orchestration import team


def test_the_password_file_is_for_its_owner_and_may_be_written_again(tmp_path):
    path = tmp_path / "airflow" / "passwords.json"
    for word in ("first", "second"):
        team.write_passwords(path, {"admin": word})
    assert json.loads(path.read_text()) == {"admin": "second"}
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_password_is_named_before_anything_is_done(monkeypatch, tmp_path):
    monkeypatch.setenv(team.PASSWORDS_FILE, str(tmp_path / "passwords.json"))
    monkeypatch.delenv(team.PASSWORD, raising=False)
    with pytest.raises(ConfigError, match="AIRFLOW_ADMIN_PASSWORD is not set"):
        team.prepare()
    assert list(tmp_path.iterdir()) == []
