"""What BG/NBD with Gamma-Gamma expects of each customer: a baseline of every value model, and the level of some."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.errors import ImpossibleData, NotConverged, NotEnoughData
from ml.models.purchases import purchase_summary
from ml.settings import settings

if TYPE_CHECKING:
    from ml.models.metrics import Array
    from ml.times import AsOf
    from ml.warehouse import Warehouse

log = logging.getLogger(__name__)

EXPECTED = "btyd_cents"  # the column, beside the features of a value model
_ROWS = 60_000  # seven parameters do not get better from more
_PENALTY = 1e-4  # keeps a parameter of which the data say nothing from running away; totals move by 0.1%
_DECIMALS = 3  # of a cent: engines may differ in the last bits of a sum


def expected_spend(warehouse: Warehouse, as_of: AsOf, horizon_days: int) -> pd.Series:
    """Return the cents expected in the next `horizon_days`, by customer_key, of all who ordered before `as_of`.

    Both models are fitted at `as_of` on what lies before it, so that training, scoring and drift see the same column.
    Empty where they cannot be fitted (nobody buys again, say): a warning tells why.
    """
    summary = purchase_summary(warehouse, as_of)
    try:
        cents = _expected(summary, horizon_days)
    except (NotEnoughData, NotConverged, ImpossibleData) as error:
        log.warning("No spend is expected at %s: %s", as_of, error)
        return pd.Series(dtype=np.float64)
    return pd.Series(cents, index=summary.index)


def _expected(summary: pd.DataFrame, horizon_days: int) -> Array:
    from ml.models.btyd import BetaGeoNBD, GammaGamma  # scipy and scikit-learn take a second to import

    seen = summary.sample(min(len(summary), _ROWS), random_state=settings().seed)
    spent = seen[seen["monetary"] > 0]
    often = BetaGeoNBD(_PENALTY).fit(seen["frequency"], seen["recency"], seen["T"])
    much = GammaGamma(_PENALTY).fit(spent["frequency"], spent["monetary"])
    orders = often.expected_purchases(horizon_days, summary["frequency"], summary["recency"], summary["T"])
    return np.round(orders * much.expected_value(summary["frequency"], summary["monetary"]), _DECIMALS)
