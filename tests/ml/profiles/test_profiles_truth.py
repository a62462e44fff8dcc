"""The demo's own truth table is the witness: nobody is merged or parted who should not be."""

from __future__ import annotations

import pandas as pd
import pytest

from ml.profiles.build import build_profiles
from ml.settings import settings
from ml.sources.load import ingest_source
from ml.warehouse import Warehouse

pytestmark = pytest.mark.slow
SOURCES = ("journey_households", "journey_products", "crm_contacts", "consents", "web_events")


@pytest.fixture(scope="module")
def demo(full_demo, tmp_path_factory):
    """A home with the demo's customers, consents and events staged and resolved."""
    with pytest.MonkeyPatch.context() as patched:
        home = tmp_path_factory.mktemp("demo")
        patched.setenv("AUDIENCEFLOW_HOME", str(home))
        patched.delenv("WAREHOUSE_URL", raising=False)
        settings.cache_clear()
        (home / "demo").symlink_to(full_demo / "demo")
        warehouse = Warehouse()
        with warehouse.held():
            for name in SOURCES:
                ingest_source(name, warehouse=warehouse)
            yield home / "demo" / "raw" / "truth", warehouse, build_profiles(warehouse=warehouse)
    settings.cache_clear()


@pytest.fixture(scope="module")
def bought(demo):
    """What loading the baskets counted, by source; profiles do not wait for them."""
    return {name: ingest_source(name, warehouse=demo[1]) for name in ("journey_orders", "journey_lines")}


@pytest.fixture
def truth(demo):
    return lambda name: pd.read_parquet(demo[0] / f"truth_{name}.parquet")


@pytest.fixture
def keys(demo):
    """Customer key by identifier."""
    return demo[1].read("customer_identities").set_index("identifier")["customer_key"]


@pytest.fixture
def households(keys):
    """Customer key by household."""
    found = keys[keys.index.str.startswith("household:")]
    return found.set_axis(found.index.str.removeprefix("household:").astype("int64"))


def test_every_line_and_every_cent_of_the_panel_is_staged_and_an_unknown_product_only_warns(demo, bought):
    """Through the shipped config/sources.yaml."""
    orders, lines = bought["journey_orders"], bought["journey_lines"]
    assert (lines["rows_read"], lines["rows_loaded"], lines["rows_refused"]) == (1_469_307, 1_469_307, 0)
    assert (orders["rows_read"], orders["rows_loaded"], orders["rows_refused"]) == (1_469_307, 155_848, 0)
    assert lines["warnings"] == ["product_id:reference: 4,836 rows"]
    assert (demo[1].count("stg_order_lines"), demo[1].count("stg_orders")) == (1_469_307, 155_848)
    assert demo[1].count("quarantined_rows", {"source_name": ["journey_orders", "journey_lines"]}) == 0
    for table, column in (("stg_order_lines", "amount_cents"), ("stg_orders", "total_cents")):
        total = demo[1].select_text(f"SELECT CAST(SUM({column}) AS BIGINT) AS cents FROM {table}")
        assert total["cents"].tolist() == [459_603_958]


def test_the_duplicates_resolve_to_exactly_the_households(demo, truth, keys, households):
    duplicates = truth("duplicates")
    assert demo[2]["customers"] == households.nunique() == len(households) == 2469
    found = keys.reindex("crm:" + duplicates["crm_id"].astype(str)).to_numpy()
    assert (found == households.reindex(duplicates["household_id"]).to_numpy()).all()


def test_every_device_belongs_to_whom_it_should_or_to_nobody(truth, keys, households):
    devices = truth("devices")
    found = devices["anonymous_id"].map(keys)
    assert (found.notna() == devices["resolvable"]).all()
    ours = devices["resolvable"]
    assert (found[ours] == devices.loc[ours, "household_id"].map(households)).all()


def test_consents_end_in_the_true_state(demo, truth, households):
    """The true last word of every customer, purpose and channel; and no row where there was no word."""
    expected = truth("consents")
    expected["customer_key"] = expected["household_id"].map(households)
    columns = ["customer_key", "purpose", "channel", "granted"]
    found = demo[1].read("customer_consents")
    assert set(found[columns].itertuples(index=False, name=None)) == set(
        expected[columns].itertuples(index=False, name=None)
    )


def test_what_fifty_share_is_reported_and_merges_nobody(demo, truth):
    shared = demo[1].read("shared_identifiers")
    traps = truth("duplicates")["trap"].value_counts()
    by_type = shared.set_index("identifier_type")["customer_refs"]
    assert by_type["email"] >= traps["shared_email"]
    assert by_type["phone"] >= traps["shared_phone"]
    assert set(shared["reason"]) == {"limit"}
