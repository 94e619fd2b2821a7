"""The direction of dependencies (design.md, section 1), from the imports."""

import ast
import sys

import pytest

from tests.contract.project import (
    DEPLOYED_PACKAGES,
    ROOT,
    deployed_modules,
    imports_of,
    packages_imported_by,
    run_python,
)

MODULES = sorted(deployed_modules())
SHARED = {
    "look_schedule",
    "run_past",
    "settings",
    "policy",
    "app_log",
    "version",
    "recovery",
    "task_hub",
    "timed_http",
    "host_clock",
    "app_identity",
    "trace_context",
}
OURS = {*DEPLOYED_PACKAGES, *SHARED, "function_app"}

MAY_IMPORT = {
    # who -> which of our own packages, besides itself
    "function_app": {"activities", "http_api", "maintenance", "orchestrators", "settings"},  # the level of the app
    "activities": {
        "contracts",
        "validation",
        "settings",
        "policy",
        "app_log",
        "foundry",
        "look_schedule",
        "ownership",
        "store",
        "host_clock",
        "trace_context",
    },
    "http_api": {
        "contracts",
        "validation",
        "settings",
        "policy",
        "app_log",
        "version",
        "recovery",
        "run_past",
        "task_hub",
        "ownership",
        "store",
        "host_clock",
        "trace_context",
    },
    "http_api.beside_document": {"contracts", "settings", "foundry"},
    "http_api.foundry_reads": {"contracts", "settings", "foundry"},
    "http_api.foreign_calls": {"contracts", "settings", "foundry", "ownership"},
    "http_api.run_files": {"contracts", "foundry", "settings"},
    "http_api.thread_messages": {"contracts", "validation", "foundry", "settings"},
    "http_api.agents": {"contracts", "validation", "settings", "policy", "app_log", "foundry"},
    "maintenance": {
        "contracts",
        "settings",
        "app_log",
        "foundry",
        "recovery",
        "task_hub",
        "ownership",
        "store",
        "host_clock",
    },
    "orchestrators": {"contracts", "validation", "app_log", "look_schedule", "run_past", "trace_context"},
    "look_schedule": set(),
    "run_past": {"contracts"},
    "ownership": {"contracts", "app_log", "store", "recovery", "task_hub", "host_clock"},
    "store": {"contracts", "timed_http", "app_identity"},
    "foundry": {"contracts", "timed_http", "host_clock", "app_log", "app_identity", "trace_context"},
    "foundry.connection": {"contracts", "settings"},
    "timed_http": set(),
    "host_clock": set(),
    "app_identity": set(),
    "contracts": set(),
    "validation": {"contracts"},
    "version": set(),
    "app_log": {"trace_context"},
    "trace_context": set(),
    "recovery": {"contracts"},
    "task_hub": set(),
    "settings": {"contracts", "validation"},
    "policy": {"contracts", "settings", "validation"},
}


def test_the_layout_is_the_designs():
    assert {m.split(".")[0] for m in MODULES} == OURS
    for package in DEPLOYED_PACKAGES:
        assert (ROOT / package / "__init__.py").is_file()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_may(module):
    package = module.split(".")[0]
    allowed = MAY_IMPORT.get(module, MAY_IMPORT[package]) | {package}
    assert packages_imported_by(module) & OURS <= allowed


@pytest.mark.parametrize("module", MODULES)
def test_nothing_deployed_imports_what_is_not(module):
    assert not packages_imported_by(module) & {
        "client",
        "local",
        "tests",
        "benchmarks",
        "infra",
        "pytest",
        "hypothesis",
    }


@pytest.mark.parametrize("module", MODULES)
def test_imports_are_absolute(module):
    assert not [name for name in imports_of(module) if name.startswith(".")]


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("foundry")])
def test_the_foundry_client_knows_no_durable(module):
    assert not [name for name in imports_of(module) if name.startswith(("azure.durable_functions", "azure.functions"))]


# --- determinism ------------------------------------------------------------------------------------------------------

