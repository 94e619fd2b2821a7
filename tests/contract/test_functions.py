"""The functions that the app registers, as the host indexes them in a fresh worker."""

import ast
import functools
import re

import pytest

from contracts.durable import CANCEL_EVENT, ORCHESTRATOR
from http_api.operations import OPERATIONS, PAGES
from settings import DEFAULTS
from tests.contract.project import ROOT, deployed_modules, run_python

INDEX = """
import inspect, json
import function_app
print(json.dumps({
    f.get_function_name(): {
        "bindings": json.loads(f.get_function_json())["bindings"],
        "parameters": sorted(inspect.signature(f.get_user_function()).parameters),
        "coroutine": inspect.iscoroutinefunction(f.get_user_function()),
    }
    for f in function_app.app.get_functions()  # works once in a process
}))
"""

HTTP = {operation.name: operation for operation in (*OPERATIONS, *PAGES)}
WITH_CLIENT = {
    "run_agent",
    "start_agent_run",
    "list_runs",
    "count_runs",
    "cancel_runs",
    "agent_run_status",
    "cancel_agent_run",
    "submit_agent_run_tool_outputs",
    "retry_agent_run",
    "agent_run_steps",
    "agent_run_events",
    "agent_run_file",
    "create_message",
    "create_run",
    "terminate_instance",
    "cancel_orphaned_runs",
    "purge_history",
}
# design.md, section 3; and `plan_run`, which a start over the Durable webhook needs
ACTIVITIES = {
    "plan_run",
    "create_thread",
    "create_message",
    "create_run",
    "get_run",
    "get_response",
    "cancel_run",
    "submit_tool_outputs",
    "delete_thread",
    "terminate_instance",
}
TIMERS = {"cancel_orphaned_runs": DEFAULTS["ORPHAN_SCAN_SCHEDULE"], "purge_history": "0 30 3 * * *"}


@functools.cache
def functions(**environment: str) -> dict[str, dict]:
    """Return what a fresh worker finds: bindings, parameters and kind of every function."""
    found: dict[str, dict] = run_python(INDEX, **environment)
    return found


def indexed(**environment: str) -> dict[str, dict[str, dict]]:
    """Return the bindings of every function by their type."""
    return {name: {b["type"]: b for b in f["bindings"]} for name, f in functions(**environment).items()}


def of_type(trigger: str, **environment: str) -> dict[str, dict]:
    return {name: b[trigger] for name, b in indexed(**environment).items() if trigger in b}


def test_nothing_is_registered_that_nobody_reviewed():
    assert set(indexed()) == {*HTTP, ORCHESTRATOR, *ACTIVITIES, *TIMERS}


def test_routes_and_methods_are_those_of_the_table():
    found = {name: (b["methods"], b["route"]) for name, b in of_type("httpTrigger").items()}
    assert found == {name: ([operation.method], operation.route) for name, operation in HTTP.items()}


def test_the_table_is_that_of_the_pages():
    described = {(o.method, f"/api/{o.route}") for o in HTTP.values()}
    api, design = ((ROOT / "docs" / name).read_text("utf-8") for name in ("api.md", "design.md"))
    assert set(re.findall(r"^\| (GET|POST) `([^`]+)` \|", api, re.MULTILINE)) == described
    named = re.findall(r"^\| (GET|POST) `([^`]+)` \| `(\w+)` \|", design, re.MULTILINE)
    assert set(named) == {(o.method, f"/api/{o.route}", o.name) for o in HTTP.values()}


def test_the_route_of_run_agent_is_its_name():
    # Polysync imports a function by its name and calls the default route.
    assert of_type("httpTrigger")["run_agent"]["route"] == "run_agent"


def test_no_route_is_reserved_by_the_host():
    for name, binding in of_type("httpTrigger").items():
        assert not binding["route"].startswith(("admin", "runtime", "/")), name


def test_every_http_function_answers_by_its_return_value():
    for name in HTTP:
        assert indexed()[name]["http"]["name"] == "$return"


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (None, "FUNCTION"),
        ("ANONYMOUS", "ANONYMOUS"),
        ("nonsense", "FUNCTION"),
    ],
)
def test_the_setting_decides_who_may_call(value, level):
    environment = {} if value is None else {"HTTP_AUTH_LEVEL": value}
    levels = {name: b["authLevel"].upper() for name, b in of_type("httpTrigger", **environment).items()}
    assert levels == {name: "ANONYMOUS" if operation.is_anonymous else level for name, operation in HTTP.items()}
    assert [name for name, operation in HTTP.items() if operation.is_anonymous] == ["health", "console", "console_file"]


