"""A warehouse whose file stays open, because these tests open it often and compute little."""

import pytest


@pytest.fixture
def duck(duck):
    with duck.session():
        yield duck
