"""A scripted Durable endpoint on loopback: what the SDK's client asks for is noted, and answered from a table."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from local.functions_host.protocol import ClientBinding, client_binding

Json = dict[str, Any]
NEW_INSTANCE = "0123456789abcdef0123456789abcdef"
BASE_URL = "https://app.example"


def instance(instance_id: str, **fields: Any) -> Json:
    """A row as the extension shows it: a run of ours that goes on, but for ``fields``."""
    return {
        "name": "agent_run",
        "instanceId": instance_id,
        "runtimeStatus": "Running",
        "input": None,
        "customStatus": None,
        "output": None,
        "createdTime": "2026-11-26T10:00:00Z",
        "lastUpdatedTime": "2026-11-26T10:00:05Z",
        "historyEvents": None,
        **fields,
    }


class DurableEndpoint:
    """The table of instances, and what was asked of it. ``on_event`` may change the table, as an orchestrator would."""

    def __init__(self) -> None:
        self.instances: dict[str, Json] = {}
        self.calls: list[Json] = []
        self.on_event: Callable[[Json, str, Any], None] = lambda row, event, data: None
        self.broken = False
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                trace = self.headers.get("traceparent")
                status, answer = endpoint.handle(self.command, self.path, json.loads(body) if body else None, trace)
                content = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - the server's names

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reset(self) -> None:
        self.instances, self.calls, self.broken = {}, [], False
        self.on_event = lambda row, event, data: None

    @property
    def binding(self) -> str:
        """The text of a durable client binding that leads here."""
        rpc_url = f"http://127.0.0.1:{self._server.server_port}/durabletask/"
        return client_binding(ClientBinding(BASE_URL, rpc_url, "hub", "Storage", "key"))

    def add(self, instance_id: str, **fields: Any) -> None:
        self.instances[instance_id] = instance(instance_id, **fields)

    def handle(self, method: str, target: str, body: Any, trace: str | None = None) -> tuple[int, Any]:
        self.calls.append({"method": method, "target": target, "body": body, "trace": trace})
        if self.broken:
            return 503, {"Message": "storage is away"}
        kind, *parts = [unquote(p) for p in urlsplit(target).path.removeprefix("/durabletask/").split("/") if p]
        match method, kind, parts:
            case "POST", "orchestrators", [name, *ids]:
                instance_id = ids[0] if ids else NEW_INSTANCE
                self.add(instance_id, name=name, input=body)
                return 202, {"id": instance_id}
            case "GET", "instances", []:
                query = parse_qs(urlsplit(target).query)
                wanted, prefix = query.get("runtimeStatus"), query.get("instanceIdPrefix", [""])[0]
                rows = [r for r in self.instances.values() if r["instanceId"].startswith(prefix)]
                return 200, [r for r in rows if wanted is None or r["runtimeStatus"] in wanted[0].split(",")]
            case "DELETE", "instances", []:
                return 200, {"instancesDeleted": 2}
        row = self.instances.get(parts[0]) if parts else None
        if row is None:
            return 404, None
        match method, parts[1:]:
            case "GET", []:
                return (202 if row["runtimeStatus"] in ("Running", "Pending") else 200), row
            case "POST", ["raiseEvent", event]:
                self.on_event(row, event, body)
                return 202, None
            case "POST", [_]:
                return 202, None
            case _:
                return 404, None
