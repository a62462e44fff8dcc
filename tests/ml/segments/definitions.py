"""Random definitions as a person would write them."""

from hypothesis import strategies as st

LENGTHS = ["1s", "1m", "5m", "10m", "1h", "24h", "2d", "7d"]
lengths = st.sampled_from(LENGTHS)
portions = st.one_of(
    st.fixed_dictionaries({"share": st.sampled_from([0.05, 0.2, 0.25, 0.5, 1.0])}),
    st.fixed_dictionaries({"count": st.integers(1, 12)}),
)


def _optional(**choices):
    return st.fixed_dictionaries({}, optional=choices)


def _merged(*parts):
    return st.tuples(*parts).map(lambda found: {k: v for part in found for k, v in part.items()})


windows = st.one_of(
    st.fixed_dictionaries({"last": lengths}),
    st.just({"ever": True}),
    st.sampled_from([["2d", "1h"], ["10m", "5m"], ["7d", "1d"]]).map(lambda found: {"between": found}),
)
wheres = st.one_of(
    st.fixed_dictionaries({"category": st.sampled_from(["TEA", "O'BRIEN", ["TEA", "O'BRIEN"]])}),
    st.fixed_dictionaries({"device": st.just("mobile"), "value": st.just({"at_least": 500})}),
)
order_wheres = st.fixed_dictionaries({"channel": st.just("web")})
web = st.fixed_dictionaries(
    {"event": st.sampled_from(["product_view", "add_to_cart", "purchase"])}, optional={"where": wheres}
)
orders = st.fixed_dictionaries(
    {"event": st.sampled_from(["order", "order_returned"])}, optional={"where": order_wheres}
)
happenings = st.one_of(web, web, orders)
counts = st.one_of(
    st.just({}),
    st.integers(1, 4).map(lambda n: {"at_least": n}),
    st.integers(0, 3).map(lambda n: {"at_most": n}),
    st.integers(0, 2).map(lambda n: {"exactly": n}),
    st.just({"at_least": 1, "at_most": 2}),
)
events = _merged(happenings, counts, windows)


@st.composite
def sequences(draw):
    steps = draw(st.lists(happenings, min_size=1, max_size=3))
    for index, step in enumerate(steps):
        if draw(st.booleans()):
            step["count"] = draw(st.integers(2, 3))
            step.update(draw(_optional(within=lengths)))
        if index:
            step.update(draw(_optional(no_later_than=lengths)))
    found = {"sequence": steps, **draw(windows)}
    if draw(st.booleans()):
        found["then_not"] = {**draw(happenings), "within": draw(lengths)}
    return found


numbers = st.one_of(
    st.sampled_from([0, 1, 7, 29, 30, 100, 250, 10_000]).flatmap(
        lambda n: st.sampled_from(["above", "at_least", "below", "at_most", "equals"]).map(lambda word: {word: n})
    ),
    st.just({"between": [1, 300]}),
    st.just({"in": [0, 30, 250]}),
    st.booleans().map(lambda found: {"is_missing": found}),
    portions.map(lambda found: {"top": found}),
    portions.map(lambda found: {"bottom": found}),
)
features = st.one_of(
    _merged(st.sampled_from(["recency_days", "spend_cents_84d"]).map(lambda f: {"feature": f}), numbers),
    st.just({"feature": "open_rate_84d", "at_least": 0.25}),
    st.just({"feature": "lifecycle_stage", "in": ["active", "at_risk"]}),
    st.just({"feature": "lifecycle_stage", "equals": "churned"}),
)
scores = st.one_of(
    st.just({"score": "churn_28d", "probability": {"at_least": 0.3}}),
    st.just({"score": "churn_28d", "break_even": {"cost_cents": 3, "value_cents": 10}}),
    st.just({"score": "clv_84d", "expected_value": {"above": 1000}}),
    st.just({"score": "clv_84d", "percentile": {"between": [0.3, 0.9]}}),
    _merged(st.sampled_from(["churn_28d", "clv_84d"]).map(lambda s: {"score": s}), portions.map(lambda p: {"top": p})),
    _merged(st.just({"score": "clv_84d"}), portions.map(lambda p: {"bottom": p})),
)
others = st.sampled_from(
    [
        {"segment": "vip"},
        {"consent": {"purpose": "marketing", "channel": "email"}},
        {"consent": {"purpose": "marketing", "channel": "sms"}},
    ]
)
leaves = st.one_of(features, scores, events, sequences(), others)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=5,
)
