"""Definitions in a config folder of the test's own."""

import shutil

import pytest

from ml.settings import PROJECT_DIR, settings

DEFINITION = """\
name: {name}
description: Words.
goal: Words.
owner: Words.
action: Words.
consent: {{purpose: marketing, channel: email}}
who: {who}
{more}
"""


@pytest.fixture
def define(home, monkeypatch):
    """Write definitions into a config folder of the test's own."""
    shutil.copytree(PROJECT_DIR / "config", home / "config", ignore=shutil.ignore_patterns("segments"))
    (home / "config" / "segments").mkdir()
    monkeypatch.setenv("AUDIENCEFLOW_CONFIG_DIR", str(home / "config"))
    settings.cache_clear()

    def write(name: str, who: str, more: str = "") -> None:
        path = home / "config" / "segments" / f"{name}.yaml"
        path.write_text(DEFINITION.format(name=name, who=who, more=more))

    return write
