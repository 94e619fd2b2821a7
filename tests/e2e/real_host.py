"""Starts the real Functions host (Core Tools) on Azurite, in front of an agent service, and stops both.

    python -m tests.e2e.real_host [what pytest takes]

runs the end-to-end tests against it: `make e2e-func`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.e2e.given_host import SETTINGS
from tests.functions_host.harness import REPOSITORY

ACCOUNT = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50u"
    "SRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # Azurite's own, well known
)
SERVICES = ("blob", "queue", "table")
WAKING_SECONDS = 240


def tool(name: str) -> str | None:
    """Return a program of the PATH, or of the project's own npm packages."""
    own = REPOSITORY / ".azurite" / "node_modules" / ".bin"
    return shutil.which(name) or shutil.which(name, path=str(own))


def missing() -> list[str]:
    """Return the programs that are needed and not installed."""
    return [name for name in ("func", "azurite") if tool(name) is None]


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def real_host(project_endpoint: str) -> Iterator[str]:
    """Yield the address of the real host, whose app calls the agent service at the endpoint."""
    ports = {name: free_port() for name in (*SERVICES, "host")}
    with tempfile.TemporaryDirectory(prefix="real-host-") as made:
        folder = Path(made)
        azurite = [tool("azurite") or "azurite", "--silent", "--skipApiVersionCheck", "--location", made]
        for name in SERVICES:
            azurite += [f"--{name}Host", "127.0.0.1", f"--{name}Port", str(ports[name])]
        endpoints = [f"{n.capitalize()}Endpoint=http://127.0.0.1:{ports[n]}/devstoreaccount1" for n in SERVICES]
        environment = {
            **os.environ,
            **SETTINGS,
            "AzureWebJobsStorage": ";".join([ACCOUNT, *endpoints]),
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "TASKHUB_NAME": "FuncTest",
            "FOUNDRY_PROJECT_ENDPOINT": project_endpoint,
        }
        host = [tool("func") or "func", "start", "--port", str(ports["host"])]
        with (folder / "log.txt").open("wb") as log:
            started = [
                subprocess.Popen(
                    command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True
                )
                for command in (azurite, host)
            ]
            try:
                url = f"http://127.0.0.1:{ports['host']}"
                wait_until_healthy(url, folder / "log.txt")
                yield url
            finally:
                for process in reversed(started):
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGTERM)
                for process in started:
                    process.wait(60)


def wait_until_healthy(url: str, log: Path) -> None:
    """Wait until the app answers; raises with the log where it does not."""
    for _ in range(WAKING_SECONDS):
        try:
            if requests.get(f"{url}/api/health", timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(1)
    raise AssertionError(f"func does not start:\n{log.read_text(errors='replace')[-4000:]}")


def main(arguments: list[str]) -> int:
    """Run the end-to-end tests against the real host; return pytest's exit code."""
    if missing():
        print(f"needs the real host: {', '.join(missing())} not installed", file=sys.stderr)  # noqa: T201
        return 1
    port = free_port()
    with real_host(f"http://127.0.0.1:{port}/api/projects/demo") as url:
        environment = {**os.environ, "E2E_HOST": url, "E2E_EMULATOR_PORT": str(port)}
        tests = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(tests, cwd=REPOSITORY, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
