"""Put the companion together: contacts, consents, messages, visits, and the truth about them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.sources.demo.consents import make_consents
from ml.sources.demo.contacts import make_contacts
from ml.sources.demo.events import make_events
from ml.sources.demo.households import draw_traits
from ml.sources.demo.journey import Journey
from ml.sources.demo.messages import make_messages
from ml.sources.demo.randomness import Draws
from ml.sources.demo.stream import event_table
from ml.sources.demo.truth import truth_devices, truth_sessions
from ml.sources.demo.visits import plan_visits

log = logging.getLogger(__name__)

README = """# Synthetic data

Everything in this folder was generated: names, addresses (reserved example domains), telephone numbers
(555-0100 to 555-0199, set aside for fiction), consents, web sessions and e-mail events. It is keyed to the
households and baskets of the Complete Journey panel beside it, which knows nothing of all this. Each row
says `synthetic = true`. Nothing here tells anything about real people or about what marketing achieves.
`../truth/` says what is true about it; it is for tests only.
"""


@dataclass(frozen=True)
class Companion:
    """The generated tables as they go into files."""

    contacts: pa.Table
    consents: pa.Table
    events: pa.Table
    messages: pa.Table
    truth: dict[str, pa.Table]
    expected: dict[str, int]


def make_companion(journey: Journey, seed: int, progress: Callable[[str], None] = log.info) -> Companion:
    """Generate everything from the panel and a seed; the same input gives the same tables."""
    draws = Draws(seed)
    traits = draw_traits(journey.households, draws)
    contacts = make_contacts(journey, traits, draws)
    consents = make_consents(contacts, journey.households, draws)
    messages, clicks = make_messages(journey, traits, contacts, consents.mail, draws)
    progress(f"{len(contacts.records):,} contacts, {len(consents.records):,} consents, {len(messages):,} messages")
    visits = plan_visits(journey, traits, clicks, draws)
    events = make_events(journey, visits, draws)
    table = event_table(events, visits, journey, traits, draws)
    progress(f"{len(visits):,} visits with {len(table):,} events")
    devices = truth_devices(events, visits, journey)
    truth = {
        "duplicates": contacts.truth,
        "devices": devices,
        "sessions": truth_sessions(events, visits, journey, devices),
        "consents": consents.truth,
    }
    expected = _expected(journey, truth, {"web_events": len(events.key), "web_event_rows": len(table)})
    expected |= {"consents": len(consents.records), "messages": len(messages)}
    return Companion(contacts.records, consents.records, table, messages, truth, expected)


def _expected(journey: Journey, truth: dict[str, pa.Table], known: dict[str, int]) -> dict[str, int]:
    """Counts that a correct run must find."""
    duplicates, devices, sessions = truth["duplicates"], truth["devices"], truth["sessions"]
    rules = {f"sessions_{name[3:]}": _count(sessions[name]) for name in sessions.column_names if name[:3] == "is_"}
    return {
        "customers": len(journey.households),
        "orders": len(journey.basket_id),
        "order_lines": len(journey.line_product),
        "revenue_cents": int(np.sum(journey.basket_cents)),
        "contact_records": len(duplicates),
        "duplicate_records": _count(duplicates["is_duplicate"]),
        "households_with_duplicates": len(pc.unique(duplicates.filter(duplicates["is_duplicate"])["household_id"])),
        "customers_with_consent_records": len(pc.unique(truth["consents"]["household_id"])),
        **known,
        "devices": len(devices),
        "devices_resolvable": _count(devices["resolvable"]),
        "sessions": len(sessions),
        "sessions_resolvable": _count(sessions["resolvable"]),
        **rules,
    }


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)
