"""The account on a loopback port, in a thread of its own."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import secrets
import threading
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape

from aiohttp import web

from local.blob_storage.blobs import Blob, Blobs, StorageError
from local.blob_storage.signature import SignedRequest, authorization

HOST = "127.0.0.1"
ACCOUNT = "localaccount"
MOST_BYTES = 4_000_000
_PAGE = 5_000
_XML = '<?xml version="1.0" encoding="utf-8"?>'
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class BlobEndpoint:
    """Serves one storage account while it is open."""

    def __init__(self, file: Path | None = None, account: str = ACCOUNT) -> None:
        """Without a file the blobs end with the process."""
        self._account = account
        self._blobs = Blobs(file)
        self._key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="blob-storage", daemon=True)
        self._runner: web.ServerRunner | None = None
        self.requests = 0
        """How many it has answered: storage transactions."""
        self.port = 0

    @property
    def connection_string(self) -> str:
        """What `AzureWebJobsStorage` is to be."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self._account};AccountKey={self._key};"
            f"BlobEndpoint=http://{HOST}:{self.port}/{self._account};"
        )

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._thread.start()
        try:
            self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, and close the file."""
        assert self._runner is not None
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()
        self._blobs.close()

    async def _listen(self) -> int:
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.requests += 1
        try:
            self._check_signature(request)
            answer = self._answer(request, body)
        except StorageError as error:
            text = f"{_XML}<Error><Code>{error.code}</Code><Message>{error.code}</Message></Error>"
            answer = web.Response(status=error.status, text=text, content_type="application/xml")
            answer.headers["x-ms-error-code"] = error.code
        answer.headers["x-ms-version"] = request.headers.get("x-ms-version", "")
        return answer

    def _check_signature(self, request: web.BaseRequest) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        signed = SignedRequest(request.method, request.rel_url.raw_path, list(request.query.items()), headers)
        wanted = authorization(self._account, self._key, signed)
        if not hmac.compare_digest(wanted, headers.get("authorization", "")):
            raise StorageError(403, "AuthenticationFailed")

    def _answer(self, request: web.BaseRequest, body: bytes) -> web.Response:
        account, _, below = request.path.removeprefix("/").partition("/")
        container, _, blob = below.partition("/")
        if account != self._account or not container:
            raise StorageError(400, "InvalidUri")
        query = request.query
        match request.method, query.get("restype"), query.get("comp"), bool(blob):
            case "PUT", "container", None, False:
                self._blobs.create_container(container)
                return web.Response(status=201)
            case (("GET" | "HEAD"), "container", None, False):
                self._blobs.check_container(container)
                return web.Response(headers={"ETag": '"0x1"', "Last-Modified": formatdate(usegmt=True)})
            case "GET", "container", "list", False:
                return self._list(container, query.get("prefix", ""), query.get("marker", ""))
            case "PUT", None, None, True if request.headers.get("x-ms-blob-type") == "BlockBlob":
                if_match, if_none_match = (request.headers.get(n) for n in ("If-Match", "If-None-Match"))
                made = self._blobs.put(container, blob, body, if_match=if_match, if_none_match=if_none_match)
                return web.Response(status=201, headers=_headers(made))
            case "GET", None, None, True:
                return _part(self._blobs.get(container, blob), request.headers)
            case "DELETE", None, None, True:
                self._blobs.delete(container, blob, if_match=request.headers.get("If-Match"))
                return web.Response(status=202)
            case _:
                raise StorageError(400, "UnsupportedByThisEndpoint")

    def _list(self, container: str, prefix: str, marker: str) -> web.Response:
        found = self._blobs.listed(container, prefix, marker, _PAGE)
        items = "".join(
            f"<Blob><Name>{escape(b.name)}</Name><Properties><Last-Modified>{formatdate(b.written, usegmt=True)}"
            f"</Last-Modified><Etag>{b.etag[1:-1]}</Etag><BlobType>BlockBlob</BlobType></Properties></Blob>"
            for b in found
        )
        more = escape(found[-1].name) if len(found) == _PAGE else ""
        text = (
            f'{_XML}<EnumerationResults ContainerName="{escape(container)}">'
            f"<Blobs>{items}</Blobs><NextMarker>{more}</NextMarker></EnumerationResults>"
        )
        return web.Response(text=text, content_type="application/xml")


def _part(blob: Blob, headers: object) -> web.Response:
    """Return the blob, or the range of it that was asked for."""
    given = headers.get("x-ms-range") or headers.get("Range") or ""  # type: ignore[attr-defined]
    found = _RANGE.fullmatch(given)
    if found is None:
        return web.Response(body=blob.body, headers=_headers(blob))
    first, last = int(found[1]), min(int(found[2] or len(blob.body)), len(blob.body) - 1)
    if first > last:
        raise StorageError(416, "InvalidRange")
    within = f"bytes {first}-{last}/{len(blob.body)}"
    part = blob.body[first : last + 1]
    return web.Response(status=206, body=part, headers={**_headers(blob), "Content-Range": within})


def _headers(blob: Blob) -> dict[str, str]:
    return {
        "ETag": blob.etag,
        "Last-Modified": formatdate(blob.written, usegmt=True),
        "x-ms-blob-type": "BlockBlob",
        "Content-Type": "application/octet-stream",
    }
