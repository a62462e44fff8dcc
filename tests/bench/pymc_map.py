"""Time pymc-marketing's maximum a posteriori, in an environment that has it; nothing of this project is imported.

`python tests/bench/pymc_map.py customers.csv RUNS` prints one line of JSON: for each model the seconds of each run
(the first one compiles) and what came out.
"""

import json
import sys
import time
import warnings

import pandas as pd

warnings.simplefilter("ignore")
HISTORY = ["customer_id", "frequency", "recency", "T"]


def main(path: str, runs: int) -> None:
    from pymc_marketing import clv

    rows = pd.read_csv(path)
    spenders = rows[rows["frequency"] > 0].rename(columns={"monetary": "monetary_value"})
    asked = {
        "BG/NBD": (clv.BetaGeoModel, rows[HISTORY]),
        "Pareto/NBD": (clv.ParetoNBDModel, rows[HISTORY]),
        "Gamma-Gamma": (clv.GammaGammaModel, spenders[["customer_id", "frequency", "monetary_value"]]),
    }
    found = {name: timed(model, data, runs) for name, (model, data) in asked.items()}
    sys.stdout.write(json.dumps(found) + "\n")


def timed(model: type, data: pd.DataFrame, runs: int) -> dict[str, object]:
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        fitted = model(data=data)
        fitted.fit(method="map", progressbar=False)
        seconds.append(round(time.perf_counter() - started, 4))
    return {"seconds": seconds, "params": fitted.fit_summary().to_dict()}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
