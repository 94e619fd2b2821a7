"""The hooks of azd: what they refuse before, and what they say after a deployment."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra import postdeploy, preflight
from infra.azure_cli import NoAzureCliError

ROOT = Path(__file__).resolve().parents[2]
AZD = {
    "AZURE_ENV_NAME": "agents",
    "AZURE_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111",
    "FOUNDRY_RESOURCE_GROUP": "rg-foundry",
    "FUNCTION_APP_NAME": "func-agents",
    "FUNCTION_APP_URL": "https://func-agents.example",
    "AZURE_RESOURCE_GROUP": "rg-agents",
}


class Cli:
    """An Azure CLI that answers what it is told, and remembers what it was asked."""

    def __init__(self, *, group: Any = None, provider: Any = None, registers: bool = True, keys: Any = None) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._answers = {"group show": group, "provider show": provider, "functionapp keys": keys}
        self._registers = registers

    def __call__(self, *arguments: str) -> Any:
        self.asked.append(arguments)
        what = " ".join(arguments[:2])
        if what == "provider register" and self._registers:
            self._answers["provider show"] = {"registrationState": "Registered"}
        return self._answers.get(what)

    def has_run(self, *words: str) -> bool:
        return any(arguments[: len(words)] == words for arguments in self.asked)


def no_cli(*arguments: str) -> Any:
    raise NoAzureCliError("the Azure CLI (az) is not installed")


# --- before -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "foundry"), [("rg-foundry", "RG-Foundry"), ("RG-Foundry", "rg-foundry")])
def test_the_group_of_foundry_is_refused(group: str, foundry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert preflight.main({**AZD, "AZURE_RESOURCE_GROUP": group, "FOUNDRY_RESOURCE_GROUP": foundry}, Cli()) == 1
    assert "azd down" in capsys.readouterr().err


def test_a_group_of_that_name_in_another_subscription_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    other = "22222222-2222-2222-2222-222222222222"
    environment = {**AZD, "AZURE_RESOURCE_GROUP": "rg-foundry", "FOUNDRY_SUBSCRIPTION_ID": other}
    assert preflight.main(environment, Cli()) == 0


@pytest.mark.parametrize(
    ("tags", "code"), [({"azd-env-name": "agents"}, 0), ({"azd-env-name": "others"}, 1), ({}, 1), (None, 1)]
)
def test_a_group_that_exists_has_to_be_of_this_environment(tags: Any, code: int) -> None:
    assert preflight.main(AZD, Cli(group={"name": "rg-agents", "tags": tags})) == code


def test_a_name_that_azure_refuses_is_refused() -> None:
    assert preflight.main({"AZURE_ENV_NAME": "agents."}, Cli()) == 1


def test_microsoft_app_is_registered_for_private_networking_only() -> None:
    public, private = Cli(), Cli(provider={"registrationState": "NotRegistered"})
    assert preflight.main(AZD, public) == 0
    assert not public.has_run("provider")
    assert preflight.main({**AZD, "PRIVATE_NETWORKING": "true"}, private) == 0
    assert private.has_run("provider", "register", "--namespace", "Microsoft.App", "--wait")


def test_what_is_registered_is_left_alone() -> None:
    cli = Cli(provider={"registrationState": "Registered"})
    assert preflight.main({**AZD, "PRIVATE_NETWORKING": "true"}, cli) == 0
    assert not cli.has_run("provider", "register")


def test_a_registration_that_does_not_succeed_stops_the_deployment(capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(provider={"registrationState": "NotRegistered"}, registers=False)
    assert preflight.main({**AZD, "PRIVATE_NETWORKING": "true"}, cli) == 1
    assert preflight.REGISTER in capsys.readouterr().err


def test_without_the_cli_it_says_what_was_not_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert preflight.main({**AZD, "PRIVATE_NETWORKING": "true"}, no_cli) == 0
    printed = capsys.readouterr().out
    assert "rg-agents" in printed
    assert preflight.REGISTER in printed


# --- after ------------------------------------------------------------------------------------------------------------


class App:
    """What the app answers, with its key and without; a list is answered one after the other."""

    def __init__(self, *, closed: int = 401, ready: list[tuple[int, Any]]) -> None:
        self._closed, self._ready = closed, ready
        self.pauses = 0

    def ask(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        assert url == "https://func-agents.example/api/health/ready"
        if headers.get("x-functions-key") != "k":
            return self._closed, b""
        status, document = self._ready.pop(0) if len(self._ready) > 1 else self._ready[0]
        return status, json.dumps(document).encode()

    def pause(self, seconds: float) -> None:
        self.pauses += 1


def asked(app: App, cli: Any = None, **environment: str) -> int:
    cli = cli or Cli(keys={"functionKeys": {"default": "k"}})
    return postdeploy.main({**AZD, **environment}, cli, app.ask, app.pause)


FINE = (200, {"ready": True, "checks": [{"name": "token", "ok": True, "message": "obtained"}]})
WRONG = (503, {"ready": False, "checks": [{"name": "project", "ok": False, "message": "assign Foundry User"}]})


def test_an_app_that_is_ready_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    app = App(ready=[WRONG, WRONG, FINE])
    assert asked(app) == 0
    assert app.pauses == 2
    assert "ok  token: obtained" in capsys.readouterr().out


def test_what_is_wrong_is_printed_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(App(ready=[WRONG])) == 1
    assert "WRONG  project: assign Foundry User" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["functionKey", "entra"])
@pytest.mark.parametrize(("status", "says"), [(200, "ANYBODY"), (503, "ANYBODY"), (404, "no function"), (0, "nothing")])
def test_an_app_that_is_open_or_dead_is_an_alarm(
    mode: str, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(App(closed=status, ready=[FINE]), AUTH_MODE=mode) == 1
    assert says in capsys.readouterr().err


def test_with_entra_only_the_door_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli()
    assert asked(App(ready=[WRONG]), cli, AUTH_MODE="entra") == 0
    assert cli.asked == []
    assert "Closed to callers without a token" in capsys.readouterr().out


@pytest.mark.parametrize("cli", [no_cli, Cli(keys=None)])
def test_without_a_key_somebody_has_to_ask_by_hand(cli: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(App(ready=[FINE]), cli) == 0
    assert "by hand" in capsys.readouterr().out


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(self.headers["x-functions-key"].encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def test_an_answer_is_read_whatever_its_status(server: str) -> None:
    assert postdeploy.over_http(server, {"x-functions-key": "k"}) == (503, b"k")


def test_no_answer_is_none() -> None:
    assert postdeploy.over_http("http://127.0.0.1:1", {}) == (0, b"")


def test_the_hook_is_a_program() -> None:
    environment = {"AZURE_RESOURCE_GROUP": "rg-x", "FOUNDRY_RESOURCE_GROUP": "rg-x", "PATH": "/nowhere"}
    command = [sys.executable, "-m", "infra.preflight"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, "Foundry's" in done.stderr) == (1, True)
