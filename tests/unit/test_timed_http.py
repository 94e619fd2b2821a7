"""A session for one host: what it takes from the environment, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from timed_http import OneHostSession

URL = "https://service.example.com/things"
PROXY = "http://proxy.example.com:3128"


class Network(HTTPAdapter):
    """Answers everything, and remembers what it was sent with which settings."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        self.sent.append((request, settings))
        answer = requests.Response()
        answer.status_code, answer.url = 200, request.url or ""
        return answer


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)


def test_proxies_and_certificates_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "bundle.pem")
    network = Network()
    session = OneHostSession(network)
    for _ in range(2):
        session.get(URL)
    assert [settings["proxies"]["https"] for _, settings in network.sent] == [PROXY] * 2
    assert [settings["verify"] for _, settings in network.sent] == ["bundle.pem"] * 2


def test_the_environment_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def proxies(url: str, **_: Any) -> dict[str, str]:
        asked.append(url)
        return {"https": PROXY}

    monkeypatch.setattr("requests.sessions.get_environ_proxies", proxies)
    network = Network()
    session = OneHostSession(network)
    for number in range(3):
        session.get(f"{URL}/{number}")
    assert asked == [f"{URL}/0"]
    assert len(network.sent) == 3


def test_what_a_request_asks_for_itself_is_its_own() -> None:
    network = Network()
    session = OneHostSession(network)
    session.get(URL)
    session.get(URL, verify=False, stream=True)
    session.get(URL, proxies={"https": "http://other.example.com:1"})
    assert [(s["verify"], s["stream"], s["proxies"]["https"]) for _, s in network.sent] == [
        (True, False, PROXY),
        (False, True, PROXY),
        (True, False, "http://other.example.com:1"),
    ]


def test_without_the_environment_there_is_no_proxy() -> None:
    network = Network()
    OneHostSession(network, trust_env=False).get(URL)
    assert network.sent[0][1]["proxies"] == {}


def test_a_netrc_replaces_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login evil password evil\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth(URL) == ("evil", "evil")
    network = Network()
    OneHostSession(network).get(URL, headers={"Authorization": "SharedKey account:signature"})
    assert network.sent[0][0].headers["Authorization"] == "SharedKey account:signature"
