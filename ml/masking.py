"""Personal data never reaches a log or an error whole."""

from __future__ import annotations

import re

_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*")
_PHONE = re.compile(r"(?<!\w)\+\d[\d ()-]{6,}\d")


def mask_email(email: str) -> str:
    """Return the address with all but its first letter and its domain hidden: `a***@example.com`."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}***@{domain}"


def mask(text: str) -> str:
    """Return `text` with every e-mail address and every international phone number in it masked."""
    return _PHONE.sub("+***", _EMAIL.sub(lambda found: mask_email(found.group()), text))