def test_the_app_loads_whatever_the_other_settings_are():
    wrong = {name: "\u00a7 no n sense" for name in DEFAULTS if name not in ("HTTP_AUTH_LEVEL", "ORPHAN_SCAN_SCHEDULE")}
    assert set(indexed(**wrong)) == set(indexed())


def test_there_is_one_orchestrator_under_its_name():
    assert {name: b["orchestration"] for name, b in of_type("orchestrationTrigger").items()} == {
        ORCHESTRATOR: ORCHESTRATOR
    }
    assert ORCHESTRATOR == "agent_run"
    assert of_type("orchestrationTrigger")[ORCHESTRATOR]["name"] == "context"


def test_the_activities_are_those_of_the_design():
    assert set(of_type("activityTrigger")) == ACTIVITIES
    assert {b["name"] for b in of_type("activityTrigger").values()} == {"payload"}


def test_the_timers_have_their_schedules():
    assert {name: b["schedule"] for name, b in of_type("timerTrigger").items()} == TIMERS
    other = of_type("timerTrigger", ORPHAN_SCAN_SCHEDULE="0 0 * * * *")
    assert other["cancel_orphaned_runs"]["schedule"] == "0 0 * * * *"


@pytest.mark.parametrize("value", ["nonsense"])
def test_a_schedule_that_is_none_does_not_reach_the_host(value):
    found = of_type("timerTrigger", ORPHAN_SCAN_SCHEDULE=value)
    assert found["cancel_orphaned_runs"]["schedule"] == DEFAULTS["ORPHAN_SCAN_SCHEDULE"]


def test_the_durable_client_goes_to_those_who_need_it():
    assert set(of_type("durableClient")) == WITH_CLIENT
    assert {b["name"] for b in of_type("durableClient").values()} == {"client"}


def test_only_what_foundry_calls_block_takes_a_thread_of_the_worker():
    # durable-protocol.md, rule 18: sync functions share a pool of threads, async ones one loop. The pool is just large
    # enough for all activities and orchestrators: a request must not take the place of one, nor what watches a run.
    coroutines = {name for name, f in functions().items() if f["coroutine"]}
    assert coroutines == WITH_CLIENT | {"get_run", "submit_tool_outputs"} | set(of_type("httpTrigger"))


def test_a_function_takes_just_its_bindings():
    # What talks to Foundry is given its invocation, too, which names the trace.
    in_a_trace = ACTIVITIES - {"terminate_instance"}
    for name, function in functions().items():
        if name != ORCHESTRATOR:
            given = {b["name"] for b in function["bindings"]} | ({"context"} if name in in_a_trace else set())
            assert function["parameters"] == sorted(given - {"$return"}), name


def test_no_two_functions_differ_in_case_only():
    assert len({name.lower() for name in functions()}) == len(functions())


# --- what orchestrators call ------------------------------------------------------------------------------------------


def activity_names_in(source: str) -> set[str]:
    """Return the names that orchestrator code hands to `call`, `attempt` or the context's `call_activity`."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("call", "attempt", "call_activity")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_every_activity_that_an_orchestrator_calls_is_registered():
    # durable-protocol.md, rule 8: a name that is not registered leaves the instance Running for ever.
    sources = [(ROOT / "orchestrators" / f.name).read_text("utf-8") for f in (ROOT / "orchestrators").glob("*.py")]
    called = set().union(*map(activity_names_in, sources))
    assert called == ACTIVITIES


def test_activity_names_are_found_in_code():
    assert activity_names_in("steps.call('a', x); context.call_activity('b'); steps.attempt(name); call('c')") == {
        "a",
        "b",
    }


def test_no_other_orchestrator_is_called_or_started():
    for module, path in deployed_modules().items():
        source = path.read_text("utf-8")
        assert "call_sub_orchestrator" not in source, module
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "start_new":
                assert isinstance(node.args[0], ast.Name), module
                assert node.args[0].id == "ORCHESTRATOR", module


def test_the_events_have_the_names_that_callers_know():
    assert CANCEL_EVENT == "cancel"
