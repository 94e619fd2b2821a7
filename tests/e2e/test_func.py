"""The same app on the real Functions host, where Azure Functions Core Tools and Azurite are installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.foundry_emulator import FoundryEmulator
from tests.e2e.world import agent
from tests.functions_host.harness import REPOSITORY

MISSING = [tool for tool in ("func", "azurite") if shutil.which(tool) is None]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(MISSING), reason=f"needs the real host: {', '.join(MISSING)} not installed"),
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("func")
    ports = {name: free_port() for name in ("blob", "queue", "table", "host")}
    azurite = [shutil.which("azurite") or "azurite", "--silent", "--skipApiVersionCheck", "--location", str(folder)]
    for name in ("blob", "queue", "table"):
        azurite += [f"--{name}Host", "127.0.0.1", f"--{name}Port", str(ports[name])]
    account = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50u"
        "SRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # Azurite's own, well known
    )
    endpoints = [
        f"{n.capitalize()}Endpoint=http://127.0.0.1:{ports[n]}/devstoreaccount1" for n in ("blob", "queue", "table")
    ]
    with FoundryEmulator() as emulator, (folder / "log.txt").open("wb") as log:
        environment = {
            **os.environ,
            "AzureWebJobsStorage": ";".join([account, *endpoints]),
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "TASKHUB_NAME": "FuncTest",
            "FOUNDRY_PROJECT_ENDPOINT": emulator.endpoint,
            "FOUNDRY_ACCESS_TOKEN": "token-for-the-emulator",
        }
        command = [shutil.which("func") or "func", "start", "--port", str(ports["host"])]
        started = [
            subprocess.Popen(arguments, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True)
            for arguments in (azurite, command)
        ]
        url = f"http://127.0.0.1:{ports['host']}"
        try:
            wait_until_healthy(url, folder / "log.txt")
            yield url
        finally:
            for process in reversed(started):
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)


def wait_until_healthy(url: str, log: Path) -> None:
    for _ in range(120):
        try:
            if requests.get(f"{url}/api/health", timeout=2).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(1)
    raise AssertionError(f"func does not start:\n{log.read_text(errors='replace')[-4000:]}")


def ended(uri: str) -> dict[str, object]:
    for _ in range(120):
        answer = requests.get(uri, timeout=10)
        if answer.status_code == 200:
            return dict(answer.json())
        time.sleep(1)
    raise AssertionError(answer.text)


def test_a_run_on_the_real_host(host: str) -> None:
    body = {"agent_id": agent("history"), "user_message": "Why is the sky blue?"}
    accepted = requests.post(f"{host}/api/run_agent", json=body, timeout=30).json()
    document = ended(accepted["runUri"])
    assert document["status"] == "Success"
    assert document["runtimeStatus"] == "Completed"


def test_a_cancel_on_the_real_host(host: str) -> None:
    body = {"agent_id": agent("forever"), "user_message": "hi"}
    accepted = requests.post(f"{host}/api/run_agent", json=body, timeout=30).json()
    assert requests.post(accepted["cancelPostUri"], timeout=30).status_code == 202
    assert ended(accepted["runUri"])["runtimeStatus"] == "Terminated"
