"""Microsoft's runtime, spoken to as the host's proxy worker speaks to it: with the protocol's own messages."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from azure_functions_runtime import handle_event
from azure_functions_runtime.utils.threadpool import start_threadpool_executor

from tests.worker.protocol import messages
from tests.worker.texts import as_bytes, as_text

Json = dict[str, Any]
REPLACED_BY_THE_HOST = {"server", "date", "content-length"}


class RuntimeSide:
    """The platform's side."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._protos = messages()
        self._ids: dict[str, str] = {}
        self._bindings: dict[str, list[Json]] = {}

    async def index(self) -> Json:
        init = self._protos.WorkerInitRequest(host_version="4.1037.0", function_app_directory=str(self._root))
        started = await handle_event.worker_init_request(self._request(worker_init_request=init))
        if started.result.status != self._protos.StatusResult.Success:
            return {"error": started.result.exception.message}
        start_threadpool_executor()  # as the proxy worker does
        for metadata in (await handle_event.functions_metadata_request(None)).function_metadata_results:
            await self._load(metadata)
            self._ids[metadata.name] = metadata.function_id
            self._bindings[metadata.name] = [json.loads(text) for text in metadata.raw_bindings]
        return {"functions": self._bindings}

    async def _load(self, metadata: Any) -> None:
        load = self._protos.FunctionLoadRequest(function_id=metadata.function_id, metadata=metadata)
        loaded = await handle_event.function_load_request(self._request(function_load_request=load))
        assert loaded.function_id == metadata.function_id
        assert loaded.result.status == self._protos.StatusResult.Success

    async def invoke(self, name: str, kind: str, given: Any, client: str, trace: str) -> Json:
        bindings = self._bindings[name]
        trigger = next(b["name"] for b in bindings if b["type"] == kind)
        data = [self._protos.ParameterBinding(name=trigger, data=self._trigger_data(kind, given))]
        for binding in bindings:
            if binding["type"] == "durableClient":
                value = self._protos.TypedData(string=client)
                data.append(self._protos.ParameterBinding(name=binding["name"], data=value))
        invocation = self._protos.InvocationRequest(
            invocation_id="one",
            function_id=self._ids[name],
            input_data=data,
            trace_context=self._protos.RpcTraceContext(trace_parent=trace),
        )
        answer = await handle_event.invocation_request(self._request(invocation_request=invocation))
        if answer.result.status != self._protos.StatusResult.Success:
            return {"error": f"Result: Failure\nException: {answer.result.exception.message}"}
        return {"result": self._result(kind, answer.return_value)}

    def _trigger_data(self, kind: str, given: Any) -> Any:
        match kind:
            case "httpTrigger":
                body = as_bytes(given["body"])
                sent = {"body": self._protos.TypedData(bytes=body)} if body else {}
                fields = {k: given[k] for k in ("method", "url", "headers", "query", "params")}
                return self._protos.TypedData(http=self._protos.RpcHttp(**fields, **sent))
            case "timerTrigger":
                return self._protos.TypedData(json=given)
            case _:
                return self._protos.TypedData(string=given)  # the Durable extension sends its JSON as a string

    def _result(self, kind: str, value: Any) -> Any:
        match kind, value.WhichOneof("data"):
            case _, None:
                return None
            case "httpTrigger", "string":  # the host's own rule for a plain text
                headers = {"content-type": "text/plain; charset=utf-8"}
                return {"status": 200, "headers": headers, "cookies": [], "body": value.string}
            case "httpTrigger", "http":
                return self._http_result(value.http)
            case _, "json":
                return json.loads(value.json)
            case other:
                raise TypeError(f"nobody expects this of a function: {other}")

    @staticmethod
    def _http_result(http: Any) -> Json:
        headers = {name.lower(): text for name, text in http.headers.items()}
        cookies = [[c.name, c.value, c.path.value, c.http_only.value] for c in http.cookies]
        return {
            "status": int(http.status_code),
            "headers": {n: t for n, t in headers.items() if n not in REPLACED_BY_THE_HOST},
            "cookies": cookies,
            "body": as_text(http.body.bytes),
        }

    def _request(self, **content: Any) -> Any:
        message = self._protos.StreamingMessage(request_id="one", **content)
        return SimpleNamespace(request=message, properties={"host": "127.0.0.1", "protos": self._protos})
