"""The error tree is drawn once, and the drawing is true."""

import inspect
import re

from ml import errors


def test_the_drawing_names_every_error_and_its_parent():
    drawn = re.findall(r"^( *)[│├└─ ]*?(?:├── |└── )?([A-Z]\w+)", errors.__doc__, flags=re.MULTILINE)
    names = {name for _, name in drawn if hasattr(errors, name)}
    defined = {n for n, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == "ml.errors"}
    assert names == defined


def test_what_a_caller_must_do_is_in_the_class():
    assert issubclass(errors.GuardTripped, errors.FatalError)
    assert issubclass(errors.WarehouseBusy, errors.RetriableError)
    assert not issubclass(errors.SkippableRecord, errors.FatalError)


def test_a_retriable_error_carries_what_the_other_side_asked_for():
    assert errors.RetriableError("busy", retry_after=2.5).retry_after == 2.5
