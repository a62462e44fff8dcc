"""One Asset a table, made without a database."""

import pytest

from ml.sql import load_tables
from orchestration import assets


def test_every_table_has_one_asset_in_the_group_of_its_stage():
    for name, table in load_tables().items():
        found = assets.table(name)
        assert (found.name, found.group) == (name, table.stage)
        assert found.uri == f"audienceflow://warehouse/{table.stage}/{name}"


def test_a_stage_is_narrowed_by_the_start_of_its_names():
    names = [asset.name for asset in assets.stage("1_staging", prefix="stg_")]
    assert "stg_orders" in names
    assert names == sorted(names)
    assert "quarantined_rows" not in names


def test_a_table_that_does_not_exist_is_refused():
    with pytest.raises(KeyError):
        assets.table("customer_feature")
