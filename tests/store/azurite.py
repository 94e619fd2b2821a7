"""Azurite, Microsoft's own emulator of Azure Storage: the judge of what is said about blobs.

`make azurite` installs it (an npm package); without it the tests that need it are skipped, but fail in CI.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".azurite" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The well-known ones of every Azurite."""


def executable() -> str | None:
    """Return the installed one, or one on PATH."""
    return str(INSTALLED) if INSTALLED.exists() else shutil.which("azurite-blob")


def required() -> str:
    """Return it; skip the test where there is none, or fail where it runs in CI."""
    found = executable()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("Azurite is not installed: make azurite")
        pytest.skip("Azurite is not installed: make azurite")
    return found


def connection_string(port: int, account: str = ACCOUNT) -> str:
    """Return the connection string of an account on this port."""
    endpoint = f"BlobEndpoint=http://127.0.0.1:{port}/{account};"
    return f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={KEY};{endpoint}"


@contextmanager
def azurite(folder: Path) -> Iterator[str]:
    """Run one on a free port; yields its connection string."""
    command = required()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    given = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", str(folder)]
    where = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    process = subprocess.Popen([command, *where, *given], stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "Azurite has ended"
            time.sleep(0.1)
        yield connection_string(port)
    finally:
        process.terminate()
        process.wait(30)
