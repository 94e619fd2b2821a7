"""A storage that loses requests and answers: a proxy in front of an account, for whoever is given its address.

Requests are passed on whole, so the signature still holds. What is written through it is noted in the order in which
the storage took it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
from aiohttp import web
from yarl import URL

Away = Literal["refused", "503", "403", "slow"]
"""How a storage is not there: nobody listens, it says so, it does not know us, it takes longer than anybody waits."""

SLOW_SECONDS = 30.0
_BUSY = b"<?xml version='1.0' encoding='utf-8'?><Error><Code>%s</Code><Message>no</Message></Error>"
_BLOB = re.compile(r"/(threads|keys)/[0-9a-f]{64}\.json\Z")


@dataclass(frozen=True)
class Trouble:
    """What becomes of a request, each with its probability; `latency` is the most seconds that any of them takes."""

    lost: float = 0.0
    """It does not arrive."""
    unheard: float = 0.0
    """It is carried out, and its answer is lost."""
    busy: float = 0.0
    """It is refused with 503."""
    latency: float = 0.0


@dataclass(frozen=True)
class Written:
    """A write or delete that the storage carried out, whether or not the answer arrived."""

    path: str
    replaced: str | None
    """The version before; None: there was none."""
    made: str | None
    """The version from then on; None: it is gone."""
    value: dict[str, Any]


class TroubledStorage:
    """Passes on what comes to the account behind `connection_string`; a context manager. `trouble` may be replaced."""

    def __init__(self, connection_string: str, trouble: Trouble, seed: int) -> None:
        found = re.search(r"BlobEndpoint=(http://127\.0\.0\.1:\d+)/", connection_string)
        assert found is not None, "only a storage on loopback"
        self._target, self._given = found[1], connection_string
        self.trouble = trouble
        self._chance = random.Random(seed)
        self._away: Away | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="troubled-storage", daemon=True)
        self._port = 0
        self.written: list[Written] = []
        self.happened: Counter[str] = Counter()
        """How often each trouble befell a request, and under `requests` how many came."""

    @property
    def connection_string(self) -> str:
        """What `AzureWebJobsStorage` is to be."""
        return self._given.replace(self._target, f"http://127.0.0.1:{self._port}")

    def __enter__(self) -> Self:
        self._thread.start()
        self._on_loop(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._on_loop(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def go_away(self, how: Away) -> None:
        """From now on nobody gets anything from it, until `come_back`."""
        self._away = how
        self.happened[f"away: {how}"] += 1
        if how == "refused":
            self._on_loop(self._stop_listening())

    def come_back(self) -> None:
        """Answer again."""
        if self._away == "refused":
            self._on_loop(self._listen())
        self._away = None

    def _on_loop(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        # Compressed or not, everything goes on as it came.
        connector = aiohttp.TCPConnector(limit=64)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, skip_auto_headers=["Content-Type", "User-Agent", "Accept"]
        )
        await self._listen()

    async def _listen(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def _stop_listening(self) -> None:
        await self._runner.cleanup()

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            body = await request.read()
        except ConnectionResetError:  # who asked was killed
            return web.Response()
        self.happened["requests"] += 1
        trouble, dice = self.trouble, self._chance.random()
        if trouble.latency:
            await asyncio.sleep(self._chance.random() * trouble.latency)
        match self._away:
            case "503":
                return _refusal(503, "ServerBusy")
            case "403":
                return _refusal(403, "AuthorizationFailure")
            case "slow":
                await asyncio.sleep(SLOW_SECONDS)
        if dice < trouble.lost:
            return self._dropped(request, "lost")
        if dice < trouble.lost + trouble.busy:
            self.happened["busy"] += 1
            return _refusal(503, "ServerBusy")
        answer = await self._passed_on(request, body)
        if dice < trouble.lost + trouble.busy + trouble.unheard:
            return self._dropped(request, "unheard")
        return answer

    def _dropped(self, request: web.BaseRequest, how: str) -> web.Response:
        self.happened[how] += 1
        if request.transport is not None:  # else the caller has gone first
            request.transport.abort()
        return web.Response()

    async def _passed_on(self, request: web.BaseRequest, body: bytes) -> web.Response:
        skipped = {"host", "connection", "keep-alive", "transfer-encoding"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in skipped}
        url = URL(f"{self._target}{request.raw_path}", encoded=True)
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            content = await answer.read()
            self._note(request, body, answer)
        length = {"content-length", "transfer-encoding", "connection", "keep-alive", "date", "server"}
        passed = {name: value for name, value in answer.headers.items() if name.lower() not in length}
        return web.Response(status=answer.status, body=content, headers=passed)

    def _note(self, request: web.BaseRequest, body: bytes, answer: aiohttp.ClientResponse) -> None:
        if answer.status not in (201, 202) or not _BLOB.search(request.path):
            return
        path, replaced = request.path, request.headers.get("If-Match")
        if request.method == "PUT":
            self.written.append(Written(path, replaced, answer.headers["ETag"], json.loads(body)))
        elif request.method == "DELETE":
            self.written.append(Written(path, replaced, None, {}))


def _refusal(status: int, code: str) -> web.Response:
    headers = {"x-ms-error-code": code}
    return web.Response(status=status, body=_BUSY % code.encode(), content_type="application/xml", headers=headers)
