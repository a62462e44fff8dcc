"""Every query gives equal rows on DuckDB and on PostgreSQL, doubles to the last bit, over one small random world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.settings import PROJECT_DIR
from ml.sql import render_file
from ml.warehouse import Warehouse
from tests.ml.features.worlds import AS_OF, fill, random_world
from tests.ml.segments.worlds import rows
from tests.sql.samples import OF_RULES, query_samples

CUSTOMERS = 25
STAGES = ("3_features", "5_scores", "6_segments")
"""The queries of 2_profiles are compared by the tables that they end in (tests/ml/profiles)."""


@pytest.fixture
def worlds(both_engines: tuple[Warehouse, Warehouse]) -> tuple[Warehouse, Warehouse]:
    """The same customers, orders, scores and members on both engines."""
    for warehouse in both_engines:
        fill(warehouse, random_world(6, CUSTOMERS))
        for name, partition, found in _made(np.random.default_rng(6)):
            warehouse.write(name, rows(name, found).drop([*partition]), partition)
    return both_engines


def _made(draw: np.random.Generator) -> list[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    everybody = range(1, CUSTOMERS)
    at = {"as_of": AS_OF}
    scores = [
        (
            "customer_scores",
            {**at, "model": model},
            [{"customer_key": k, "rank": k, "score": draw.random()} for k in everybody],
        )
        for model in ("tea", "wine", "churn")
    ]
    members = [
        ("segment_members", {**at, "segment": name}, [{"customer_key": k} for k in everybody if draw.random() < 0.5])
        for name in ("loyal", "browsing", "silent")
    ]
    known = [{"customer_key": k, "email": f"c{k}@example.com" if draw.random() < 0.8 else None} for k in everybody]
    asked = [{"customer_key": k, "purpose": "marketing", "channel": "email"} for k in everybody if draw.random() < 0.7]
    return [
        *scores,
        *members,
        ("customer_features", at, [{"customer_key": k} for k in everybody]),
        ("customer_profiles", {}, known),
        ("customer_consents", {}, asked),
    ]


def test_engines_agree_on_every_row_of_every_query(worlds: tuple[Warehouse, Warehouse]):
    paths = [path for path in (PROJECT_DIR / "sql").glob("[0-9]_*/queries/*.sql") if path.parts[-3] in STAGES]
    samples = query_samples(AS_OF)
    asked = [(path, params) for path in paths if path.stem not in OF_RULES for params in samples.get(path.stem, [{}])]
    duck, postgres = (_answers(warehouse, asked) for warehouse in worlds)
    for (path, params), one, other in zip(asked, duck, postgres, strict=True):
        assert one == other, (path.stem, params)
        assert one, f"{path.stem}: a comparison of nothing proves nothing"


def _answers(warehouse: Warehouse, asked: list[tuple[Path, dict[str, Any]]]) -> list[list[str]]:
    with warehouse.session() as session:
        found = [session.arrow(render_file(path, warehouse.engine.dialect, **params)) for path, params in asked]
    return [sorted(map(repr, rows.to_pylist())) for rows in found]
