"""Apps that do not load as they should, settings, and reload: what the real host does, and says here aloud."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from local.functions_host.errors import HostError
from local.functions_host.settings import load_host_config, load_local_settings
from tests.functions_host.harness import HostProcess

IMPORTS = "import azure.functions as func\nimport azure.durable_functions as df\napp = df.DFApp()\n"
FINE = "@app.route(route='fine', auth_level='anonymous')\ndef fine(req: func.HttpRequest) -> str:\n    return 'fine'\n"


def write_app(folder: Path, code: str, *, imports: str = IMPORTS, host_json: str = '{"version": "2.0"}') -> None:
    (folder / "host.json").write_text(host_json)
    (folder / "function_app.py").write_text(imports + code)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("def f(:\n", r"function_app\.py, line 4: SyntaxError: "),
        ("1 / 0\n", r"function_app\.py, line 4: ZeroDivisionError: division by zero"),
        (FINE + FINE, "does not have a unique function name"),
        (
            "@app.activity_trigger(input_name='a')\ndef f(a: list[int]): ...\n",
            r"binding a has invalid non-type annotation list\[int\] \(.*function_app\.py, line 5\): write `a: list`",
        ),
        ("@app.route(route='x/{a')\ndef f(req) -> str: ...\n", "function 'f': the route 'x/{a' has unbalanced braces"),
        ("@app.route(route='/x')\ndef f(req) -> str: ...\n", "function 'f': the route '/x' must not begin with '/'"),
    ],
)
def test_a_broken_app_ends_the_host_with_one_clear_line(tmp_path: Path, code: str, complaint: str) -> None:
    write_app(tmp_path, code)
    with pytest.raises(RuntimeError, match=complaint) as caught:
        HostProcess(tmp_path).__enter__()
    assert str(caught.value).startswith("the host ended with 1:")
    assert "\n0 functions found: on Azure the host " in str(caught.value)
    assert ("state Error" in str(caught.value)) == ("the route" in complaint)
    assert "Traceback" not in str(caught.value)


def test_bad_functions_are_left_out_by_name_and_the_others_work(tmp_path: Path) -> None:
    write_app(
        tmp_path,
        FINE
        + "@app.function_name('1st')\n@app.route(route='first')\ndef first(req) -> str: ...\n"
        + "@app.route(route='admin/x')\ndef reserved(req) -> str: ...\n"
        + "@app.route(route='FINE', methods=['GET'])\ndef twin(req) -> str: ...\n"
        + "@app.queue_trigger(arg_name='m', queue_name='q', connection='c')\ndef queued(m) -> None: ...\n"
        + "@app.entity_trigger(context_name='context')\ndef entity(context) -> None: ...\n"
        + "@app.route(route='stores')\n@app.blob_output(arg_name='b', path='p', connection='c')\n"
        + "def stores(req, b) -> str: ...\n",
    )
    with HostProcess(tmp_path) as host:
        assert host.ready["functions"] == ["fine"]
        assert host.request("GET", "/api/fine").text == "fine"
        for name, why in {
            "1st": "its name must begin with a letter",
            "reserved": "its route 'admin/x' begins with a reserved word",
            "twin": "its route 'FINE' is that of 'fine' too",
            "queued": "queueTrigger is not supported by the local host",
            "entity": "entityTrigger is not supported by the local host",
            "stores": "blob is not supported by the local host",
        }.items():
            assert f"WARNING function '{name}' is left out: {why}" in host.log


def test_no_app_at_all(tmp_path: Path) -> None:
    for folder, complaint in ((tmp_path / "none", "there is no folder"), (tmp_path, "there is no host.json")):
        with pytest.raises(RuntimeError, match=complaint):
            HostProcess(folder).__enter__()
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with pytest.raises(RuntimeError, match=r"there is no function_app\.py"):
        HostProcess(tmp_path).__enter__()


def test_local_settings_are_read_and_real_variables_win(tmp_path: Path) -> None:
    write_app(
        tmp_path,
        "import os\n@app.route(route='settings', auth_level='anonymous')\ndef settings(req) -> str:\n"
        "    return f\"{os.environ['ONE']} {os.environ['TWO']} {os.environ['THREE']}\"\n",
        host_json='{"version": "2.0", "extension": {}, "extensions": {"http": {"routePrefix": ""}, "durableTask": '
        '{"hubNames": "x"}}}',
    )
    values = {"ONE": "file", "TWO": "file", "THREE": 3, "FOUR": {"a": 1}}
    (tmp_path / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values, "Hosts": {}}))
    with HostProcess(tmp_path, env={"TWO": "real"}) as host:
        assert host.request("GET", "/settings").text == "file real 3"
        assert "WARNING host.json: unknown key 'extension'" in host.log
        assert "WARNING host.json: unknown key 'extensions.durableTask.hubNames'" in host.log
        assert "WARNING local.settings.json: unknown key 'Hosts'" in host.log
        assert "WARNING local.settings.json: the value of 'FOUR' is not a string and is left out" in host.log


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "cannot be read"),
        ("[]", "must hold a JSON object"),
        ("{}", '"version" must be "2.0"'),
        ('{"version": "2.0", "extensions": []}', None),
        ('{"version": "2.0", "extensions": [1]}', "'extensions' must be an object"),
        ('{"version": "2.0", "extensions": {"http": {"routePrefix": 1}}}', "'routePrefix' must be a string, not 1"),
        (
            '{"version": "2.0", "extensions": {"durableTask": {"maxConcurrentActivityFunctions": "9"}}}',
            "must be a whole number",
        ),
        ('{"version": "2.0", "functionTimeout": "5m"}', "'functionTimeout' must be like 00:05:00"),
    ],
)
def test_host_json_is_checked(tmp_path: Path, text: str, complaint: str | None) -> None:
    (tmp_path / "host.json").write_text(text)
    if complaint is None:
        assert load_host_config(tmp_path).route_prefix == "api"
        return
    with pytest.raises(HostError, match=complaint):
        load_host_config(tmp_path)


def test_an_encrypted_settings_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": true, "Values": {}}')
    with pytest.raises(HostError, match="func settings decrypt"):
        load_local_settings(tmp_path, {})


def _until(host: HostProcess, path: str, status: int) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = host.request("GET", path, timeout=5)
            if answer.status == status:
                return answer.text
        except OSError:
            pass  # the port is closed for a moment while the process takes over
        assert time.monotonic() < deadline, host.log
        time.sleep(0.05)


def test_reload_takes_edits_and_stands_broken_ones(tmp_path: Path) -> None:
    write_app(tmp_path, FINE)
    with HostProcess(tmp_path, args=("--reload",)) as host:
        assert host.request("GET", "/api/fine").text == "fine"
        write_app(tmp_path, FINE.replace("'fine'\n", "'finer'\n"))
        host.until_log("function_app.py has changed: starting again")
        host.until_log("Listening on", 30)
        deadline = time.monotonic() + 30
        while _until(host, "/api/fine", 200) != "finer":
            assert time.monotonic() < deadline
        write_app(tmp_path, "import no_such_module\n")
        _until(host, "/api/fine", 404)
        assert host.request("GET", "/admin/host/ping").status == 200
        assert host.request("GET", "/admin/host/status").json["state"] == "Running"
        assert "ModuleNotFoundError: No module named 'no_such_module'. The host stays up without functions" in host.log
        assert "0 functions found: on Azure the host says it is Running, every route answers 404" in host.log
        write_app(tmp_path, "@app.route(route='x/{a')\ndef f(req) -> str: ...\n")
        assert _until(host, "/api/fine", 503) == "Function host is not running."
        assert host.request("GET", f"{host.webhook}/instances").status == 503
        assert host.request("GET", "/admin/host/status").json["state"] == "Error"
        assert "0 functions found: on Azure the host is in state Error now" in host.log
        write_app(tmp_path, FINE, host_json="{")
        (tmp_path / "function_app.py").touch()
        host.until_log("host.json cannot be read")
        write_app(tmp_path, FINE)
        assert _until(host, "/api/fine", 200) == "fine"
        assert host.stop() == 0
