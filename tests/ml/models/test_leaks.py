"""The leak guard, over features that the shipped SQL built: what is honest passes, a day too many does not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.errors import LeakFound, NotEnoughData
from ml.features.build import build_features
from ml.models import dataset, leaks, snapshots
from ml.models.spec import model_spec
from ml.settings import PROJECT_DIR, settings
from ml.times import AsOf, parse_as_of
from ml.warehouse import Warehouse
from tests.ml.models import orders
from tests.ml.models.shop import forget

pytestmark = pytest.mark.slow
AT = parse_as_of(orders.AS_OF)
TEST = AT.minus(28)
CUT = leaks.cut


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder whose warehouse holds the shop, its snapshots built and checked once."""
    home = tmp_path_factory.mktemp("orders")
    with pytest.MonkeyPatch.context() as patched:
        orders.use(home, patched)
        _check(Warehouse(), fresh=True)
    forget()
    return home


@pytest.fixture
def warehouse(built: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    shutil.copy(built / "warehouse.duckdb", home)
    orders.use(home, monkeypatch, fill=False)
    made = Warehouse()
    with made.held():
        yield made
    forget()


def _check(warehouse: Warehouse, at: AsOf = AT, *, fresh: bool = False) -> None:
    spec = model_spec("churn_28d")
    chosen = snapshots.choose(spec, AT, warehouse)
    if fresh:
        snapshots.ensure(spec, chosen, AT, warehouse)
    leaks.check(spec, dataset.load(spec, chosen, warehouse), at, warehouse)


def test_honest_features_pass_and_equal_rows_are_computed_again_only_once(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    cut = []
    monkeypatch.setattr(leaks, "cut", lambda texts, at: cut.append([*texts]) or CUT(texts, at))
    _check(warehouse)
    assert cut == [["churn_labels"]]


@pytest.mark.parametrize("back", [28, 112], ids=["test", "training"])
def test_a_snapshot_built_one_day_late_is_found_whichever_it_is(warehouse: Warehouse, back: int):
    at = AT.minus(back)
    orders.build_late(str(at), warehouse, days=1)
    with pytest.raises(LeakFound, match=rf"{re.escape(str(at))}: .*recency_days \(\d+ of \d+ customers\), orders"):
        _check(warehouse)


def test_one_statement_that_reaches_a_day_too_far_is_found_by_its_features(
    warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(PROJECT_DIR / "sql", home / "sql")
    path = home / "sql" / "3_features" / "basket_totals.sql"
    text = path.read_text()
    assert "ordered_epoch < {{ as_of_epoch }}" in text
    path.write_text(text.replace("ordered_epoch < {{ as_of_epoch }}", "ordered_epoch < {{ as_of_epoch + 86400 }}"))
    monkeypatch.setenv("AUDIENCEFLOW_SQL_DIR", str(home / "sql"))
    settings.cache_clear()
    build_features(str(TEST), warehouse)
    with pytest.raises(LeakFound, match=r"customer_features at 2024-05-04.*: .*lines_per_order_84d") as caught:
        _check(warehouse)
    assert "recency_days" not in str(caught.value)


def test_a_label_that_is_not_what_its_window_holds_is_found(warehouse: Warehouse):
    part = {"as_of": TEST, "horizon_days": 28, "active_window_days": 28}
    rows = warehouse.read("churn_labels", ["customer_key", "churned"], part | {"as_of": TEST.at})
    rows.loc[0, "churned"] = not rows.loc[0, "churned"]
    warehouse.write("churn_labels", rows, part)
    with pytest.raises(LeakFound, match=r"churn_labels at .*churned \(1 of \d+ customers\)"):
        _check(warehouse)


def test_a_label_window_that_is_still_open_is_found(warehouse: Warehouse):
    with pytest.raises(LeakFound, match=r"at 2024-05-04\S+ ends at 2024-06-01\S+, after 2024-05-31"):
        _check(warehouse, AT.minus(1))


def test_sources_that_have_fallen_silent_are_not_taken_for_churn(warehouse: Warehouse):
    with pytest.raises(NotEnoughData, match=r"the last order before .* (8\.\d) days earlier; 7 are believed"):
        _check(warehouse, AT.plus(8))
