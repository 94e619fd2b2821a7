"""Indexes and invokes an app, through the local host's own parts or through Microsoft's Python worker runtime.

``python worker_probe.py local|runtime APP_ROOT < cases.json`` prints the functions with their bindings and the answer
to each case, in one form for both, so that a test can compare them. ``runtime`` needs an interpreter of 3.13 with
``azure-functions-runtime``; what that package takes for its protobuf classes is made up here.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Bag:
    """Stands in for any protobuf message: it has the fields it was made with."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def WhichOneof(self, _: str) -> str | None:  # noqa: N802 - protobuf's name
        return next(iter(self.__dict__), None)


class BindingInfo(Bag):
    undefined, out, inout = 0, 1, 2


class StatusResult(Bag):
    Failure, Success = 0, 1


class Protos:
    """Stands in for the module of protobuf classes."""

    BindingInfo, StatusResult = BindingInfo, StatusResult

    def __getattr__(self, name: str) -> type[Bag]:
        return type(name, (Bag,), {})


def _binding(text: str | dict[str, Any]) -> dict[str, Any]:
    found = json.loads(text) if isinstance(text, str) else dict(text)
    return {k: v for k, v in found.items() if k in ("name", "type", "direction", "route", "methods", "authLevel")}


# --- Microsoft's runtime ---


async def runtime(root: Path, cases: list[dict[str, Any]]) -> dict[str, Any]:
    from azure_functions_runtime import handle_event
    from azure_functions_runtime.utils.threadpool import start_threadpool_executor

    protos = Protos()
    init = Bag(capabilities={}, function_app_directory=str(root))
    request = Bag(request=Bag(worker_init_request=init), properties={"host": "127.0.0.1", "protos": protos})
    started = await handle_event.worker_init_request(request)
    if started.result.status != StatusResult.Success:
        raise RuntimeError(started.result.exception.message)
    start_threadpool_executor()
    metadata = (await handle_event.functions_metadata_request(None)).function_metadata_results
    ids = {m.name: m.function_id for m in metadata}
    triggers = {m.name: next(b for b in map(_binding, m.raw_bindings) if "rigger" in b["type"]) for m in metadata}
    answers = [await _invoke(handle_event, ids, triggers, case) for case in cases]
    return {"functions": {m.name: [_binding(b) for b in m.raw_bindings] for m in metadata}, "answers": answers}


async def _invoke(handle_event: Any, ids: dict[str, str], triggers: dict[str, Any], case: dict[str, Any]) -> Any:
    name = case["function"]
    if "http" in case:
        given = case["http"]
        body = Bag(bytes=given.get("body", "").encode())
        fields = {"method": given["method"], "url": given["url"], "headers": given["headers"], "body": body}
        data = Bag(http=Bag(**fields, params=given["params"], query=given["query"]))
    else:
        data = Bag(string=case["text"])
    invocation = Bag(
        invocation_id="1",
        function_id=ids[name],
        input_data=[SimpleNamespace(name=triggers[name]["name"], data=data, WhichOneof=lambda _: "data")],
        trigger_metadata={},
        trace_context=Bag(trace_parent="", trace_state="", attributes={}),
        retry_context=Bag(retry_count=0, max_retry_count=0, exception=None),
    )
    answer = await handle_event.invocation_request(Bag(request=Bag(invocation_request=invocation)))
    if answer.result.status != StatusResult.Success:
        return ["error", answer.result.exception.message.splitlines()[0]]
    value = answer.return_value
    if value is None:
        return ["ok", None]
    if "http" in case:
        if hasattr(value, "string"):
            return ["ok", [200, {}, value.string]]
        http = value.http
        headers = {k.lower(): v for k, v in http.headers.items() if k.lower() != "server"}  # the host replaces it
        return ["ok", [int(http.status_code), headers, http.body.bytes.decode()]]
    return ["ok", json.loads(value.json)]


# --- the local host ---


async def local(root: Path, cases: list[dict[str, Any]]) -> dict[str, Any]:
    from local.functions_host.invoker import Invoker
    from local.functions_host.loader import load_app

    app = load_app(root)
    invoker = Invoker(app, root, lambda: "{}")
    by_name = {f.name: f for f in app.functions}
    try:
        answers = [await _invoke_locally(invoker, by_name[case["function"]], case) for case in cases]
    finally:
        await invoker.close(grace=5)
    return {"functions": {f.name: [_binding(b) for b in f.bindings] for f in app.functions}, "answers": answers}


async def _invoke_locally(invoker: Any, function: Any, case: dict[str, Any]) -> Any:
    from azure.functions.http import HttpRequest

    from local.functions_host.http import _from_function

    try:
        if "http" in case:
            given = case["http"]
            value = HttpRequest(
                given["method"],
                given["url"],
                headers=given["headers"],
                params=given["query"],
                route_params=given["params"],
                body_type="bytes",
                body=given.get("body", "").encode(),
            )
            result = await invoker.call(function, value)
            if isinstance(result, str):
                return ["ok", [200, {}, result]]
            response = _from_function(result)
            headers = {k.lower(): v for k, v in response.headers.items() if k.lower() != "content-length"}
            return ["ok", [response.status, headers, bytes(response.body or b"").decode()]]
        if function.trigger == "activityTrigger":
            return ["ok", json.loads(await invoker.run_activity(function.name, case["text"], "one"))]
        return ["ok", json.loads(await invoker.run_orchestrator(function.name, case["text"]))]
    except Exception as error:  # noqa: BLE001
        return ["error", f"{type(error).__name__}: {error}".splitlines()[0]]


def main() -> None:
    """Run one side."""
    side, root = sys.argv[1], Path(sys.argv[2]).resolve()
    cases = json.load(sys.stdin)
    os.chdir(root)
    sys.path.insert(0, str(root))
    probe = runtime if side == "runtime" else local
    found = asyncio.run(probe(root, cases))
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
