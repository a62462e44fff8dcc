"""Faults that the sandbox makes on request, so that every bad answer of a platform can be tried."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from activation.sandbox.state import timestamp

CATEGORIES = {
    400: "VALIDATION_ERROR",
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    404: "OBJECT_NOT_FOUND",
    409: "CONFLICT",
    429: "RATE_LIMITS",
}
CORRELATION = "5e1f7b0e-6f0b-4d7e-9a7b-0c6f2f1d9a11"


class Fault(BaseModel):
    """One misbehaviour: which requests, how often, and what happens instead of (or after) the real thing."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["status", "nothing", "empty", "html", "truncated", "hang", "refuse"]
    path: str = Field("", description="Only requests whose path contains this.")
    skip: int = Field(0, ge=0, description="Requests that pass before it begins.")
    times: int = Field(1, description="Requests that it spoils; -1 for all.")
    status: int = 500
    retry_after: float | None = None
    seconds: float = Field(60.0, description="How long a hanging request hangs.")
    after: bool = Field(default=False, description="Carry the request out first; only the answer is spoilt.")
    emails: tuple[str, ...] = Field((), description="For `refuse`: addresses that a 207 names as errors.")
    code: str = Field("VALIDATION_ERROR", description="For `refuse`: the category of the error.")

    def strikes(self, path: str) -> bool:
        """Say whether this request is one to spoil, and count it."""
        if self.path not in path or not self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        return True


class Faults:
    """The faults that are set, and a bell that rings when a request begins to hang."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.hanging = asyncio.Event()

    def take(self, request: Request) -> Fault | None:
        """Return the fault that strikes this request, if any."""
        return next((f for f in self.active if f.kind != "refuse" and f.strikes(request.url.path)), None)

    def refused(self) -> dict[str, str]:
        """Return the addresses to refuse with a 207, and their category."""
        return {email: fault.code for fault in self.active if fault.kind == "refuse" for email in fault.emails}

    async def spoil(self, fault: Fault, real: Response | None) -> Response:
        """Return the bad answer; `real` is the good one, when the request was carried out."""
        if fault.kind == "hang":
            self.hanging.set()
            await asyncio.sleep(fault.seconds)
            return real or error(504, "hung up")
        if fault.kind == "html":
            return HTMLResponse("<html><body><h1>Log in</h1></body></html>")
        if fault.kind == "nothing":
            return Response(status_code=200)
        if fault.kind == "empty":
            return JSONResponse(EMPTY)
        if fault.kind == "truncated":
            text = bytes(real.body) if real else b'{"results": [{"id": "10'
            return Response(text[: len(text) // 2], media_type="application/json")
        return _status(fault)


EMPTY: dict[str, Any] = {
    "status": "COMPLETE",
    "results": [],
    "errors": [],
    "startedAt": timestamp(),
    "completedAt": timestamp(),
    "recordsIdsAdded": [],
    "recordIdsRemoved": [],
    "recordIdsMissing": [],
}
"""A success that did nothing, in the shape of every batch answer at once."""


def error(status: int, message: str, category: str | None = None, **more: Any) -> JSONResponse:
    """Return an error in HubSpot's shape."""
    body = {
        "status": "error",
        "message": message,
        "correlationId": CORRELATION,
        "category": category or CATEGORIES.get(status, "INTERNAL_ERROR"),
        **more,
    }
    return JSONResponse(body, status_code=status)


def _status(fault: Fault) -> Response:
    answer = error(fault.status, f"the sandbox was told to answer {fault.status}")
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = f"{fault.retry_after:g}"
    return answer