ORCHESTRATORS = [m for m in MODULES if m.startswith(("orchestrators", "look_schedule", "run_past"))]
FORBIDDEN_IMPORTS = {
    "asyncio",
    "concurrent",
    "http",
    "msal",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "requests",
    "secrets",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
FORBIDDEN_CALLS = {
    "now",
    "today",
    "utcnow",
    "uuid1",
    "uuid4",
    "urandom",
    "getenv",
    "sleep",
    "monotonic",
    "perf_counter",
}
FORBIDDEN_NAMES = {"open", "input", "exec", "eval", "id", "hash", "print"}


def reads_the_world(source: str) -> set[str]:
    """Return the calls of this code that read a clock, chance, a file or the process. A property `.now` is no call."""
    return {
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        for name in [getattr(node.func, "attr", None) or getattr(node.func, "id", "")]
        if (isinstance(node.func, ast.Attribute) and name in FORBIDDEN_CALLS - {"sleep"})
        or (isinstance(node.func, ast.Name) and name in FORBIDDEN_NAMES | FORBIDDEN_CALLS)
    }


@pytest.mark.parametrize("module", ORCHESTRATORS)
def test_orchestrators_import_nothing_that_is_not_deterministic(module):
    assert not packages_imported_by(module) & FORBIDDEN_IMPORTS


@pytest.mark.parametrize("module", ORCHESTRATORS)
def test_orchestrators_read_the_clock_through_the_context_only(module):
    assert reads_the_world(deployed_modules()[module].read_text("utf-8")) == set()


@pytest.mark.parametrize("module", ORCHESTRATORS)
def test_orchestrators_iterate_over_no_set(module):
    # The order of a set of texts differs from process to process, and with it the order of actions.
    for node in ast.walk(ast.parse(deployed_modules()[module].read_text("utf-8"))):
        over = node.iter if isinstance(node, ast.For | ast.comprehension) else None
        assert not isinstance(over, ast.Set | ast.SetComp), ast.dump(node)
        assert not (isinstance(over, ast.Call) and getattr(over.func, "id", "") in ("set", "frozenset")), module


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("datetime.now()", {"now"}),
        ("datetime.datetime.now(UTC)", {"now"}),
        ("date.today()", {"today"}),
        ("uuid4()", {"uuid4"}),
        ("open('x')", {"open"}),
        ("sleep(1)", {"sleep"}),
        ("steps.now + x", set()),
        ("steps.sleep(1, progress)", set()),
        ("context.current_utc_datetime", set()),
    ],
)
def test_the_test_itself_sees_what_it_looks_for(source, found):
    assert reads_the_world(source) == found


def test_what_orchestrators_import_of_ours_is_deterministic_too():
    assert not packages_imported_by("app_log") & FORBIDDEN_IMPORTS
    shared = [m for m in MODULES if m.split(".")[0] in ("contracts", "validation")]
    assert {m for m in shared if packages_imported_by(m) & FORBIDDEN_IMPORTS} == {"contracts.wire"}
    assert packages_imported_by("contracts.wire") & FORBIDDEN_IMPORTS == {"threading"}
    tree = ast.parse(deployed_modules()["contracts.wire"].read_text("utf-8"))
    used = {
        ast.unparse(n)
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and n.attr and "threading" in ast.unparse(n)
    }
    assert used == {"threading.Lock"}  # around what has the same result in whatever order


# --- what importing costs ---------------------------------------------------------------------------------------------

LOADED = """
import json, sys
import function_app
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return set(run_python(LOADED))


@pytest.mark.parametrize(
    "name",
    [
        "azure.identity",
        "azure.storage",
        "msal",
        "cryptography",
        "pydantic",
        "local",
        "tests.contract",
        "pytest",
        "hypothesis",
    ],
)
def test_loading_the_app_does_not_import(loaded, name):
    assert "function_app" in loaded
    assert not [m for m in loaded if m == name or m.startswith(f"{name}.")]


def test_loading_the_app_imports_only_what_is_required(loaded):
    # Whatever is imported at the top must be in requirements.txt or come with what is.
    third_party = {
        name
        for module in MODULES
        for name in packages_imported_by(module)
        if name not in OURS and name not in sys.stdlib_module_names
    }
    required = {"aiohttp", "azure", "cryptography", "msgspec", "requests", "urllib3", "werkzeug"}
    assert third_party == required | {"opentelemetry"}  # which the Durable SDK imports itself
    azure = {".".join(n.split(".")[:2]) for m in MODULES for n in imports_of(m) if n.startswith("azure.")}
    assert azure == {"azure.core", "azure.durable_functions", "azure.functions", "azure.identity", "azure.storage"}


def test_loading_the_app_builds_no_client_and_reads_no_setting():
    program = """
import json, os, sys
class Watched(dict):
    read = set()
    def __getitem__(self, key):
        Watched.read.add(key)
        return super().__getitem__(key)
    def get(self, key, default=None):
        Watched.read.add(key)
        return super().get(key, default)
import azure.functions, azure.durable_functions, requests, msgspec
os.environ = Watched(os.environ)
import function_app
from foundry.connection import _services
names = [n for n in Watched.read if n.startswith(("FOUNDRY", "RUN_", "HISTORY", "HTTP_AUTH", "AZURE", "ORPHAN"))]
print(json.dumps([sorted(names), _services.cache_info().currsize]))
"""
    names, built = run_python(program, FOUNDRY_PROJECT_ENDPOINT="https://x/api/projects/p")
    assert names == ["HTTP_AUTH_LEVEL", "ORPHAN_SCAN_SCHEDULE"]  # decorators need these two
    assert built == 0
