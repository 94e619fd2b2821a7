"""Polysync as a client: a job scheduler that imports functions, starts them over HTTP and polls the Durable status URL.

It does what `docs/polysync.md` tells an operator to set up, and nothing cleverer: that is its use as a test.

- Functions come from `GET /admin/functions`: names, methods and URL templates.
- Parameters have a type and a direction. Those that the route names are substituted there; for POST the others are the
  JSON body, for other methods the query. An Input parameter that is not set is left out, an Input&Output parameter that
  is not set is sent as an empty string, an Output parameter is never sent.
- Two names are reserved: `RequestBody` replaces the whole body, `QueryString` is appended to the URL as it is.
- An answer 202 that has a URL under `status_url` is followed by polling it; `status_mapping` translates the platform's
  word at `status_path`, `output_mapping` binds parameters to paths of the last status answer. Any other 2xx is success,
  its body mapped likewise; anything else is a failure.
- Cancelling posts to the URL under `cancel_url`, with the reason in place of `{text}`.
"""

from __future__ import annotations

import enum
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

ENDED = ("Success", "Failed", "Cancelled")
DURABLE_STATUS_MAPPING = {
    "Pending": "Running",
    "Running": "Running",
    "ContinuedAsNew": "Running",
    "Suspended": "Running",
    "Completed": "Success",
    "Failed": "Failed",
    "Terminated": "Cancelled",
    "Canceled": "Cancelled",
}
REQUEST_BODY = "RequestBody"
QUERY_STRING = "QueryString"


class Direction(enum.StrEnum):
    """What a parameter is for."""

    INPUT = "Input"
    OUTPUT = "Output"
    BOTH = "Input&Output"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `json` is None where the body is none."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None


class Authentication(Protocol):
    """Proves to the function app who is calling."""

    def headers(self, url: str) -> dict[str, str]:
        """What a request to this URL carries."""


@dataclass(frozen=True)
class FunctionKey:
    """A function key, or the app's host key. A URL that holds a key gets no other: the header would win over it."""

    key: str

    def headers(self, url: str) -> dict[str, str]:
        has_one = "code" in urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
        return {} if has_one else {"x-functions-key": self.key}


