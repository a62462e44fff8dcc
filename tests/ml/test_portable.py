"""The linter of the portable subset refuses what engines read differently."""

import pytest

from ml.portable import lint


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT SUM(a) FILTER (WHERE b > 1) AS s FROM t", "FILTER"),
        ("SELECT a FROM t ORDER BY a", "ORDER BY a: say NULLS FIRST or NULLS LAST"),
        ("SELECT ROW_NUMBER() OVER (ORDER BY a NULLS LAST, b) AS r FROM t", "ORDER BY b"),
        ("SELECT a / b AS c FROM t", "cast both sides"),
        ("SELECT CAST(a AS DOUBLE) / b AS c FROM t", "cast both sides"),
        ("SELECT ROUND(a, 1) AS c FROM t", "ROUND"),
        ("SELECT a, COUNT(*) AS n FROM t GROUP BY ALL", "GROUP BY ALL"),
        ("SELECT ARG_MAX(a, b) AS c FROM t", "ARG_MAX"),
        ("SELECT DATE_DIFF('day', a, b) AS c FROM t", "DATE_DIFF"),
        ("SELECT EPOCH(a) AS c FROM t", "EPOCH"),
        ("SELECT MEDIAN(a) AS c FROM t", "MEDIAN"),
        ("SELECT * FROM a ASOF JOIN b ON a.x >= b.x", "ASOF"),
        ("SELECT x FROM GENERATE_SERIES(1, 3) AS s(x)", "GENERATE_SERIES"),
        ("DELETE FROM t", "exactly one SELECT"),
        ("SELECT 1 AS a; SELECT 2 AS a", "exactly one SELECT"),
        ("SELECT FROM WHERE", "not readable"),
    ],
)
def test_what_is_not_portable_is_named(statement, words):
    assert any(words in problem for problem in lint(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT CAST(a AS DOUBLE) / NULLIF(CAST(b AS DOUBLE), 0) AS c FROM t",
        "SELECT a FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY a, b ORDER BY c DESC NULLS LAST, d NULLS LAST) = 1",
        "SELECT SUM(a) OVER (ORDER BY e NULLS LAST RANGE BETWEEN 600 PRECEDING AND CURRENT ROW) AS s FROM t",
    ],
)
def test_what_is_portable_passes(statement):
    assert lint(statement) == []
