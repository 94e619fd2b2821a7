"""The HTTP face of `operations`: the extension's webhook API, which the Durable SDK's client uses as well.

Codes, headers and bodies are those of the recordings: errors are `{"Message": ...}`, some are bare JSON strings,
everything else is empty.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from local.functions_host import protocol
from local.functions_host.clock import Clock, parse_iso
from local.functions_host.operations import (
    BrokenRequestError,
    ConflictError,
    DisabledError,
    GoneError,
    NotFoundError,
    Operations,
    WrongStateError,
)
from local.functions_host.protocol import ClientBinding
from local.functions_host.status import listed, status_document
from local.functions_host.store import ENDED, Instance
from local.functions_host.tracing import trace_of

PAGE = 100
LONGEST_PAGE = 1000
LONGEST_ID = 256
_NOT_IN_IDS = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_STATUSES = {
    "Running", "Completed", "ContinuedAsNew", "Failed", "Canceled", "Terminated", "Pending", "Suspended",
}  # fmt: skip
_TOKEN = "x-ms-continuation-token"  # noqa: S105 - the name of a header
_AFTER = "after:"


class Management:
    """Answers requests below the webhook's root."""

    def __init__(self, operations: Operations, clock: Clock) -> None:
        """Answer from `operations`; `clock` measures how long a start waits."""
        self._operations = operations
        self._clock = clock

    async def handle(self, request: web.BaseRequest, path: str, binding: ClientBinding) -> web.Response:
        """Answer a request; `path` is what follows the root, `binding` makes the URLs of payloads."""
        parts = [unquote(p) for p in path.strip("/").split("/")]
        query = {k.lower(): v for k, v in request.query.items()}
        kind, names, operation = parts[0].lower(), parts[1:2], [p.lower() for p in parts[2:3]]
        if kind == "orchestrators":
            operation = parts[2:3]  # an instance id
        match request.method, [kind, *names, *operation, *parts[3:]]:
            case "GET", ["instances"]:
                return self._list(request, query)
            case "DELETE", ["instances"]:
                return self._purge_by(query)
            case "GET", ["instances", instance_id]:
                return self._status(request, instance_id, query)
            case "DELETE", ["instances", instance_id]:
                return self._guarded(lambda: self._purge(instance_id))
            case "POST", ["instances", instance_id, "raiseevent", name]:
                return await self._raise_event(request, instance_id, name)
            case "POST", ["instances", instance_id, operation_name]:
                return self._operate(instance_id, operation_name, query, binding)
            case "POST", ["orchestrators", name]:
                return await self._start(request, name, None, query, binding)
            case "POST", ["orchestrators", name, instance_id]:
                return await self._start(request, name, instance_id, query, binding)
            case _, ["entities", *_]:
                return _json({"Message": "entities are not supported by the local host"}, 501)
            case _:
                return web.Response(status=404)

    # --- looking ---

    def _status(self, request: web.BaseRequest, instance_id: str, query: Mapping[str, str]) -> web.Response:
        row = self._operations.status(instance_id)
        if row is None:
            return web.Response(status=404)
        history = self._operations.history(instance_id) if _flag(query, "showhistory") else None
        document = status_document(
            row,
            show_input=_flag(query, "showinput", default=True),
            history=history,
            show_output=_flag(query, "showhistoryoutput"),
        )
        if not row.ended:
            own = f"{request.scheme}://{request.host}{request.raw_path}"
            return _json(document, 202, {"Location": own, "Retry-After": "5"})
        failed = row.status == "Failed" and _flag(query, "returninternalservererroronfailure")
        return _json(document, 500 if failed else 200)

    def _list(self, request: web.BaseRequest, query: Mapping[str, str]) -> web.Response:
        top, after = _top(query.get("top")), _decode_token(request.headers.get(_TOKEN))
        if top < 0:
            return _broken(ValueError(f"'{top}' is not a valid page size."))
        if top == 0 or after is None:
            return _json([], 200)
        rows = self._operations.query(
            created_from=_time(query.get("createdtimefrom")),
            created_to=_time(query.get("createdtimeto")),
            statuses=sorted(_statuses(request)),
            prefix=query.get("instanceidprefix", ""),
            after=after,
            limit=top + 1,
        )
        show_input = _flag(query, "showinput", default=True)
        page = listed(rows[:top], show_input=show_input)
        more = len(rows) > top
        return _json_text(page, 200, {_TOKEN: _encode_token(rows[top - 1].instance_id)} if more else {})

    # --- changing ---

    def _guarded(self, action: Any) -> web.Response:
        """Run an operation and turn what it raises into the extension's answer."""
        try:
            result = action()
        except NotFoundError:
            return web.Response(status=404)
        except GoneError:
            return web.Response(status=410)
        except BrokenRequestError as error:
            return _broken(error)
        return result if isinstance(result, web.Response) else web.Response(status=202)

    async def _raise_event(self, request: web.BaseRequest, instance_id: str, name: str) -> web.Response:
        looked = self._guarded(lambda: self._operations.alive(instance_id))
        if looked.status != 202:  # the extension looks at the instance before the content
            return looked
        if request.content_type != "application/json":
            return _json({"Message": "Only application/json request content is supported"}, 400)
        body = await request.read()
        try:
            text = protocol.normalise_text(protocol.checked(body.decode() or "null"))
        except ValueError as error:
            return _invalid_json(error)
        return self._guarded(lambda: self._operations.raise_event(instance_id, name, text))

    def _operate(
        self, instance_id: str, operation: str, query: Mapping[str, str], binding: ClientBinding
    ) -> web.Response:
        reason = query.get("reason", "")
        match operation:
            case "terminate":
                return self._guarded(lambda: self._operations.terminate(instance_id, reason))
            case "suspend":
                return self._guarded(lambda: self._hold(self._operations.suspend, instance_id, reason))
            case "resume":
                return self._guarded(lambda: self._hold(self._operations.resume, instance_id, reason))
            case "rewind":
                return self._rewind(instance_id, reason)
            case "restart":
                new_id = _flag(query, "restartwithnewinstanceid", default=True)
                return self._restart(instance_id, binding, None if new_id else instance_id)
            case "restartwithoptions":
                return self._restart_as(instance_id, binding, query)
            case _:
                return web.Response(status=404)

    def _hold(self, operation: Any, instance_id: str, reason: str) -> web.Response | None:
        try:
            operation(instance_id, reason)
        except WrongStateError as error:
            return _broken(error)
        return None

    def _rewind(self, instance_id: str, reason: str) -> web.Response:
        try:
            self._operations.rewind(instance_id, reason)
        except NotFoundError:
            return _json(f"No instance with ID '${instance_id}' was found.", 404)
        except WrongStateError as error:
            return _json(str(error), 412)
        return web.Response(status=202)

    def _restart_as(self, instance_id: str, binding: ClientBinding, query: Mapping[str, str]) -> web.Response:
        new_id = query.get("newinstanceid", "")
        if not new_id or len(new_id) > LONGEST_ID or "@" in new_id or _NOT_IN_IDS.search(new_id):
            message = f"'newInstanceId' must be an id of 1 to {LONGEST_ID} characters without @ / \\ # ?"
            return _json({"Message": message}, 400)
        return self._restart(instance_id, binding, new_id, query.get("version"))

    def _restart(
        self, instance_id: str, binding: ClientBinding, new_id: str | None, version: str | None = None
    ) -> web.Response:
        try:
            return _accepted(binding, self._operations.restart(instance_id, new_id, version))
        except NotFoundError:
            missing = NotFoundError(f"No instance with ID '{instance_id}' was found. (Parameter 'instanceId')")
            message = "InstanceId does not match a valid orchestration instance."
            return _failure(400, message, missing, "System.ArgumentException")
        except ConflictError as error:
            return _json({"Message": str(error)}, 409)

    def _purge(self, instance_id: str) -> web.Response:
        try:
            self._operations.purge(instance_id)
        except WrongStateError as error:
            return _json(str(error), 412)
        return _json({"instancesDeleted": 1}, 200)

    def _purge_by(self, query: Mapping[str, str]) -> web.Response:
        created_from = _time(query.get("createdtimefrom"))
        if created_from is None:
            return _json("Please provide value for 'createdTimeFrom' parameter.", 400)
        # Only terminal statuses filter; without one everything in the range goes, running or not (rule 13).
        named = set(query.get("runtimestatus", "").split(",")) & ENDED
        deleted = self._operations.purge_by(
            created_from=created_from, created_to=_time(query.get("createdtimeto")), statuses=sorted(named)
        )
        return _json({"instancesDeleted": deleted}, 200) if deleted else web.Response(status=404)

    # --- starting ---

    async def _start(
        self,
        request: web.BaseRequest,
        name: str,
        instance_id: str | None,
        query: Mapping[str, str],
        binding: ClientBinding,
    ) -> web.Response:
        wait = _number(query.get("timeout")), _number(query.get("pollinginterval"))
        if wait[0] is not None and wait[1] is not None and wait[0] < wait[1]:
            return _json({"Message": f"Total timeout {wait[0]} should be bigger than retry timeout {wait[1]}"}, 400)
        if instance_id and (instance_id.startswith("@") or _NOT_IN_IDS.search(instance_id)):
            wrong = ValueError(
                "Orchestration instance ids must not start with @ or contain /, \\, #, ?, or control characters."
            )
            return _failure(400, str(wrong), wrong, "System.ArgumentException")
        text: str | None = (await request.read()).decode("utf-8", "replace")
        try:
            if text and text.strip():
                protocol.checked(text)
            elif not _without_length(request):
                text = None
        except ValueError as error:
            return _invalid_json(error)
        try:
            within = trace_of(request.headers)
            started = self._operations.start(name, instance_id, text, query.get("version"), within)
        except ConflictError as error:
            return _json({"Message": str(error)}, 409)
        except DisabledError as error:
            return _failure(400, str(error), error, "System.ArgumentException")
        if wait[0] is not None and wait[1] is not None:
            row = await self._wait(started, wait[0], wait[1])
            if row is not None:
                whole = status_document(row)
                return _json(whole["output"] if row.status == "Completed" else whole, 200)
        return _accepted(binding, started)

    async def _wait(self, instance_id: str, at_most: float, interval: float) -> Instance | None:
        """Wait until an instance has ended; None where it has not within `at_most` seconds."""
        deadline = self._clock.timestamp() + at_most
        while True:
            row = self._operations.status(instance_id)
            if row is not None and row.ended:
                return row
            rest = deadline - self._clock.timestamp()
            if rest <= 0:
                return None
            await asyncio.sleep(self._clock.real_seconds(min(interval, rest)))


