"""Another shop than the demo's: what can be learnt there is learnt, and what cannot is refused with a reason."""

from __future__ import annotations

import pytest

from ml.errors import NotEnoughData
from ml.features.build import build_features
from ml.models.train import train_model
from ml.scores.batch import score_model
from ml.warehouse import Warehouse
from tests.ml.models import rough
from tests.ml.models.shop import forget

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, empty_store):
    home = tmp_path_factory.mktemp("rough")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AUDIENCEFLOW_HOME", str(home))
        patched.delenv("WAREHOUSE_URL", raising=False)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = home / "mlflow" / "mlflow.db"
        store.parent.mkdir()
        store.write_bytes(empty_store.read_bytes())
        forget()
        yield rough.use(home, patched)
    forget()


def test_the_shop_is_as_rough_as_it_says(shop: Warehouse):
    lines = rough.lines()
    assert 0.15 < lines["customer"].isna().mean() < 0.25
    assert 0.04 < (lines["quantity"] < 0).mean() < 0.09
    orders = shop.read("customer_orders")
    placed = orders[orders["status"] == "placed"].groupby("customer_key").size()
    assert 0.4 < (placed == 1).mean() < 0.7
    assert set(orders["status"]) == {"placed", "returned"}
    assert shop.count("quarantined_rows") > 500, "rows without a customer are kept where somebody can look at them"


def test_churn_of_four_in_ten_is_learnt_calibrated_and_scored(shop: Warehouse):
    found = train_model("churn", rough.AS_OF, warehouse=shop)
    metrics = found["metrics"]
    assert found["alias"] == "champion"
    assert 0.33 < metrics["test_mean"] < 0.47
    assert metrics["auc"] > 0.65
    assert metrics["ece"] < 0.08
    build_features(rough.AS_OF, shop)
    scored = score_model("churn", rough.AS_OF, warehouse=shop)
    assert scored["rows"] > 150
    assert 0.3 < scored["mean"] < 0.5


def test_value_net_of_returns_is_learnt(shop: Warehouse):
    found = train_model("value", rough.AS_OF, warehouse=shop)
    assert found["metrics"]["gini"] > 0.5
    assert abs(found["metrics"]["total_error"]) < 0.3
    assert found["decision"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("offer", r"offer: .*0 customers at"),
        ("buys_tea", r"buys_tea: 0 positive and \d+ negative training labels, 50 of each needed"),
    ],
)
def test_what_the_shop_has_nothing_of_is_refused_with_a_reason(shop: Warehouse, name: str, reason: str):
    with pytest.raises(NotEnoughData, match=reason):
        train_model(name, rough.AS_OF, warehouse=shop)
