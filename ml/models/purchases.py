"""What buy-till-you-die models read of a customer: how often, how long, how recently and how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ml.times import AsOf
    from ml.warehouse import Warehouse

_COLUMNS = {"recency_days": "recency", "age_days": "T", "monetary_cents": "monetary"}


def purchase_summary(warehouse: Warehouse, as_of: AsOf) -> pd.DataFrame:
    """Return one row for each customer with an order placed strictly before `as_of`, by customer_key.

    All columns are float64, time is in days of 86,400 seconds counted back from `as_of`:

    * frequency: days with a purchase after the first such day;
    * recency: days from the first purchase to the last, 0 where there is only one;
    * T: days from the first purchase to the last day before `as_of`;
    * monetary: mean cents of a repeat purchase day, the first one left out; 0 where there is no repeat, or where the
      repeats are worth nothing in sum (`GammaGamma.fit` takes rows with monetary > 0).

    Source: Fader, Hardie and Lee, "Counting your customers" the easy way (Marketing Science 24, 2005).
    """
    warehouse.create("customer_orders")
    rows = warehouse.select("3_features/queries/purchase_summary.sql", as_of=as_of)
    keyed = rows.set_index(rows["customer_key"].astype("int64")).drop(columns="customer_key")
    return keyed.rename(columns=_COLUMNS).astype("float64").sort_index()
