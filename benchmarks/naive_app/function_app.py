"""The monitor that one writes first: a durable timer of one second, and a look at the run. For comparison only."""

import os
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import requests

app = df.DFApp()
session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ.get('FOUNDRY_ACCESS_TOKEN', '')}"
session.params = {"api-version": "v1"}


@app.orchestration_trigger(context_name="context")
def naive_monitor(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Start a run, look at it every second, return its answer."""
    wanted = context.get_input()
    run = yield context.call_activity("naive_start", wanted["agent_id"])
    polls = 0
    while run["status"] in {"queued", "in_progress"}:
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        run = yield context.call_activity("naive_look", run)
        polls += 1
        context.set_custom_status({"polls": polls})
    text = yield context.call_activity("naive_answer", run)
    return {"run_id": run["id"], "thread_id": run["thread_id"], "response": text}


@app.activity_trigger(input_name="agent")
def naive_start(agent: str) -> dict[str, Any]:
    """Create thread, message and run."""
    thread = _call("POST", "/threads", {})["id"]
    _call("POST", f"/threads/{thread}/messages", {"role": "user", "content": "How long does this take?"})
    return _call("POST", f"/threads/{thread}/runs", {"assistant_id": agent})


@app.activity_trigger(input_name="run")
def naive_look(run: dict) -> dict[str, Any]:
    """Look at the run."""
    return _call("GET", f"/threads/{run['thread_id']}/runs/{run['id']}")


@app.activity_trigger(input_name="run")
def naive_answer(run: dict) -> str:
    """Read the answer."""
    newest = _call("GET", f"/threads/{run['thread_id']}/messages?run_id={run['id']}")["data"][0]
    return str(newest["content"][0]["text"]["value"])


def _call(method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = session.request(method, os.environ["FOUNDRY_PROJECT_ENDPOINT"] + path, json=body, timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
