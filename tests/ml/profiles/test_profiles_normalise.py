"""Spellings of one mailbox or number become one identifier; what is not valid becomes none."""

import pyarrow as pa
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from ml.profiles.config import EmailPolicy, PhonePolicy
from ml.profiles.normalise import normalise_emails, normalise_phones

LOOSE = EmailPolicy(placeholders=("None@example.com",))
STRICT = EmailPolicy(ignore_plus_tags=False, ignore_gmail_dots=False)
labels = st.text("ab1-_+.", min_size=1, max_size=70)
domains = st.sampled_from(
    ["example.com", "x.test", "a-b.co.uk", "a--b.com", "xn--a.com", "-a.com", "a", "a..b", "my.local"]
)


def emails(*values, policy=LOOSE):
    clean = normalise_emails(pa.array(values, pa.string()), policy)
    return clean.identifier.to_pylist(), clean.address.to_pylist()


US = PhonePolicy()


def phones(*pairs, policy=US):
    raw, country = zip(*pairs, strict=True)
    return normalise_phones(pa.array(raw), pa.array(country, pa.string()), policy).identifier.to_pylist()


@pytest.mark.parametrize(
    "dirty",
    ["ann@example.com", " Ann@Example.COM\t", "ann @example.com", "<ann@example.com>", "mailto:ANN@example.com;",
     "\uff41\uff4e\uff4e@example.com", "a\u200bnn@example.com", "ann@example.com."],
)  # fmt: skip
def test_spellings_of_one_address_are_one(dirty):
    assert emails(dirty) == (["ann@example.com"], ["ann@example.com"])


def test_tags_and_gmail_dots_decide_who_is_the_same_but_not_where_to_send():
    values = ("Ann+news@example.com", "a.n.n+x@googlemail.com", "a.n.n@example.com")
    assert emails(*values) == (
        ["ann@example.com", "ann@gmail.com", "a.n.n@example.com"],
        ["ann+news@example.com", "a.n.n+x@googlemail.com", "a.n.n@example.com"],
    )


def test_a_policy_may_keep_tags_and_dots_apart():
    assert emails("ann+news@example.com", "a.n.n@gmail.com", policy=STRICT)[0] == [
        "ann+news@example.com",
        "a.n.n@gmail.com",
    ]


@pytest.mark.parametrize(
    "bad", ["", "ann", "ann@", "@example.com", "ann@localhost", "a..n@example.com", "ann@b.invalid", "a@b@c.com", None,
            "none@example.com", " NONE@example.com", "ann@-b.com", "a" * 65 + "@example.com"],
)  # fmt: skip
def test_what_is_not_an_address_or_stands_for_none_is_no_identifier(bad):
    assert emails(bad) == ([None], [None])


def test_other_scripts_and_punycode_are_one_address():
    found, _ = emails("Jörg@Bücher.example.com", "jörg@xn--bcher-kva.example.com", "jo\u0308rg@bücher.example.com")
    assert found == ["jörg@bücher.example.com"] * 3


@given(labels, domains)
@example("a" * 64, "example.com")
@example("a.b-", "example.com")
def test_the_bulk_check_agrees_with_the_validator(local, domain):
    """The Arrow path accepts nothing that email-validator refuses, and refuses nothing it accepts."""
    address = f"{local}@{domain}"
    try:
        expected = validate_email(address, check_deliverability=False, strict=True).normalized.lower()
    except EmailNotValidError:
        expected = None
    assert emails(address, policy=STRICT)[1] == [expected]


@given(st.lists(st.one_of(st.emails(), st.text(max_size=12)), max_size=5))
def test_cleaning_twice_changes_nothing(values):
    identifiers, addresses = emails(*values)
    assert emails(*addresses)[1] == addresses
    assert emails(*identifiers)[0] == identifiers


def test_national_numbers_are_read_in_their_country():
    pairs = [("(212) 555-0123", "US"), ("020 7946 0958", "GB"), ("+44 20 7946 0958", "US"), ("001 212 555 0123", "DE")]
    assert phones(*pairs) == ["+12125550123", "+442079460958", "+442079460958", "+12125550123"]


def test_a_country_that_is_unknown_reads_as_the_default():
    assert phones(("212-555-0123", None), ("212-555-0123", "??"), ("212-555-0123", "")) == ["+12125550123"] * 3
    assert phones(("0171 1234567", None), policy=PhonePolicy(default_country="DE")) == ["+491711234567"]


def test_what_is_not_a_number_or_stands_for_none_is_no_identifier():
    policy = PhonePolicy(placeholders=("+12125550100",))
    bad = ["", "call me", "0000000000", "123", "212-555-0100"]
    assert phones(*((value, "US") for value in bad), policy=policy) == [None] * 5