@dataclass
class EntraClientCredentials:
    """A service principal: its token goes with every request, also those to the status URL."""

    tenant_id: str
    client_id: str
    client_secret: str
    scope: str
    login_url: str = "https://login.microsoftonline.com"
    _token: str = ""
    _renew_at: float = 0.0

    def headers(self, url: str) -> dict[str, str]:
        if time.monotonic() >= self._renew_at:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.client_secret,
                "scope": self.scope,
            }
            url = f"{self.login_url}/{self.tenant_id}/oauth2/v2.0/token"
            answer = send("POST", url, urllib.parse.urlencode(form).encode(), {})
            assert answer.status == 200, answer.text
            self._token = answer.json["access_token"]
            self._renew_at = time.monotonic() + int(answer.json["expires_in"]) - 60
        return {"Authorization": f"Bearer {self._token}"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a job. `value` is text, as an operator types it, or None; `from_job` binds it to another's."""

    name: str
    type: str = "String"
    direction: Direction = Direction.INPUT
    value: str | None = None
    from_job: str | None = None
    from_parameter: str | None = None

    def typed(self, text: str) -> Any:
        """The value as the JSON body holds it."""
        match self.type:
            case "Number":
                return json.loads(text)
            case "Boolean":
                return text.strip().lower() == "true"
            case "Object":
                return json.loads(text)
            case _:
                return text


@dataclass(frozen=True)
class Job:
    """A job as an operator defines it."""

    name: str
    function: str
    parameters: Sequence[Parameter]
    output_mapping: Mapping[str, str] = field(default_factory=dict)
    status_url: str = "statusQueryGetUri"
    status_path: str = "runtimeStatus"
    status_mapping: Mapping[str, str] = field(default_factory=lambda: DURABLE_STATUS_MAPPING)
    cancel_url: str = "terminatePostUri"
    timeout_seconds: float = 120

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Job:
        """A job from its description, as the documentation shows it."""
        parameters = [
            Parameter(**{**p, "direction": Direction(p.get("direction", "Input"))}) for p in described["parameters"]
        ]
        return cls(**{**described, "parameters": parameters})


@dataclass(frozen=True)
class ImportedFunction:
    """A function as the host lists it."""

    name: str
    method: str
    url_template: str

    @property
    def placeholders(self) -> list[str]:
        return re.findall(r"{(\w+)[^}]*}", self.url_template)

    def url(self, route: Mapping[str, str]) -> str:
        """The URL with its placeholders replaced."""
        return re.sub(r"{(\w+)[^}]*}", lambda m: urllib.parse.quote(route[m[1]], safe=""), self.url_template)


@dataclass
class Execution:
    """A job that was started. `status` is Polysync's; `answer` the last status answer."""

    job: Job
    status: str
    started: Answer
    answer: Any = None
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def message(self) -> str:
        """What the operator reads about a job that did not succeed."""
        shown = self.answer if isinstance(self.answer, Mapping) else {}
        error = shown.get("error")
        if isinstance(error, Mapping):
            return str(error["message"])
        return str(shown.get("output") or self.started.text)


class Polysync:
    """The scheduler, set up for one function app."""

    def __init__(self, authentication: Authentication, *, poll_seconds: float = 0.05) -> None:
        self.authentication = authentication
        self.functions: dict[str, ImportedFunction] = {}
        self.executions: dict[str, Execution] = {}
        self._poll_seconds = poll_seconds

    def import_functions(self, app_url: str, master_key: str) -> list[str]:
        """Import every function that has an HTTP trigger; return the names."""
        answer = self._send("GET", f"{app_url}/admin/functions", headers={"x-functions-key": master_key})
        if answer.status != 200:
            raise PermissionError(f"the import is refused: {answer.status}")
        for listed in answer.json:
            for binding in listed["config"]["bindings"]:
                if binding["type"].lower() == "httptrigger":
                    method = (binding.get("methods") or ["POST"])[0].upper()
                    template = str(listed["invoke_url_template"])
                    self.functions[listed["name"]] = ImportedFunction(listed["name"], method, template)
        return sorted(self.functions)

    # --- a job's life ---

    def run(self, job: Job) -> Execution:
        """Run a job to its end. When its time is up, it is cancelled."""
        execution = self.start(job)
        deadline = time.monotonic() + job.timeout_seconds
        while not execution.ended:
            time.sleep(self._poll_seconds)
            self.poll(execution)
            if not execution.ended and time.monotonic() > deadline:
                self.cancel(execution, "timeout of the job")
                deadline = float("inf")
        return execution

    def start(self, job: Job) -> Execution:
        """Send the request that starts a job."""
        method, url, body, headers = self.request_of(job)
        started = self._send(method, url, body, headers)
        execution = Execution(job, "Running", started, started.json)
        self.executions[job.name] = execution
        if started.status != 202 or _at(started.json, job.status_url) is None:  # there is nothing to poll
            execution.status = "Success" if 200 <= started.status < 300 else "Failed"
            self._bind(execution)
        return execution

    def poll(self, execution: Execution) -> None:
        """Look at the status URL once."""
        answer = self._send("GET", execution.started.json[execution.job.status_url])
        if answer.status not in (200, 202):
            if 400 <= answer.status < 500 and answer.status not in (408, 429):
                execution.status, execution.answer = "Failed", {"output": f"polling answers {answer.status}"}
            return  # anything else is tried again at the next poll
        execution.answer = answer.json
        execution.status = execution.job.status_mapping[_at(answer.json, execution.job.status_path)]
        if execution.ended:
            self._bind(execution)

    def cancel(self, execution: Execution, reason: str) -> int:
        """Cancel a job that runs; return the status code."""
        url = execution.started.json[execution.job.cancel_url].replace("{text}", urllib.parse.quote(reason))
        return self._send("POST", url, b"").status

    # --- what is sent, what is kept ---

    def request_of(self, job: Job) -> tuple[str, str, bytes | None, dict[str, str]]:
        """Method, URL, body and headers of the request that starts a job."""
        function = self.functions[job.function]
        values = self._values(job)
        route = {name: str(values.pop(name)) for name in function.placeholders}
        replaced, query = values.pop(REQUEST_BODY, None), values.pop(QUERY_STRING, None)
        url = function.url(route)
        body: bytes | None = None
        headers = {}
        if function.method == "POST":
            text = json.dumps(values) if replaced in (None, "") else str(replaced)
            body = text.encode()
            headers["Content-Type"] = "application/json" if text.lstrip().startswith("{") else "text/plain"
        elif values:
            url += "?" + urllib.parse.urlencode(values)
        if query not in (None, ""):
            url += ("&" if "?" in url else "?") + str(query).lstrip("?&")
        return function.method, url, body, headers

    def _values(self, job: Job) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for parameter in job.parameters:
            if parameter.direction is Direction.OUTPUT:
                continue
            text = parameter.value
            if parameter.from_job is not None:
                outputs = self.executions[parameter.from_job].outputs
                text = outputs.get(parameter.from_parameter or parameter.name)
            if text not in (None, ""):
                values[parameter.name] = parameter.typed(str(text))
            elif parameter.direction is Direction.BOTH:
                values[parameter.name] = ""
        return values

    def _bind(self, execution: Execution) -> None:
        for name, path in execution.job.output_mapping.items():
            value = _at(execution.answer, path)
            if value is not None:
                execution.outputs[name] = value

    def _send(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return send(method, url, body, {**self.authentication.headers(url), **(headers or {})})


def send(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    """Send a request; no status code raises."""
    request = urllib.request.Request(url, body, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read().decode())


def _at(value: Any, path: str) -> Any:
    """The value at a path such as `output.response`; None where there is none."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
