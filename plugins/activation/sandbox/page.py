"""The sandbox's own page: its lists and who is on them, addresses masked."""

from __future__ import annotations

from html import escape

from activation.sandbox.state import State
from ml.masking import mask_email

SHOWN = 50
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1d2733}
h1{font-size:1.5rem}h2{font-size:1.05rem;margin:0}small{color:#5b6b7b;font-weight:400}
details{border:1px solid #d8dee5;border-radius:8px;margin:.6rem 0;padding:.6rem 1rem}summary{cursor:pointer}
summary h2{display:inline}table{border-collapse:collapse;width:100%;margin-top:.6rem}
th,td{text-align:left;padding:.25rem .6rem;border-top:1px solid #e6ebf0;font-variant-numeric:tabular-nums}
"""


def render(state: State) -> str:
    """Return the whole page as HTML."""
    lists = sorted(state.lists.values(), key=lambda one: one["name"])
    shown = "".join(_list(state, one["listId"], one["name"]) for one in lists) or "<p>No list yet: run a sync.</p>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Sandbox CRM</title><style>{STYLE}</style>"
        f"<h1>Sandbox CRM <small>{len(state.contacts):,} contacts, {len(lists)} lists</small></h1>"
        "<p>It keeps HubSpot's contract on this machine. Addresses are masked on this page only.</p>"
        f"{shown}</html>"
    )


def _list(state: State, list_id: str, name: str) -> str:
    members = list(state.members[list_id])
    columns = [column for column in state.properties if any(state.contacts[m].get(column) for m in members)]
    heads = "".join(f"<th>{escape(state.properties[c].get('label', c))}</th>" for c in columns)
    rows = "".join(_row(record, state.contacts[record], columns) for record in members[:SHOWN])
    more = f"<p><small>and {len(members) - SHOWN:,} more</small></p>" if len(members) > SHOWN else ""
    return (
        f"<details><summary><h2>{escape(name)} <small>{len(members):,} members, id {list_id}</small></h2></summary>"
        f"<table><tr><th>Id</th><th>E-mail</th>{heads}</tr>{rows}</table>{more}</details>"
    )


def _row(record: str, contact: dict[str, str], columns: list[str]) -> str:
    values = "".join(f"<td>{escape(contact.get(column, ''))}</td>" for column in columns)
    return f"<tr><td>{escape(record)}</td><td>{escape(mask_email(contact['email']))}</td>{values}</tr>"
