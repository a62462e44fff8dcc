import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ml.syncs.fingerprint import fingerprints

TEXT = st.one_of(st.none(), st.text(max_size=6))


def _prints(*rows):
    return fingerprints(pd.DataFrame(rows, columns=["a", "b"]), ["a", "b"]).tolist()


def test_a_fingerprint_never_changes():
    """Pinned: another value here would send every contact of every customer again."""
    assert _prints(("x", "y")) == ["58359a66f2ad15ec8960c77556d23e84"]


@given(st.lists(st.tuples(TEXT, TEXT), max_size=20))
def test_equal_rows_and_only_they_have_equal_fingerprints(rows):
    prints = _prints(*rows)
    assert len(set(prints)) == len(set(rows))
    assert dict(zip(rows, prints, strict=True)) == dict(zip(reversed(rows), reversed(prints), strict=True))


def test_missing_and_empty_and_moved_text_differ():
    assert len(set(_prints((None, "a"), ("", "a"), ("a", ""), ("a", None), ("", "aa"), ("a", "a")))) == 6


def test_the_salt_and_the_columns_count():
    frame = pd.DataFrame({"a": ["x"], "b": ["x"]})
    prints = {*fingerprints(frame, ["a"]), *fingerprints(frame, ["b"]), *fingerprints(frame, ["a"], salt="s")}
    assert len(prints) == 3


def test_no_rows_give_no_fingerprints():
    assert _prints() == []
