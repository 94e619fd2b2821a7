"""The SDK's own recorded tests, which Microsoft runs against the service, run against the emulator.

They are in the source package of azure-ai-projects only; it is fetched as any package, and nothing of it is kept.
"""

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from local.foundry_emulator import Agent, FoundryEmulator
from local.foundry_emulator.scripts import Answer, Call, End, FirstRuns, Phase, Script

STUB = Path(__file__).with_name("stub")  # of a package that is not public


def script(*phases, **fields):
    return Script(phases=phases, **fields)


def asks(name, **arguments):
    return Phase(calls=(Call(name=name, arguments=arguments),))


SUMMARY = "The README tells how the Azure REST API specifications are laid out and reviewed. " * 2
WITH_CONVERSATIONS = "agents/tools/test_agent_tools_with_conversations.py::TestAgentToolsWithConversations"
AGENTS = (
    Agent(name="MyAgent", script=script(answer=Answer(kind="text", text="5280 feet; 1609 metres."))),
    Agent(
        name="function-tool-agent",
        script=script(asks("get_weather", location="Seattle"), answer=Answer(kind="tools")),
    ),
    Agent(
        name="calculator-agent-conversation",
        script=script(
            asks("calculator", operation="multiply", a=42, b=2),
            first_runs=FirstRuns(count=1, phases=(asks("calculator", operation="add", a=15, b=27),), end=End()),
            answer=Answer(kind="tools"),
        ),
    ),
    Agent(
        name="mcp-basic-agent",
        script=script(
            Phase(calls=(Call(name="fetch", type="mcp", server_label="api-specs"),)),
            answer=Answer(kind="text", text=SUMMARY),
        ),
    ),
)
TESTS = (
    "agents/test_conversation_crud.py::TestConversationCrud::test_conversation_crud",
    "agents/test_conversation_items_crud.py::TestConversationItemsCrud::test_conversation_items_crud",
    "agents/test_agents_crud.py::TestAgentCrud::test_agents_crud",
    "agents/test_agent_responses_crud.py::TestAgentResponsesCrud::test_agent_responses_crud",
    "agents/tools/test_agent_function_tool.py::TestAgentFunctionTool::test_agent_function_tool",
    f"{WITH_CONVERSATIONS}::test_function_tool_with_conversation",
    "agents/tools/test_agent_mcp.py::TestAgentMCP::test_agent_mcp_basic",
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder with the SDK's tests."""
    folder = tmp_path_factory.mktemp("sdk")
    wanted = f"azure-ai-projects=={version('azure-ai-projects')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", wanted]
    fetched = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"the source package of the SDK cannot be fetched: {fetched.stderr.strip().splitlines()[-1]}")
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    [tests] = folder.glob("*/tests")
    return tests


@pytest.mark.slow
def test_the_sdks_recorded_tests_pass(recorded):
    with FoundryEmulator(agents=AGENTS, clock_speed=20) as emulator:
        environment = {
            **os.environ,
            "FOUNDRY_PROJECT_ENDPOINT": emulator.endpoint,
            "PYTHONPATH": os.pathsep.join([str(recorded), str(STUB)]),
        }
        command = [sys.executable, "-m", "pytest", "--noconftest", "-q", "-p", "no:cacheprovider", *TESTS]
        done = subprocess.run(
            command, cwd=recorded, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{len(TESTS)} passed" in done.stdout
