"""What is deployed: .funcignore, host.json, requirements."""

import json
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from activities.watch import MOST_WATCHES
from contracts.durable import ORCHESTRATOR_VERSION
from http_api.console import files as served
from orchestrators.steps import RACE_SECONDS
from tests.contract.project import ROOT, deployed_modules

HOST = json.loads((ROOT / "host.json").read_text("utf-8"))
DURABLE = HOST["extensions"]["durableTask"]


# --- .funcignore ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ignored(tmp_path_factory):
    """Return a function that says which paths .funcignore keeps out; git evaluates its patterns, which are git's."""
    if shutil.which("git") is None:
        pytest.skip("git evaluates the patterns of .funcignore, and is not installed")
    folder = tmp_path_factory.mktemp("funcignore")
    git = ["git", "-c", "core.excludesFile=", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet"], check=True, capture_output=True, timeout=60)
    (folder / ".gitignore").write_bytes((ROOT / ".funcignore").read_bytes())

    def evaluate(*paths: str) -> set[str]:
        done = subprocess.run(
            [*git, "check-ignore", "--no-index", "--stdin", "-z"],
            input="\0".join(paths),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in (0, 1), done.stderr
        return set(filter(None, done.stdout.split("\0")))

    return evaluate


def test_all_that_the_app_imports_is_deployed(ignored):
    modules = [str(f.relative_to(ROOT)) for f in deployed_modules().values()]
    assert len(modules) > 30
    assert ignored(*modules, "host.json", "requirements.txt") == set()


@pytest.mark.parametrize("folder", ["local", "tests", "benchmarks", "infra", "docs", "client", "examples", "build"])
def test_what_is_for_developers_stays_out(ignored, folder):
    paths = {f"{folder}/x.py", f"{folder}/deep/er/x.json", *tracked(folder)}
    assert ignored(*paths) == paths


@pytest.mark.parametrize(
    "path",
    [
        ".venv/lib/x.py",
        ".git/config",
        ".ci/run",
        ".local/state.db",
        ".env",
        ".gitignore",
        ".mypy_cache/x",
        "__pycache__/x.pyc",
        "http_api/__pycache__/x.pyc",
        "local.settings.json",
        "local.settings.example.json",
        "pyproject.toml",
        "Makefile",
        "README.md",
        "requirements-dev.txt",
    ],
)
def test_secrets_caches_and_tools_stay_out(ignored, path):
    assert ignored(path) == {path}


def tracked(folder: str = "") -> set[str]:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", *([folder] if folder else [])],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return set(filter(None, done.stdout.split("\0")))


def test_nothing_else_of_the_repository_is_deployed(ignored):
    files = tracked()
    if not files:
        pytest.skip("no git repository")
    deployed = {str(f.relative_to(ROOT)) for f in deployed_modules().values()}
    console = {f"console/{path.name}" for path in (ROOT / "console").iterdir()}
    assert files - ignored(*files) == {*deployed & files, *console & files, "host.json", "requirements.txt"}
    assert {f"console/{name}" for name in served()} <= console


# --- host.json --------------------------------------------------------------------------------------------------------


def seconds(text: str) -> int:
    hours, minutes, rest = map(int, text.split(":"))
    return 3600 * hours + 60 * minutes + rest


def test_the_routes_are_below_api():
    assert HOST["version"] == "2.0"
    assert HOST["extensions"]["http"]["routePrefix"] == "api"


def test_the_task_hub_is_a_setting():
    assert DURABLE["hubName"] == "%TASKHUB_NAME%"


def test_storage_is_as_measured():
    # azure-infra.md: after a kill the interrupted activity ran again after 60 s instead of 5 min.
    assert DURABLE["storageProvider"] == {
        "type": "azureStorage",
        "connectionName": "AzureWebJobsStorage",
        "partitionCount": 8,
        "maxQueuePollingInterval": "00:00:05",
        "controlQueueVisibilityTimeout": "00:01:00",
        "workItemQueueVisibilityTimeout": "00:01:00",
    }
    assert seconds(DURABLE["storageProvider"]["maxQueuePollingInterval"]) <= 10


def test_concurrency_is_bounded():
    assert (DURABLE["maxConcurrentActivityFunctions"], DURABLE["maxConcurrentOrchestratorFunctions"]) == (64, 8)


def test_activities_that_watch_leave_room_for_those_that_start_runs():
    assert DURABLE["maxConcurrentActivityFunctions"] * 3 / 4 == MOST_WATCHES


def test_the_timer_of_a_race_outlives_every_activity():
    assert seconds(HOST["functionTimeout"]) + 13 < RACE_SECONDS  # the host ends a function so much later (rule 10)


def test_python_keeps_no_sessions():
    assert DURABLE["extendedSessionsEnabled"] is False


def test_old_instances_keep_their_version():
    assert DURABLE["defaultVersion"] == ORCHESTRATOR_VERSION == "1.1"
    assert (DURABLE["versionMatchStrategy"], DURABLE["versionFailureStrategy"]) == ("CurrentOrOlder", "Reject")


def test_no_prompt_reaches_the_traces():
    assert DURABLE["tracing"]["traceInputsAndOutputs"] is False
    assert (DURABLE["tracing"]["distributedTracingEnabled"], DURABLE["tracing"]["version"]) == (True, "V2")


def test_log_levels_keep_durables_own_lines_out():
    levels = HOST["logging"]["logLevel"]
    assert levels["default"] == levels["Function"] == "Information"
    assert not {"Trace", "Debug"} & set(levels.values())
    assert "Exception" in HOST["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")


def test_the_bundle_is_the_one_that_was_measured():
    assert HOST["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.32.0, 5.0.0)",
    }


def test_no_activity_outlives_the_function_timeout():
    from foundry.transport import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
    from http_api.preferences import LONGEST_WAIT_SECONDS

    limit = seconds(HOST["functionTimeout"])
    assert 60 <= limit <= 600
    assert limit > 2 * (CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS)  # a refused token is tried twice
    assert limit > LONGEST_WAIT_SECONDS


def test_the_example_settings_are_known_settings():
    from settings import DEFAULTS

    values = json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))["Values"]
    platform = {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME", "TASKHUB_NAME"}
    assert platform <= set(values)
    assert {n for n in values if n not in platform and n.split("_")[0] in ("FOUNDRY", "RUN", "HTTP", "HISTORY")} <= set(
        DEFAULTS
    )
    assert not values.get("FOUNDRY_ACCESS_TOKEN")
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", values["TASKHUB_NAME"])


# --- requirements -----------------------------------------------------------------------------------------------------


def requirements(name: str, python: str = "") -> dict[str, Requirement]:
    """Return what a file requires on a version of Python, by default on this one."""
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    environment = {"python_version": python} if python else None
    return {r.name: r for r in found if r.marker is None or r.marker.evaluate(environment)}


def test_the_app_requires_just_what_it_imports():
    assert set(requirements("requirements.txt")) == {
        "aiohttp",
        "azure-functions",
        "azure-functions-durable",
        "azure-identity",
        "azure-storage-blob",
        "cryptography",
        "msgspec",
        "requests",
        "urllib3",
        "werkzeug",
    }


@pytest.mark.parametrize("name", sorted(requirements("requirements.txt")))
def test_every_requirement_is_a_range_with_both_ends_that_is_installed(name):
    requirement = requirements("requirements.txt")[name]
    assert {s.operator for s in requirement.specifier} == {">=", "<"}
    assert requirement.specifier.contains(version(name))


@pytest.mark.parametrize(("python", "major"), [("3.11", 1), ("3.12", 1), ("3.13", 2), ("3.14", 2)])
def test_the_functions_library_is_the_one_that_installs_on_this_python(python, major):
    # 1.26: Requires-Python <3.13; 2.x: >=3.13.
    functions = requirements("requirements.txt", python)["azure-functions"].specifier
    taken = {n for n, newest in ((1, "1.26.0"), (2, "2.3.0"), (3, "3.0.0")) if functions.contains(Version(newest))}
    assert taken == {major}


def test_everybody_names_the_same_versions_of_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    oldest, beyond = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups())
    said = f"Python 3.{oldest} to 3.{beyond - 1}"
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"(3, {oldest}) <= v <= (3, {beyond - 1})" in makefile
    for text in (makefile, (ROOT / "README.md").read_text("utf-8"), (ROOT / "requirements.txt").read_text("utf-8")):
        assert said in text
        assert set(re.findall(r"Python 3\.\d+ to 3\.\d+", text)) == {said}


def test_durable_functions_stays_below_the_rewrite():
    durable = requirements("requirements.txt")["azure-functions-durable"].specifier
    assert durable.contains(Version("1.7.0"))
    assert not durable.contains(Version("2.0.0"))
    assert not durable.contains(Version("1.6.0"))


def test_developers_install_what_the_app_needs_too():
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text("utf-8")
    assert not set(requirements("requirements.txt")) & set(requirements("requirements-dev.txt"))
