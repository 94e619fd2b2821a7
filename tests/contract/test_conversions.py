"""Conversions to a type: safe from the first one on, in however many threads (`contracts.wire.from_wire`)."""

import ast
import os

import pytest

from tests.contract.project import deployed_modules, run_python

FIRST_USES_AT_ONCE = """
import importlib, json, sys, threading
from contracts import activities, formats, request, runs, wire as base
from validation import field_errors, fitness, start_request

sys.setswitchinterval(1e-6)
run = {"run_id": "run_1", "thread_id": "thread_1", "state": "completed", "raw_status": "completed"}
wire = {"value": {**run, "answer": {"messages": [{"id": "msg_1", "text": "yes"}]}}}
for _ in range(60):
    for module in (formats, base, request, runs, activities, field_errors, fitness, start_request):
        importlib.reload(module)  # new types, which msgspec has not seen
    start, done = threading.Barrier(8), []

    def use():
        start.wait()
        answer = base.from_wire(activities.ActivityResult[runs.RunSnapshot], wire).value.answer
        asked = start_request.parse_request({"user_message": "a", "agent_id": "asst_1", "run_options": {"top_p": 1}})
        done.append((answer.text, asked.run_options.top_p))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [("yes", 1.0)] * 8, done
print(json.dumps("alive"))
"""


def test_many_threads_may_be_the_first_to_use_a_type():
    """Without the lock the process dies of a segmentation fault, as a worker did under a burst after its start."""
    assert run_python(FIRST_USES_AT_ONCE, PYTHONFAULTHANDLER="1", PYTHONPATH=os.curdir) == "alive"


def _typed_conversions(source: str) -> list[str]:
    """Return the calls by which msgspec takes a type apart."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call)
        for call in calls
        if (name := ast.unparse(call.func)).endswith("msgspec.convert")
        or name.endswith(("Decoder", ".from_builtins"))
        or (name.endswith("json.decode") and (len(call.args) > 1 or call.keywords))
    ]


def test_the_check_of_conversions_sees_them():
    bad = ["msgspec.convert(1, int)", "msgspec.json.Decoder(int)", "msgspec.json.decode('1', type=int)"]
    assert _typed_conversions("\n".join([*bad, "msgspec.json.decode('1')"])) == bad


@pytest.mark.parametrize("module", sorted(deployed_modules()))
def test_every_conversion_to_a_type_goes_through_from_wire(module):
    calls = _typed_conversions(deployed_modules()[module].read_text("utf-8"))
    assert len(calls) == (2 if module == "contracts.wire" else 0), calls
