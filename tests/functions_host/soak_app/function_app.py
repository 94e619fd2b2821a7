"""Mixed load for the kill test: every orchestration comes to the same end however often the host dies."""

import asyncio
import json
import time
from datetime import timedelta

import azure.durable_functions as df

app = df.DFApp()


def timer(context, seconds):
    return context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))


@app.orchestration_trigger(context_name="context")
def chain(context):
    total = 0
    for number in range(4):
        total += yield context.call_activity("sync_work", {"n": number, "s": 0.02})
        total += yield context.call_activity("async_work", {"n": number, "s": 0.02})
    return total


@app.orchestration_trigger(context_name="context")
def fan_out(context):
    results = yield context.task_all([context.call_activity("sync_work", {"n": n, "s": 0.01}) for n in range(8)])
    return sum(results)


@app.orchestration_trigger(context_name="context")
def timers(context):
    for number in range(4):
        yield timer(context, 1.5 + number)
    return "fired"


@app.orchestration_trigger(context_name="context")
def retries(context):
    try:
        yield context.call_activity_with_retry("fails", df.RetryOptions(1500, 3), "x")
    except Exception as error:
        return str(error)[:30]


@app.orchestration_trigger(context_name="context")
def parent(context):
    first = yield context.call_sub_orchestrator("chain")
    rest = yield context.task_all([context.call_sub_orchestrator("fan_out") for _ in range(2)])
    return [first, *rest]


@app.orchestration_trigger(context_name="context")
def generations(context):
    state = context.get_input() or {"seen": []}
    state = json.loads(state) if isinstance(state, str) else state
    for _ in range(3):
        yield timer(context, 1.5)
        state["seen"].append((yield context.call_activity("sync_work", {"n": len(state["seen"]), "s": 0.0})))
    if len(state["seen"]) < 12:
        context.continue_as_new(state)
        return None
    return state["seen"]


@app.orchestration_trigger(context_name="context")
def events(context):
    """Questions under fresh names; each answer may come twice."""
    answers = []
    for number in range(3):
        context.set_custom_status({"asks": f"answer_{number}"})
        question = context.wait_for_external_event(f"answer_{number}")
        alarm = timer(context, 3600)
        yield context.task_any([question, alarm])
        alarm.cancel()
        answers.append(question.result)
        yield context.call_activity("sync_work", {"n": number, "s": 0.01})
    return answers


@app.orchestration_trigger(context_name="context")
def failing(context):
    yield context.call_activity("sync_work", {"n": 1, "s": 0.02})
    raise ValueError("as it should")


@app.activity_trigger(input_name="given")
def sync_work(given):
    time.sleep(given["s"])
    return given["n"] + 1


@app.activity_trigger(input_name="given")
async def async_work(given):
    await asyncio.sleep(given["s"])
    return given["n"] + 1


@app.activity_trigger(input_name="given")
def fails(given):
    raise RuntimeError("boom")