def _without_length(request: web.BaseRequest) -> bool:
    """Whether a request says nothing of its body's length: its empty text then fails the instance [M]."""
    return request.content_length is None and "Transfer-Encoding" not in request.headers


def _accepted(binding: ClientBinding, instance_id: str) -> web.Response:
    payload = protocol.management_urls(binding, instance_id, rewind=False)
    return _json(payload, 202, {"Location": payload["statusQueryGetUri"], "Retry-After": "10"})


def _json(value: Any, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return _json_text(protocol.dumps(value), status, headers)


def _json_text(text: str, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=text, status=status, headers=headers, content_type="application/json", charset="utf-8")


def _failure(status: int, message: str, error: Exception, kind: str) -> web.Response:
    """An error with its .NET exception, whose stack this host does not have."""
    body = {"Message": message, "ExceptionMessage": str(error), "ExceptionType": kind, "StackTrace": ""}
    return _json(body, status)


def _broken(error: Exception) -> web.Response:
    message = "Something went wrong while processing your request"
    return _failure(500, message, error, "System.InvalidOperationException")


def _invalid_json(error: Exception) -> web.Response:
    return _failure(400, "Invalid JSON content", error, "Newtonsoft.Json.JsonReaderException")


def _flag(query: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    text = query.get(name, "").lower()
    return text == "true" if text in ("true", "false") else default


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _top(text: str | None) -> int:
    """How many rows a list asks for; what is no number counts as absent."""
    try:
        return PAGE if text is None else min(int(text), LONGEST_PAGE)
    except ValueError:
        return PAGE


def _time(text: str | None) -> float | None:
    """Read a date; one that cannot be read counts as absent."""
    if not text:
        return None
    try:
        moment: datetime = parse_iso(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        return None
    return moment.timestamp()


def _statuses(request: web.BaseRequest) -> set[str]:
    """The statuses a list asks for: spelt exactly, unknown ones count for nothing."""
    given = [v for k, v in request.query.items() if k.lower() == "runtimestatus"]
    return {s.strip() for text in given for s in text.split(",")} & _STATUSES


def _encode_token(last_id: str) -> str:
    return base64.urlsafe_b64encode(f"{_AFTER}{last_id}".encode()).decode()


def _decode_token(token: str | None) -> str | None:
    """The id that a page comes after, "" for the first one; None where the token is none of this host's."""
    if token is None:
        return ""
    try:
        text = base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        return None
    return text.removeprefix(_AFTER) if text.startswith(_AFTER) else None
