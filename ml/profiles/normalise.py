"""One spelling for each e-mail address and phone number.

Every value has two clean forms: the `address` to send to, and the `identifier` that decides whether two
values are the same (it ignores tags and dots where the policy says so). Plain ASCII addresses are
checked by Arrow in bulk; what is left over goes through email-validator, syntax only, no DNS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ml.profiles.config import EmailPolicy, Identifiers, PhonePolicy

# A strict subset of what email-validator accepts unchanged (no quotes, no punycode, no one-word domains).
_PLAIN = r"^[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9]|-[a-z0-9]){0,30}\.)+[a-z]{2,24}$"
# Names that are reserved for special use; email-validator decides about them.
_RESERVED = r"[@.](?:arpa|invalid|local|localhost|onion|test|alt|internal)$"
_INVISIBLE = "[\u200b\u200c\u200d\u2060\ufeff\u00ad]"
_WRAPPED = r"^(?:mailto:)?<?([^<>]*?)>?[,;.]*$"
_GMAIL = ("gmail.com", "googlemail.com")
_LIMIT = {"max_customers"}
_RULES = "1"  # count up when the code below gives a value another form
_LONGEST_LOCAL, _LONGEST = 64, 254


class Contacts(NamedTuple):
    """Clean forms in the order of the raw values; null where a value is not valid."""

    identifier: pa.Array
    address: pa.Array


def normalise_emails(raw: pa.Array, policy: EmailPolicy) -> Contacts:
    """Return the clean forms of distinct e-mail addresses; placeholders and invalid ones become null."""
    tidy = tidy_emails(raw)
    address = pc.if_else(_is_plain(tidy), tidy, pa.scalar(None, pa.string()))
    doubtful = pc.and_(pc.is_null(address), pc.is_valid(tidy))
    checked = pa.array([_checked(value) for value in tidy.filter(doubtful).to_pylist()], pa.string())
    address = pc.replace_with_mask(address, doubtful, checked)
    address = _without(address, policy.placeholders)
    return Contacts(match_keys(address, policy), address)


def tidy_emails(raw: pa.Array) -> pa.Array:
    """Return addresses in composed Unicode and lower case, without blanks, wrapping and invisible characters."""
    tidy = pc.utf8_lower(pc.utf8_normalize(raw.cast(pa.string()), form="NFKC"))
    tidy = pc.replace_substring_regex(tidy, _INVISIBLE, "")
    tidy = pc.replace_substring_regex(tidy, r"\s+", "")
    return pc.replace_substring_regex(tidy, _WRAPPED, r"\1")


def match_keys(address: pa.Array, policy: EmailPolicy) -> pa.Array:
    """Return for each valid address the mailbox it reaches, as far as the policy knows."""
    parts = pc.extract_regex(address, r"^(?P<local>.+)@(?P<domain>[^@]+)$")
    local, domain = pc.struct_field(parts, "local"), pc.struct_field(parts, "domain")
    if policy.ignore_plus_tags:
        local = pc.replace_substring_regex(local, r"^([^+]+)\+.*$", r"\1")
    if policy.ignore_gmail_dots:
        is_gmail = pc.is_in(domain, pa.array(_GMAIL))
        local = pc.if_else(is_gmail, pc.replace_substring(local, ".", ""), local)
        domain = pc.if_else(is_gmail, _GMAIL[0], domain)
    return pc.binary_join_element_wise(local, domain, "@")


def normalise_phones(raw: pa.Array, country: pa.Array, policy: PhonePolicy) -> Contacts:
    """Return distinct phone numbers in E.164; a number without prefix is read in its record's country.

    `country` holds ISO 3166 alpha-2 codes beside `raw`; an unknown one reads as the policy's default.
    """
    placeholders = set(policy.placeholders)
    numbers = [
        None if value in placeholders else _e164(value, place, policy.default_country)
        for value, place in zip(raw.to_pylist(), country.to_pylist(), strict=True)
    ]
    found = _without(pa.array(numbers, pa.string()), policy.placeholders)
    return Contacts(found, found)


def policy_fingerprint(policy: Identifiers) -> str:
    """Return a name for the rules that made clean forms; it changes with the policy and the libraries."""
    versions = [f"{name} {version(name)}" for name in ("email-validator", "phonenumbers")]
    rules = policy.model_dump_json(exclude={"anonymous_id": True, "email": _LIMIT, "phone": _LIMIT})
    text = "\n".join([_RULES, rules, *versions])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _is_plain(tidy: pa.Array) -> pa.Array:
    plain = pc.match_substring_regex(tidy, _PLAIN)
    reserved = pc.match_substring_regex(tidy, _RESERVED)
    fits = pc.less_equal(pc.utf8_length(tidy), _LONGEST)
    local_fits = pc.less_equal(pc.find_substring(tidy, "@"), _LONGEST_LOCAL)
    return pc.and_(pc.and_(plain, pc.invert(reserved)), pc.and_(fits, local_fits))


def _checked(value: str) -> str | None:
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(value, check_deliverability=False, strict=True).normalized.lower()
    except EmailNotValidError:
        return None


def _e164(value: str, country: str | None, default_country: str) -> str | None:
    import phonenumbers

    region = (country or "").upper()
    region = region if region in phonenumbers.SUPPORTED_REGIONS else default_country
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _without(values: pa.Array, placeholders: Iterable[str]) -> pa.Array:
    blocked = pc.is_in(values, pa.array(list(placeholders), pa.string()))
    return pc.if_else(blocked, pa.scalar(None, pa.string()), values)
