"""What happens when a task or a DAG fails: a log line always, a web hook and an e-mail where configured."""

from __future__ import annotations

import json
import logging
from typing import Any

from ml.settings import settings

log = logging.getLogger(__name__)
WEBHOOK_SECONDS = 10.0


def alert_on_failure(context: dict[str, Any]) -> None:
    """Send what failed, where and why. Never raises: an alert that fails must not hide the failure."""
    alert = describe(context)
    log.error("%(dag)s.%(task)s failed in run %(run)s: %(error)s", alert)
    for send, address in ((post, settings().alert_webhook), (mail, settings().alert_email)):
        _send(send, address, alert)


def describe(context: dict[str, Any]) -> dict[str, str]:
    """Return the alert as flat text: dag, task, run, error, log address."""
    instance = context.get("ti") or context.get("task_instance")
    error = context.get("exception")
    return {
        "dag": str(getattr(instance, "dag_id", "?")),
        "task": str(getattr(instance, "task_id", "?")),
        "run": str(getattr(instance, "run_id", "?")),
        "error": f"{type(error).__name__}: {error}" if error else str(context.get("reason", "unknown")),
        "log": str(getattr(instance, "log_url", "")),
    }


def post(address: str, alert: dict[str, str]) -> None:
    """POST the alert as JSON; chat tools read its `text`."""
    from urllib.request import Request, urlopen

    text = f"{alert['dag']}.{alert['task']} failed: {alert['error']}"
    body = json.dumps({"text": text, **alert}).encode()
    request = Request(address, data=body, headers={"content-type": "application/json"})  # noqa: S310 - set by the team
    with urlopen(request, timeout=WEBHOOK_SECONDS):  # noqa: S310
        log.info("The alert went to the web hook")


def mail(address: str, alert: dict[str, str]) -> None:
    """Send the alert over Airflow's SMTP connection `smtp_default`."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook() as smtp:
        smtp.send_email_smtp(
            to=address,
            subject=f"Audienceflow: {alert['dag']}.{alert['task']} failed",
            html_content="<br>".join(f"{name}: {value}" for name, value in alert.items()),
        )


def _send(send: Any, address: str, alert: dict[str, str]) -> None:
    if not address:
        return
    try:
        send(address, alert)
    except Exception:
        log.exception("The alert for %(dag)s.%(task)s could not be delivered", alert)
