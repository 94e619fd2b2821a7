"""The page about the client says what the client does."""

import ast
import inspect
import re

from client import AgentRuns
from client import __all__ as public
from client.address import KEY, TOKEN, URL
from client.command.arguments import parser
from client.command.exit_codes import ExitCode
from tests.docs.documents import DOCS, document
from tests.docs.shell import blocks
from tests.examples.conftest import EXAMPLES

PAGE = document(DOCS / "client.md")


def options():
    [commands] = [a for a in parser("agent-runs")._actions if a.dest == "command"]
    return {option for p in commands.choices.values() for a in p._actions for option in a.option_strings}


def test_its_exit_codes_are_those_of_the_command():
    told = re.findall(r"^\| (\d+) \|", PAGE.section("Exit codes"), re.MULTILINE)
    assert list(map(int, told)) == [code.value for code in ExitCode]
    in_help = re.findall(r"(?:^| )(\d+) [a-z]", parser("agent-runs").format_help().split("environment:")[0])
    assert set(map(int, in_help)) == {code.value for code in ExitCode} - {ExitCode.BROKEN_PIPE}


def test_its_options_and_variables_exist():
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE.text)) <= options()
    told = set(re.findall(r"AGENT_RUNS_\w+", PAGE.text))
    assert told == {URL, KEY, TOKEN} == set(re.findall(r"AGENT_RUNS_\w+", parser("agent-runs").format_help()))


def test_its_methods_and_names_are_all_there_are():
    told = {
        name
        for cell in re.findall(r"^\| (`[a-z`, ]+) \|", PAGE.section("Python"), re.MULTILINE)
        for name in re.findall(r"\w+", cell)
    }
    methods = {name for name, _ in inspect.getmembers(AgentRuns, inspect.isfunction) if not name.startswith("_")}
    assert told == methods - {"close"}
    [program] = [body for language, body in blocks(PAGE) if language == "python"]
    imported = {a.name for n in ast.walk(ast.parse(program)) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert imported <= set(public)


def test_it_lists_every_example():
    told = re.findall(r"^\| `([\w.-]+)` \|", PAGE.section("Examples"), re.MULTILINE)
    assert sorted(told) == sorted(f.name for f in EXAMPLES.iterdir() if f.is_file())
