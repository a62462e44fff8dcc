"""The sandbox's routes: HubSpot's, a page, and `/_sandbox` for setting faults and reading what happened."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from activation.sandbox.crm import Crm
from activation.sandbox.faults import Fault, Faults, error
from activation.sandbox.page import render
from activation.sandbox.state import Journal

TOKEN = "sandbox-token"  # noqa: S105 - opens nothing but this sandbox
READ_ONLY_TOKEN = "sandbox-read-only"  # noqa: S105
RATE, WINDOW = 190, 10.0

Handler = Callable[[Request, dict[str, Any]], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


class Sandbox:
    """The application around a CRM: who may come in, how often, and what goes wrong on purpose."""

    def __init__(self, journal: Journal, rate: int = RATE) -> None:
        self.crm = Crm(journal)
        self.faults = Faults()
        self.log: list[dict[str, Any]] = []
        self._rate = rate
        self._recent: deque[float] = deque(maxlen=rate)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        crm, contacts, lists = self.crm, "/crm/objects/2026-03/contacts", "/crm/lists/2026-03"
        api = [
            ("POST", f"{contacts}/batch/upsert", lambda _, body: crm.upsert(body, self.faults.refused())),
            ("POST", f"{contacts}/batch/update", lambda _, body: crm.update(body)),
            ("DELETE", f"{contacts}/{{id}}", lambda request, _: crm.drop_contact(request.path_params["id"])),
            ("GET", "/crm/properties/2026-03/contacts", lambda _, __: crm.properties()),
            ("POST", "/crm/properties/2026-03/contacts", lambda _, body: crm.create_property(body)),
            ("POST", lists, lambda _, body: crm.create_list(body)),
            (
                "GET",
                f"{lists}/object-type-id/0-1/name/{{name:path}}",
                lambda request, _: crm.find_list(request.path_params["name"]),
            ),
            ("POST", f"{lists}/records/memberships/batch/read", lambda _, body: crm.memberships(body)),
            (
                "PUT",
                f"{lists}/{{id}}/memberships/add-and-remove",
                lambda request, body: crm.change_members(request.path_params["id"], body),
            ),
            ("GET", f"{lists}/{{id}}/memberships", lambda request, _: crm.members(request.path_params["id"])),
            ("DELETE", f"{lists}/{{id}}", lambda request, _: crm.drop_list(request.path_params["id"])),
        ]
        routes = [Route(path, self._endpoint(handle), methods=[method]) for method, path, handle in api]
        return Starlette(routes=[*routes, *self._control()])

    # -- the gate -----------------------------------------------------------------------------------

    def _endpoint(self, handle: Handler) -> Endpoint:
        async def answer(request: Request) -> Response:
            body = await _json(request)
            try:
                response = await self._guarded(request, body, handle)
            except (KeyError, TypeError, AttributeError) as problem:
                response = error(400, f"Invalid input JSON: {type(problem).__name__} {problem}")
            self.log.append(_entry(request, body, response))
            return response

        return answer

    async def _guarded(self, request: Request, body: dict[str, Any], handle: Handler) -> Response:
        stopped = self._stop(request)
        if stopped:
            return stopped
        fault = self.faults.take(request)
        if fault is None:
            return handle(request, body)
        real = handle(request, body) if fault.after or fault.kind == "truncated" else None
        return await self.faults.spoil(fault, real)

    def _stop(self, request: Request) -> Response | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in (TOKEN, READ_ONLY_TOKEN):
            return error(401, "Authentication credentials not found or wrong")
        if token == READ_ONLY_TOKEN and request.method != "GET":
            return error(403, "This app hasn't been granted all required scopes: crm.objects.contacts.write")
        now = time.monotonic()
        if len(self._recent) == self._rate and now - self._recent[0] < WINDOW:
            answer = error(429, "You have reached your ten_secondly_rolling limit.", policyName="TEN_SECONDLY_ROLLING")
            answer.headers["Retry-After"] = "1"
            return answer
        self._recent.append(now)
        return None

    # -- control ------------------------------------------------------------------------------------

    def _control(self) -> list[Route]:
        return [
            Route("/", self._page),
            Route("/health", lambda _: JSONResponse({"status": "ok"})),
            Route("/_sandbox/faults", self._set_fault, methods=["POST"]),
            Route("/_sandbox/faults", self._clear_faults, methods=["DELETE"]),
            Route("/_sandbox/hanging", self._await_hang),
            Route("/_sandbox/log", lambda _: JSONResponse(self.log)),
            Route("/_sandbox/state", self._show_state),
        ]

    def _page(self, _: Request) -> Response:
        return HTMLResponse(render(self.crm.state))

    async def _set_fault(self, request: Request) -> Response:
        try:
            self.faults.active.append(Fault.model_validate(await _json(request)))
        except ValidationError as problem:
            return error(400, str(problem))
        return JSONResponse({"faults": len(self.faults.active)}, status_code=201)

    async def _clear_faults(self, _: Request) -> Response:
        self.faults.active.clear()
        self.faults.hanging.clear()
        self.log.clear()
        return Response(status_code=204)

    async def _await_hang(self, _: Request) -> Response:
        """Answer as soon as a request hangs, so that a test may kill whoever waits for it."""
        await asyncio.wait_for(self.faults.hanging.wait(), timeout=60)
        return JSONResponse({"hanging": True})

    def _show_state(self, _: Request) -> Response:
        state = self.crm.state
        members = {one["name"]: sorted(state.members[list_id]) for list_id, one in state.lists.items()}
        return JSONResponse({"contacts": state.contacts, "lists": members, "writes": dict(state.writes)})


async def _json(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(await request.body() or b"{}")
    except json.JSONDecodeError:
        found = {}
    return found if isinstance(found, dict) else {"inputs": found}


def _entry(request: Request, body: dict[str, Any], response: Response) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.url.path,
        "status": response.status_code,
        "records": len(body.get("inputs") or [*body.get("recordIdsToAdd", []), *body.get("recordIdsToRemove", [])]),
    }
