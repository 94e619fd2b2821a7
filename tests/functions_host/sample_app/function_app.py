"""An app with one of everything the local host has to handle."""

import asyncio
import json
import logging
import os
import time
from datetime import datetime, timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
ANYONE = func.AuthLevel.ANONYMOUS


# --- HTTP: what comes in ---


@app.route(route="echo/{*rest}", auth_level=ANYONE)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    try:
        parsed = req.get_json()
    except ValueError:
        parsed = "ValueError"
    document = {
        "method": req.method,
        "url": req.url,
        "route": dict(req.route_params),
        "query": dict(req.params),
        "headers": dict(req.headers),
        "size": len(req.get_body()),
        "json": parsed,
    }
    return func.HttpResponse(json.dumps(document), mimetype="application/json")


@app.route(route="items/{id:int}/{part?}", methods=["GET"], auth_level=ANYONE)
def item(req: func.HttpRequest) -> str:
    return json.dumps(dict(req.route_params))


@app.route(route="items/special", methods=["GET"], auth_level=ANYONE)
def special_item(req: func.HttpRequest) -> str:
    return "special"


@app.route(route="items/{name}", methods=["GET"], auth_level=ANYONE)
def named_item(req: func.HttpRequest) -> str:
    return f"named {req.route_params['name']}"


@app.route(route="items/special", methods=["POST"], auth_level=ANYONE)
def post_special(req: func.HttpRequest) -> str:
    return "posted"


# --- HTTP: what goes out ---

_RESULTS = {
    "str": lambda: "tëxt",
    "none": lambda: None,
    "bytes": lambda: b"bytes",
    "dict": lambda: {"a": 1},
    "int": lambda: 5,
    "json": lambda: func.HttpResponse('{"a": 1}', mimetype="application/json", status_code=201),
    "header": lambda: func.HttpResponse("x", headers={"Content-Type": "text/x-own", "Server": "mine", "X-One": "1"}),
    "latin": lambda: func.HttpResponse("x", headers={"X-Bad": "å"}),
    "newline": lambda: func.HttpResponse("x", headers={"X-Bad": "a\nb"}),
    "empty": lambda: func.HttpResponse(status_code=204),
}


@app.route(route="result/{kind}", auth_level=ANYONE)
def result(req: func.HttpRequest):
    return _RESULTS[req.route_params["kind"]]()


@app.route(route="cookies", auth_level=ANYONE)
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    answer = func.HttpResponse("x")
    answer.headers.add("Set-Cookie", "a=1; Path=/")
    answer.headers.add("Set-Cookie", "b=2; HttpOnly")
    answer.headers.add("X-Twice", "first")
    answer.headers.add("X-Twice", "last")
    return answer


@app.route(route="raises", auth_level=ANYONE)
def raises(req: func.HttpRequest) -> str:
    raise RuntimeError("secret detail")


@app.route(route="blocks", auth_level=ANYONE)
async def blocks(req: func.HttpRequest) -> str:
    time.sleep(float(req.params["s"]))
    return "done"


@app.route(route="sleeps", auth_level=ANYONE)
def sleeps(req: func.HttpRequest) -> str:
    time.sleep(float(req.params["s"]))
    return "done"


@app.route(route="leaves", auth_level=ANYONE)
def leaves_late(req: func.HttpRequest) -> str:
    time.sleep(0.5)
    with open(req.params["path"], "w") as file:
        file.write("to the end")
    return "done"


@app.route(route="context", auth_level=ANYONE)
def with_context(req: func.HttpRequest, context: func.Context) -> str:
    logging.getLogger("sample").info("a line from the app")
    return json.dumps({"name": context.function_name, "id": context.invocation_id, "setting": os.environ.get("SAMPLE")})


@app.route(route="locked")
def locked(req: func.HttpRequest) -> str:
    return "in"


@app.route(route="guarded", auth_level=func.AuthLevel.ADMIN)
def guarded(req: func.HttpRequest) -> str:
    return "in"


# --- timer ---

_TICKS: list[dict] = []


@app.timer_trigger(arg_name="timer", schedule="%TICK_SCHEDULE%", run_on_startup=False)
def tick(timer: func.TimerRequest) -> None:
    _TICKS.append({"past_due": timer.past_due, "status": timer.schedule_status})


@app.route(route="ticks", auth_level=ANYONE)
def ticks(req: func.HttpRequest) -> str:
    return json.dumps(_TICKS)


# --- every method of the durable client ---


