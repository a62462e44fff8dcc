"""The linter of the portable SQL subset: what every engine reads alike (see docs/sql.md).

Each rule is a scar: idiomatic DuckDB that another engine refuses, or reads differently without a word.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]

_FORBIDDEN: dict[type[exp.Expr], str] = {
    exp.Filter: "FILTER (WHERE ...): write CASE inside the aggregate",
    exp.ArgMax: "ARG_MAX: write QUALIFY ROW_NUMBER() ... = 1",
    exp.ArgMin: "ARG_MIN: write QUALIFY ROW_NUMBER() ... = 1",
    exp.DateDiff: "DATE_DIFF: subtract epochs (Spark reads it differently)",
    exp.Round: "ROUND: engines round halves differently; FLOOR(x + 0.5), or integers",
    exp.Median: "MEDIAN: not portable; NTILE or a count of smaller values",
    exp.Quantile: "QUANTILE: not portable",
    exp.PercentileCont: "PERCENTILE_CONT: not portable",
    exp.GenerateSeries: "GENERATE_SERIES: not portable",
    exp.TimeToUnix: "EPOCH(): carry *_epoch columns instead",
    exp.TryCast: "TRY_CAST: PostgreSQL has none; cast in the door",
    exp.ApproxDistinct: "APPROX_COUNT_DISTINCT: engines disagree",
}
_FORBIDDEN_NAMES = {
    "epoch",
    "epoch_ms",
    "epoch_us",
    "range",
    "list",
    "struct_pack",
    "datediff",
    "date_diff",
    "strftime",
    "unnest",
    "hash",
}
_ITEM_ENDS = {
    TokenType.ROWS,
    TokenType.RANGE,
    TokenType.LIMIT,
    TokenType.QUALIFY,
    TokenType.SEMICOLON,
    TokenType.UNION,
    TokenType.OFFSET,
}


def lint(text: str) -> list[str]:
    """Return what is not portable in a rendered statement, in words; an empty list is a pass."""
    try:
        statements = sqlglot.parse(text, read="duckdb")
    except sqlglot.errors.ParseError as error:
        return [f"not readable as SQL: {error}"]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return ["a file holds exactly one SELECT"]
    return [*_tree(statements[0]), *_orders(text)]


def _tree(statement: exp.Expr) -> Iterator[str]:
    for node in statement.walk():
        for kind, words in _FORBIDDEN.items():
            if isinstance(node, kind):
                yield words
        yield from _node(node)


def _node(node: exp.Expr) -> Iterator[str]:
    if isinstance(node, exp.Anonymous) and node.name.lower() in _FORBIDDEN_NAMES:
        yield f"{node.name.upper()}(): not portable"
    if isinstance(node, exp.Group) and node.args.get("all"):
        yield "GROUP BY ALL: name the columns"
    if isinstance(node, exp.Join) and str(node.args.get("method") or "").upper() == "ASOF":
        yield "ASOF JOIN: write QUALIFY ROW_NUMBER() ... = 1"
    if isinstance(node, exp.Div) and not all(_is_cast(side) for side in (node.left, node.right)):
        yield f"{node.sql('duckdb')}: cast both sides of / to DOUBLE (integer division differs)"


def _is_cast(node: exp.Expr) -> bool:
    while isinstance(node, exp.Paren | exp.Nullif):
        node = node.this
    return isinstance(node, exp.Cast)


def _orders(text: str) -> Iterator[str]:
    """Every key of every ORDER BY says where NULLs go: engines disagree on the default."""
    tokens = sqlglot.tokenize(text, read="duckdb")
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.ORDER_BY:
            for item in _items(tokens[index + 1 :]):
                if not any(t.text.upper() == "NULLS" for t in item):
                    words = " ".join(t.text for t in item)
                    yield f"line {token.line}: ORDER BY {words}: say NULLS FIRST or NULLS LAST"


def _items(tokens: list[Token]) -> Iterator[list[Token]]:
    depth, item = 0, list[Token]()
    for token in tokens:
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth < 0 or (depth == 0 and token.token_type in _ITEM_ENDS):
            break
        if depth == 0 and token.token_type == TokenType.COMMA:
            yield item
            item = []
        else:
            item.append(token)
    if item:
        yield item
