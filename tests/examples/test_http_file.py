"""Every request of the .http file, sent as the REST Client sends it."""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.e2e.world import World
from tests.examples.conftest import EXAMPLES

TEXT = (EXAMPLES / "runs.http").read_text("utf-8")


@dataclass
class Request:
    name: str
    method: str
    url: str
    headers: dict[str, str]
    body: str


def requests_of(text: str) -> list[Request]:
    found = []
    for block in re.split(r"^###.*$", text, flags=re.MULTILINE):
        name = re.search(r"^# @name (\w+)$", block, re.MULTILINE)
        lines = [line for line in block.splitlines() if not line.startswith(("#", "@"))]
        head, _, body = "\n".join(lines).strip().partition("\n\n")
        if head:
            line, *headers = head.splitlines()
            method, url = line.split()
            named = dict(header.split(": ", 1) for header in headers)
            found.append(Request(name[1] if name else "", method, url, named, body))
    return found


class RestClient:
    """Its variables: those of the file, of the environment, and answers to named requests."""

    def __init__(self, text: str) -> None:
        self.files = dict(re.findall(r"^@(\w+) = (.+)$", text, re.MULTILINE))
        self.answers: dict[str, Any] = {}

    def filled(self, text: str) -> str:
        return re.sub(r"\{\{(.+?)\}\}", lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        if name in self.files:
            return self.filled(self.files[name])
        if name == "$guid":
            return str(uuid.uuid4())
        if found := re.fullmatch(r"\$processEnv (\w+)", name):
            return os.environ[found[1]]
        found = re.fullmatch(r"(\w+)\.response\.body\.\$\.([\w.\[\]]+)", name)
        assert found, f"no variable of the REST Client: {name}"
        value = self.answers[found[1]]
        for part in re.findall(r"\w+", found[2]):
            value = value[int(part) if part.isdecimal() else part]
        return str(value)

    def send(self, request: Request) -> requests.Response:
        headers = {name: self.filled(value) for name, value in request.headers.items()}
        body = self.filled(request.body).encode() or None
        answer = requests.request(request.method, self.filled(request.url), headers=headers, data=body, timeout=60)
        if request.name:
            self.answers[request.name] = answer.json()
        return answer


@pytest.mark.e2e
def test_every_request_does_what_its_title_says(world: World, environment: dict[str, str]) -> None:
    client = RestClient(TEXT)
    sent = [(request, client.send(request)) for request in requests_of(TEXT)]
    assert [(r.method, a.status_code) for r, a in sent] == [
        ("GET", 200),
        ("POST", 200),
        ("POST", 202),
        ("GET", 202),
        ("POST", 202),
        ("GET", 200),
        ("POST", 202),
        ("POST", 202),
        ("GET", 200),
    ], [a.text for _, a in sent]
    assert sent[5][1].json()["response"] == "The tools said: 18 degrees"
    assert len(sent[8][1].json()["runs"]) >= 3


def test_no_key_stands_in_it_and_every_request_sends_one() -> None:
    assert all(request.headers["x-functions-key"] == "{{key}}" for request in requests_of(TEXT))
    assert all("?code" not in request.url for request in requests_of(TEXT))
    for request in requests_of(TEXT):
        if request.body:
            json.loads(re.sub(r"\{\{.+?\}\}", "x", request.body))
