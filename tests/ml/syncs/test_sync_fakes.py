"""The platform in memory keeps the contract that every destination keeps, so what is proved on it holds for them."""

import pytest

from tests.plugins.activation.contract import DestinationContract


class TestTheFakeKeepsTheContract(DestinationContract):
    @pytest.fixture
    def crm(self, platform):
        return platform
