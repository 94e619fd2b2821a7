"""The local host against Microsoft's own Python worker runtime: the same functions, bindings and answers.

Needs a Python 3.13 with ``azure-functions-runtime`` and ``azure-functions-durable`` installed, named by
``WORKER_PYTHON`` or in ``.venv-worker``; skipped where there is none.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.functions_host.conftest import NEVER, SAMPLE_APP
from tests.functions_host.harness import REPOSITORY
from tests.functions_host.recorded import RECORDED_APP

PROBE = Path(__file__).parent / "worker_probe.py"


def _worker_python() -> str | None:
    for candidate in (os.environ.get("WORKER_PYTHON"), str(REPOSITORY / ".venv-worker" / "bin" / "python")):
        if candidate and Path(candidate).exists():
            check = "import azure_functions_runtime, azure.durable_functions"
            found = subprocess.run([candidate, "-c", check], capture_output=True, check=False)
            if found.returncode == 0:
                return candidate
    return None


WORKER_PYTHON = _worker_python()
pytestmark = pytest.mark.skipif(
    WORKER_PYTHON is None, reason="no Python 3.13 with azure-functions-runtime: set WORKER_PYTHON to one"
)


def probe(side: str, app: Path, cases: list[dict[str, Any]]) -> dict[str, Any]:
    python = sys.executable if side == "local" else str(WORKER_PYTHON)
    environment = {**os.environ, **NEVER, "PYTHONPATH": str(REPOSITORY) if side == "local" else ""}
    found = subprocess.run(
        [python, str(PROBE), side, str(app)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=app,
        timeout=60,
    )
    return dict(json.loads(found.stdout.splitlines()[-1]))


def same(app: Path, cases: list[dict[str, Any]]) -> None:
    local, worker = (probe(side, app, cases) for side in ("local", "runtime"))
    assert local["functions"] == worker["functions"]
    for case, mine, theirs in zip(cases, local["answers"], worker["answers"], strict=True):
        if theirs[0] == "error" and "http" in case:
            assert mine[0] == "error", case  # an empty 500 either way
        else:
            assert mine == theirs, case


def http(function: str, method: str = "GET", body: str = "", **query: str) -> dict[str, Any]:
    given = {"method": method, "url": "http://x/y?z=1", "headers": {"x-one": "1"}, "query": query, "body": body}
    return {"function": function, "http": {**given, "params": {"kind": query.get("kind", ""), "rest": "r"}}}


def test_http_functions_and_activities() -> None:
    kinds = ("str", "none", "bytes", "dict", "int", "json", "header", "empty")
    cases = [http("result", kind=kind) for kind in kinds]
    cases += [http("echo", "POST", '{"a": 1}', q="1"), http("echo", "POST", "{"), http("raises")]
    cases += [{"function": "double", "text": "4"}, {"function": "double", "text": '"a"'}]
    cases += [{"function": "needs_file", "text": '"/nowhere"'}, {"function": "leaves_file", "text": "{}"}]
    same(SAMPLE_APP, cases)


def test_orchestrators_and_activities_of_the_recorded_app() -> None:
    data = Path(__file__).parent / "data" / "episodes.json.gz"
    episodes = json.loads(gzip.decompress(data.read_bytes()))
    cases = [{"function": e["orchestrator"], "text": json.dumps(e["context"])} for e in episodes[:60]]
    cases += [{"function": "echo", "text": text} for text in ('{"a": [1, "å", null]}', "null", "5", "plain")]
    cases += [{"function": name, "text": '"x"'} for name in ("fail", "gives_a_set")]
    same(RECORDED_APP, cases)
