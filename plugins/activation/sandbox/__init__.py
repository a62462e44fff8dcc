"""A small CRM on this machine that keeps HubSpot's contract; `python -m activation.sandbox` starts it."""

from activation.sandbox.server import connection_json, running_sandbox

__all__ = ["connection_json", "running_sandbox"]
