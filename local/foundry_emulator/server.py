"""HTTP on a loopback port: connections, the application of faults, and outages of the whole port.

One asyncio loop serves everything. The service itself is synchronous and quick; only faults and latency wait.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from local.foundry_emulator.control import PREFIX, Control
from local.foundry_emulator.emulation import Emulation
from local.foundry_emulator.errors import server_error
from local.foundry_emulator.faults import HTML_PAGE, Fault, FaultRule
from local.foundry_emulator.ids import new_id
from local.foundry_emulator.ledger import Entry
from local.foundry_emulator.routing import Reply, Request
from local.foundry_emulator.scripts import File
from local.foundry_emulator.service import operation_of

HOST = "127.0.0.1"
MAX_BODY_BYTES = 32 * 1024 * 1024
_TRICKLE_PIECES = 20
_LOOK_SECONDS = 0.01  # between two looks at a response that a client waits for
_Response = TypeVar("_Response", bound=web.StreamResponse)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: closing sends RST


class Server:
    """Listens, and answers with the emulated service."""

    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation
        self._control = Control(emulation, self)
        self._web = web.Server(self._handle, request_factory=_make_request, access_log=None)
        self._listener: asyncio.Server | None = None
        self._guard: socket.socket | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._changing = asyncio.Lock()  # a listener is being opened or closed
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """The root, where `/_emulator/` is."""
        return f"http://{HOST}:{self.port}"

    @property
    def endpoint(self) -> str:
        """The project endpoint, as in `FOUNDRY_PROJECT_ENDPOINT`."""
        return self.url + self._emulation.service.prefix

    @property
    def open_connections(self) -> int:
        """How many TCP connections are open now."""
        return len(self._web.connections)

    # --- listening ---

    async def start(self, port: int) -> None:
        """Listen on `port` (0: a free one). Raises OSError where that is impossible."""
        if sys.platform == "linux":
            # A bound socket that never listens keeps the port ours during an outage; it refuses connections.
            self._guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                self._guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._guard.bind((HOST, port))
            except OSError:
                self._guard.close()
                raise
            port = self._guard.getsockname()[1]
        try:
            await self._listen(port)
        except OSError:
            if self._guard is not None:
                self._guard.close()
            raise

    async def _listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._connected, HOST, port, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]

    def _connected(self) -> asyncio.BaseProtocol:
        self._emulation.connections_opened += 1
        return self._web()

    async def stop(self) -> None:
        """Stop listening, break what is open, and wait until nothing is left."""
        if self._reopening is not None:
            self._reopening.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close_listener()
        transports = [one.transport for one in self._web.connections if one.transport is not None]
        await self._web.shutdown(timeout=0.05)
        for transport in transports:
            transport.abort()
        await _let_transports_settle()
        if self._guard is not None:
            self._guard.close()

    async def go_down(self, seconds: float, *, sparing: web.BaseRequest | None = None) -> None:
        """Let nobody listen for so many seconds, and break every open connection but that of `sparing`."""
        if self._reopening is not None:
            self._reopening.cancel()
        self._reopening = asyncio.get_running_loop().call_later(seconds, self._reopen)
        async with self._changing:
            await self._close_listener()
        spared = None if sparing is None else sparing.protocol
        for connection in self._web.connections:
            if connection is not spared and connection.transport is not None:
                _abort(connection.transport)

    async def _close_listener(self) -> None:
        """Stop accepting, finish what is accepted, then close: asyncio leaks connections accepted meanwhile."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        with contextlib.suppress(NotImplementedError):  # Windows' proactor accepts otherwise
            for one in listener.sockets:
                asyncio.get_running_loop().remove_reader(one.fileno())
        await _let_transports_settle()
        listener.close()

    def _reopen(self) -> None:
        self._reopening = None
        task = asyncio.get_running_loop().create_task(self._listen_again())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen_again(self) -> None:
        async with self._changing:
            if self._listener is not None or self._reopening is not None:
                return  # another outage has begun, and ends later
            try:
                await self._listen(self.port)
            except OSError as error:
                self._emulation.errors.append(error)

    # --- answering ---

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except web.HTTPRequestEntityTooLarge:
            return _json_response(413, {"error": {"code": "413", "message": "Request entity too large"}})
        except ConnectionError:
            return web.Response()  # the client went away, or a fault broke the connection: nobody reads this
        except Exception as error:  # noqa: BLE001 - a bug of the emulator: shown by `FoundryEmulator.stop`
            self._emulation.errors.append(error)
            return _json_response(500, server_error().body)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await _body_of(request)
        path = request.rel_url.raw_path
        query = dict(request.query)
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return await self._controlled(request, path, query, body)
        emulation = self._emulation
        below = path.removeprefix(emulation.service.prefix)
        operation = operation_of(request.method, below)
        entry = emulation.recorder.open(
            method=request.method,
            path=below,
            operation=operation,
            query=query,
            body=body,
            trace=request.headers.get("traceparent"),
        )
        mentioned = "\n".join([below, *query.values(), body.decode("utf-8", "replace")])
        fault = emulation.faults.pick(request.method, below, operation, mentioned)
        if emulation.latency:
            await asyncio.sleep(emulation.latency)
        call = Request(
            request.method, path, query, {key.lower(): value for key, value in request.headers.items()}, body
        )

        def carry_out() -> Reply:
            reply = emulation.service.handle(call)
            _note(entry, reply)
            return reply

        if fault is None:
            reply = await self._ended(request, carry_out())
            if reply.file is not None and (reply.file.seconds or reply.file.endless):
                return await _drip(request, entry, reply, reply.file)
            return _sent(entry, _reply_response(reply))
        entry.fault = {"id": fault.id, "kind": fault.rule.kind, "effect": fault.rule.takes_effect}
        if fault.rule.loses_answer and emulation.service.handle_late(call, lambda reply: _note(entry, reply)):
            return _reset(request) if fault.rule.kind == "reset" else _sent(entry, _instead(fault.rule, None))
        return await self._spoil(request, entry, fault, carry_out)

    async def _ended(self, request: web.BaseRequest, reply: Reply) -> Reply:
        """Wait for the answer to a synchronous request. Raises ConnectionError where the client goes before."""
        while reply.held is not None:
            answer = reply.held()
            if answer is not None:
                return answer
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            await asyncio.sleep(_LOOK_SECONDS)
        return reply

    async def _controlled(
        self, request: web.BaseRequest, path: str, query: dict[str, str], body: bytes
    ) -> web.StreamResponse:
        reply = self._control.handle(request.method, path, query, body)
        response = _json_response(reply.status, reply.body)
        if reply.outage_seconds is not None:
            response.force_close()
            await self.go_down(reply.outage_seconds, sparing=request)
        return response

    # --- faults ---

    async def _spoil(
        self, request: web.BaseRequest, entry: Entry, fault: Fault, carry_out: Callable[[], Reply]
    ) -> web.StreamResponse:
        rule = fault.rule
        reply = carry_out() if rule.takes_effect == "first" else None
        if reply is not None and not rule.loses_answer:
            reply = await self._ended(request, reply)
        normal = None if reply is None else _reply_response(reply)
        match rule.kind:
            case "delay":
                return await self._delay(request, entry, fault, normal, carry_out)
            case "refuse":
                return await self._refuse(request, entry, fault, normal)
            case "trickle":
                return await _trickle(request, entry, normal, rule.seconds)
            case "cut_body":
                return await _cut(request, entry, normal)
            case "reset":
                return _reset(request)
            case _:
                return _sent(entry, _instead(rule, normal))

    async def _delay(
        self,
        request: web.BaseRequest,
        entry: Entry,
        fault: Fault,
        normal: web.Response | None,
        carry_out: Callable[[], Reply],
    ) -> web.StreamResponse:
        await asyncio.sleep(fault.rule.seconds)
        if fault.rule.takes_effect == "none":
            return _reset(request)
        answer = normal or _reply_response(await self._ended(request, carry_out()))
        gone = request.transport is None or request.transport.is_closing()
        return answer if gone else _sent(entry, answer)

    async def _refuse(
        self, request: web.BaseRequest, entry: Entry, fault: Fault, normal: web.Response | None
    ) -> web.StreamResponse:
        await self.go_down(fault.rule.seconds, sparing=request)
        if normal is None:
            return _reset(request)
        normal.force_close()
        return _sent(entry, normal)


