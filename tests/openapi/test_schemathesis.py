"""Schemathesis against the running app, from the description that the app serves: seeded, and bounded in time.

It runs in a process of its own, over its command line: so the project's strict warnings are not its business.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.world import World, agent
from tests.functions_host.harness import REPOSITORY
from tests.openapi.description import Description

pytestmark = pytest.mark.e2e

SEED = 20261121
LEFT_OUT = "unsupported_method,allow_header_conformance"
"""The platform answers 404 to a wrong method, never 405; test_raw_bytes.py looks at that."""


REFUSED = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "409", "411", "413", "414", "415"]
"""
"""What is wrong may also make a URL too long."""

MOST_SECONDS = 240
START = "run_agent"
COVERED = {
    # Of all cases most are those of a start: so it is tested by itself, and what fits apart from what does not.
    "starts that fit": [f"--include-operation-id={START}", "--mode=positive"],
    "starts that do not fit": [f"--include-operation-id={START}", "--mode=negative"],
    # A start by route has the fields of the other one, and as many cases.
    "the others": [f"--exclude-operation-id={name}" for name in (START, "start_agent_run")],
}
PHASES = {
    "fuzzing": ["examples,fuzzing", "--max-examples=15"],
    **{f"coverage of {name}": ["coverage", *operations] for name, operations in COVERED.items()},
}


@pytest.mark.timeout(MOST_SECONDS + 60)
@pytest.mark.parametrize("phases", PHASES.values(), ids=PHASES)
def test_every_answer_conforms(
    world: World, key: dict[str, str], description: Description, tmp_path: Path, phases: list[str]
) -> None:
    ended, waiting = (
        str(world.host.request("POST", "/api/run_agent", start(name), headers=key).json["id"])
        for name in ("instant", "tool")
    )
    document = tmp_path / "openapi.json"
    document.write_text(description.for_generators([ended, waiting]), encoding="utf-8")
    (tmp_path / "schemathesis.toml").write_text(REFUSED, encoding="utf-8")
    server = description.document["servers"][0]["url"]
    secrets = ["planted-token-5f2c-9d81e0", *(world.host.ready[k] for k in ("function_key", "host_key", "master_key"))]
    command = [sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", str(document), f"--url={server}"]
    options = [f"--seed={SEED}", f"--exclude-checks={LEFT_OUT}", "--continue-on-failure", "--no-color", "--workers=1"]
    headers = [f"--header={name}: {value}" for name, value in key.items()]
    ran = subprocess.run(
        [*command, *options, *headers, "--phases", *phases],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": "tests.openapi.schemathesis_hooks",
            "KNOWN_AGENT": agent("instant"),
            "ENDED_RUN": ended,
            "PLANTED_SECRETS": ",".join(secrets),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_SECONDS,
    )
    assert ran.returncode == 0, f"{ran.stdout[-8000:]}\n{ran.stderr[-2000:]}"
    log = world.host.log
    assert not [secret for secret in secrets if secret in log]
    assert f'File "{REPOSITORY}/' not in log.replace(f"{REPOSITORY}/.venv", "")  # aiohttp shows its own traces


def start(name: str) -> dict[str, str]:
    return {"agent_id": agent(name), "user_message": "hi"}