@app.route(route="client/{op}", methods=["POST"], auth_level=ANYONE)
@app.durable_client_input(client_name="client")
async def client_op(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    given = req.get_json()
    instance = given.get("id")
    match req.route_params["op"]:
        case "start":
            done = await client.start_new(given["name"], instance, given.get("input"), given.get("version"))
        case "status":
            done = (await client.get_status(instance, show_input=True)).to_json()
        case "all":
            done = [s.to_json() for s in await client.get_status_all()]
        case "by":
            names = [df.OrchestrationRuntimeStatus(n) for n in given.get("statuses", [])]
            since = datetime.min if given.get("since_ever") else None
            done = [s.to_json() for s in await client.get_status_by(since, None, names, given.get("prefix"))]
        case "raise":
            done = await client.raise_event(instance, given["event"], given.get("data"))
        case "terminate" | "suspend" | "resume" | "rewind" as op:
            done = await getattr(client, op)(instance, given["reason"])
        case "restart":
            done = await client.restart(instance, given["new"])
        case "purge":
            done = (await client.purge_instance_history(instance)).instances_deleted
        case "purge_by":
            since = (await client.get_status(instance)).created_time - timedelta(hours=1)
            names = [df.OrchestrationRuntimeStatus(n) for n in given["statuses"]]
            done = (await client.purge_instance_history_by(since, None, names)).instances_deleted
        case "payload":
            done = client.create_http_management_payload(instance)
        case "check":
            return client.create_check_status_response(req, instance)
        case "wait":
            return await client.wait_for_completion_or_create_check_status_response(req, instance, given["ms"], 50)
        case "entity":
            done = await client.read_entity_state(df.EntityId("counter", "one"))
        case "signal":
            done = await client.signal_entity(df.EntityId("counter", "one"), "add", 1)
        case other:
            raise ValueError(other)
    return func.HttpResponse(json.dumps(done, default=str), mimetype="application/json")


@app.route(route="rpc", auth_level=ANYONE)
@app.durable_client_input(client_name="client")
async def rpc(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
    return client._orchestration_bindings.rpc_base_url


# --- orchestrations ---


@app.orchestration_trigger(context_name="context")
def waits(context):
    return (yield context.wait_for_external_event("go"))


@app.orchestration_trigger(context_name="context")
def adds(context):
    total = 0
    for number in context.get_input() or [1, 2]:
        total += yield context.call_activity("double", number)
    return total


@app.orchestration_trigger(context_name="context")
def tells_the_failure(context):
    """Shows what an orchestrator sees of an activity that fails with this text."""
    try:
        yield context.call_activity("raises_text", context.get_input())
    except Exception as error:
        return str(error).split(" \n {")[0]


@app.orchestration_trigger(context_name="context")
def raises_input(context):
    yield context.call_activity("double", 1)
    raise ValueError(context.get_input())


@app.orchestration_trigger(context_name="context")
def fails(context):
    context.set_custom_status("failing")
    yield context.call_activity("double", 1)
    raise ValueError("no way")


@app.orchestration_trigger(context_name="context")
def fails_until(context):
    """Fails until a file is there: what a rewind is for."""
    first = yield context.call_activity("double", 4)
    second = yield context.call_activity("needs_file", context.get_input())
    return [first, second]


@app.orchestration_trigger(context_name="context")
def parent_of_failing(context):
    return (yield context.call_sub_orchestrator("fails_until", context.get_input(), context.instance_id + "-child"))


@app.orchestration_trigger(context_name="context")
def polls(context):
    seen = 0
    cancel = context.wait_for_external_event("cancel")
    for _ in range(context.get_input()["polls"]):
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=1.5))
        winner = yield context.task_any([cancel, timer])
        if winner == cancel:
            timer.cancel()
            return {"seen": seen, "cancelled": cancel.result}
        seen = yield context.call_activity("double", seen + 1)
        context.set_custom_status({"seen": seen})
    return {"seen": seen}


@app.orchestration_trigger(context_name="context")
def versioned(context):
    yield context.call_activity("double", 1)
    return context.version


@app.orchestration_trigger(context_name="context")
def calls_entity(context):
    yield context.call_entity(df.EntityId("counter", "one"), "get")


@app.orchestration_trigger(context_name="context")
def calls_http(context):
    yield context.task_all([context.call_http("GET", "http://127.0.0.1:1/")])


@app.orchestration_trigger(context_name="context")
def ends_itself(context):
    context.set_custom_status("ending")
    yield context.call_activity("terminates", {"id": context.instance_id, "reason": "by itself"})
    yield context.call_activity("leaves_file", context.get_input())


@app.orchestration_trigger(context_name="context")
def appends(context):
    """Each run of the activity leaves a line, so that a test sees how often it really ran."""
    try:
        yield context.call_activity("appends_line", context.get_input())
    except Exception as error:
        return str(error).split(" \n ")[0]
    return "ok"


@app.orchestration_trigger(context_name="context")
def counts_events(context):
    """Counts how often an event comes; ends at `stop`."""
    stop = context.wait_for_external_event("stop")
    count = 0
    while True:
        tick = context.wait_for_external_event("tick")
        alarm = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        winner = yield context.task_any([stop, tick, alarm])
        alarm.cancel()  # without it the extension never sees that the older waiter has won
        if winner == stop:
            return count
        count += 1


@app.activity_trigger(input_name="text")
def raises_text(text: str) -> None:
    raise ValueError(text)


@app.activity_trigger(input_name="number")
def double(number: int) -> int:
    return 2 * number


@app.activity_trigger(input_name="path")
async def needs_file(path: str) -> str:
    await asyncio.sleep(0)
    with open(path) as file:
        return file.read()


@app.activity_trigger(input_name="path")
def leaves_file(path: str) -> None:
    with open(path, "w") as file:
        file.write("was here")


@app.activity_trigger(input_name="path")
def appends_line(path: str) -> None:
    with open(path, "a") as file:
        file.write("ran\n")


@app.activity_trigger(input_name="given")
@app.durable_client_input(client_name="client")
async def terminates(given: dict, client: df.DurableOrchestrationClient) -> None:
    await client.terminate(given["id"], given["reason"])