def _instead(rule: FaultRule, normal: web.Response | None) -> web.Response:
    """Make the whole answer that replaces the real one."""
    if rule.kind == "status":
        said = rule.saying
        return _body_response(said.status, said.body, dict(said.headers))
    if rule.kind == "html":
        status = 502 if rule.status is None else rule.status
        page = HTML_PAGE if rule.body is None else str(rule.body)
        return web.Response(status=status, text=page, content_type="text/html", headers=rule.headers)
    status, whole = (200, b"") if normal is None else (normal.status, _bytes_of(normal))
    left = whole[: len(whole) // 2] if rule.kind == "truncated_json" else b""
    return web.Response(status=rule.status or status, body=left, content_type="application/json")


def _make_request(
    message: RawRequestMessage, payload: StreamReader, protocol: Any, writer: Any, task: "asyncio.Task[None]"
) -> web.BaseRequest:
    return web.BaseRequest(
        message,
        payload,
        protocol,
        writer,
        task,
        asyncio.get_running_loop(),
        client_max_size=MAX_BODY_BYTES,
    )


def _note(entry: Entry, reply: Reply) -> None:
    entry.service_status = reply.status
    entry.took_effect = reply.status < 400
    entry.thread_id, entry.run_id, entry.message_id = reply.thread_id, reply.run_id, reply.message_id
    entry.conversation_id, entry.response_id = reply.conversation_id, reply.response_id
    entry.item_ids = reply.item_ids


def _sent(entry: Entry, response: _Response) -> _Response:
    entry.status = response.status
    return response


def _reply_response(reply: Reply) -> web.Response:
    if reply.file is not None:
        return web.Response(status=reply.status, body=reply.file.content(), headers=reply.headers)
    return _body_response(reply.status, reply.body, dict(reply.headers))  # aiohttp sends none with 204


async def _body_of(request: web.BaseRequest) -> bytes:
    """Return the body; raises ConnectionError where the connection breaks before it is there."""
    try:
        return await request.read()
    except RuntimeError as error:
        if request.transport is not None:
            raise
        raise ConnectionResetError(str(error)) from error  # aiohttp's word for one that was broken before we read


def _json_response(status: int, body: Any) -> web.Response:
    return _body_response(status, body, {})


def _body_response(status: int, body: Any, headers: dict[str, str]) -> web.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    request_id = new_id("req")
    ids = {"x-request-id": request_id, "apim-request-id": request_id}
    if not any(name.lower() == "content-type" for name in headers):
        ids["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(status=status, body=text.encode(), headers={**ids, **headers})


def _bytes_of(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


async def _let_transports_settle() -> None:
    """Let asyncio call `connection_made` and `connection_lost`, which it does in later turns of the loop."""
    for _ in range(10):
        await asyncio.sleep(0)


def _abort(transport: asyncio.BaseTransport) -> None:
    """Break a connection with RST, as a crashed peer or a firewall does."""
    assert isinstance(transport, asyncio.Transport)
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() != -1:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        _abort(request.transport)
    return web.Response()  # aiohttp wants one; the connection is gone


async def _trickle(
    request: web.BaseRequest, entry: Entry, normal: web.Response | None, seconds: float
) -> web.StreamResponse:
    assert normal is not None
    body = _bytes_of(normal)
    response = _sent(entry, web.StreamResponse(status=normal.status, headers=normal.headers))
    response.content_length = len(body)
    await response.prepare(request)
    await _write_slowly(response, body, seconds)
    await response.write_eof()
    return response


async def _write_slowly(response: web.StreamResponse, body: bytes, seconds: float) -> None:
    size = max(1, -(-len(body) // _TRICKLE_PIECES))
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    for piece in pieces:
        await asyncio.sleep(seconds / len(pieces))
        await response.write(piece)


async def _drip(request: web.BaseRequest, entry: Entry, reply: Reply, file: File) -> web.StreamResponse:
    """Send a file slowly, or without an end: then without a length, until the client goes."""
    response = _sent(entry, web.StreamResponse(status=reply.status, headers=reply.headers))
    content = file.content()
    if not file.endless:
        response.content_length = len(content)
    await response.prepare(request)
    await _write_slowly(response, content, file.seconds)
    while file.endless:
        await asyncio.sleep(0)  # others are served too
        await _write_slowly(response, content or b".", file.seconds)
    await response.write_eof()
    return response


async def _cut(request: web.BaseRequest, entry: Entry, normal: web.Response | None) -> web.StreamResponse:
    assert normal is not None
    body = _bytes_of(normal)
    response = _sent(entry, web.StreamResponse(status=normal.status, headers=normal.headers))
    response.content_length = len(body)
    response.force_close()
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()  # flushes what was written, then closes: fewer bytes than announced
    return response
