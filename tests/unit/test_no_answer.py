"""Where there is no answer at all: the reason survives, with its remedy and nothing secret. Real sockets and TLS."""

import os
import socket

import pytest
import requests

from foundry import errors
from foundry import transport as transport_module
from foundry.certificates import ShownCertificates, shown_at
from foundry.no_answer import Kind, why_no_answer
from foundry.transport import Transport
from tests.unit.scripted import Tokens, raised_by, transport_of
from tests.unit.tls import Authority, proxying, serving

HOST = "account.services.ai.azure.com"
UNTRUSTED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for variable in list(os.environ):
        if variable.lower() in (
            "http_proxy",
            "https_proxy",
            "no_proxy",
            "all_proxy",
            "requests_ca_bundle",
            "curl_ca_bundle",
        ):
            monkeypatch.delenv(variable)
    monkeypatch.setattr(transport_module, "shown_certificates", ShownCertificates())


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def asking(port, host="localhost", token="planted-token-" + 20 * "t"):
    """Return what a request to the port raises, or its answer."""
    transport = Transport(f"https://{host}:{port}/api/projects/p", "v1", Tokens(token), timeouts=(5, 5))
    got = []
    error = raised_by(lambda: got.append(transport.get("/threads", limit=1)))
    transport._session().close()
    if error is None:
        return got[0]
    assert not any(secret in error.message for secret in ("planted", "limit=1", "api-version"))
    assert error.summary == error.message
    return error


# --- certificates -----------------------------------------------------------------------------------------------------


def test_a_certificate_of_an_unknown_authority_names_it_and_the_remedy(authority):
    with serving(authority.issue("localhost", "127.0.0.1")) as server:
        error = asking(server.port)
    assert type(error) is errors.CertificateError
    assert (error.code, error.retryable) == ("certificate", True)
    for words in ("localhost", "unable to get local issuer", "Contoso Proxy CA", "CN=the server", "REQUESTS_CA_BUNDLE"):
        assert words in error.message
    assert "holds the certificate of the authority" in error.message


def test_with_the_bundle_that_the_remedy_asks_for_there_is_an_answer(authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    with serving(authority.issue("localhost")) as server:
        assert asking(server.port) == {"id": "x"}


def test_an_expired_certificate_says_so(authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    with serving(authority.issue("localhost", days=-1)) as server:
        error = asking(server.port)
    assert type(error) is errors.CertificateError
    assert "has expired" in error.message
    assert "renew it" in error.message
    assert "valid until" in error.message


def test_a_certificate_of_another_host_says_whose_it_is(authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    with serving(authority.issue("other.example.com")) as server:
        error = asking(server.port)
    assert type(error) is errors.CertificateError
    assert "ostname mismatch" in error.message
    assert "other.example.com" in error.message
    assert "FOUNDRY_PROJECT_ENDPOINT" in error.message


def test_the_second_handshake_sends_nothing_and_comes_once_a_minute(authority):
    with serving(authority.issue("localhost")) as server:
        first, second = asking(server.port), asking(server.port)
        assert first.message == second.message
        assert server.connections == 3  # two that were refused by us, one that looked
        server.close()
        assert server.received == [b""]


def test_the_second_handshake_goes_through_the_same_proxy(authority, monkeypatch):
    with serving(authority.issue("nosuch.invalid")) as server, proxying(server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:planted@127.0.0.1:{proxy.port}")
        error = asking(443, "nosuch.invalid")
        assert type(error) is errors.CertificateError
        assert "Contoso Proxy CA" in error.message
        assert len(proxy.asked) == 2
        assert all(asked.startswith(b"CONNECT nosuch.invalid:443") for asked in proxy.asked)
        assert all(b"Proxy-Authorization: Basic" in asked for asked in proxy.asked)
        assert not any(b"Bearer" in asked for asked in proxy.asked)


def test_who_cannot_be_seen_is_not_named():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert shown_at(f"https://127.0.0.1:{port}/x", {}) == ""
    assert shown_at("https://nosuch.invalid/x", {"https": "socks5://127.0.0.1:1"}) == ""


def test_a_host_is_looked_at_again_after_a_minute():
    now, looks = [0.0], []
    shown = ShownCertificates(lambda url, proxies: looks.append(url) or f"look {len(looks)}", lambda: now[0])
    assert [shown.at("https://a/x", {}), shown.at("https://a/y", {}), shown.at("https://b/", {})] == [
        "look 1",
        "look 1",
        "look 2",
    ]
    now[0] = 60.0
    assert shown.at("https://a/x", {}) == "look 3"


@pytest.mark.parametrize(
    "content", [None, "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_bundle_that_cannot_be_read_is_an_error_of_certificates(authority, monkeypatch, tmp_path, content):
    bundle = tmp_path / "planted.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with serving(authority.issue("localhost")) as server:
        error = asking(server.port)
    assert type(error) is errors.CertificateError
    assert "REQUESTS_CA_BUNDLE must name a PEM file" in error.message


# --- everything else --------------------------------------------------------------------------------------------------


def test_an_unknown_host_is_named_with_what_may_be_wrong():
    error = asking(443, "nosuch.invalid")
    assert type(error) is errors.ConnectionFailedError
    assert "nosuch.invalid" in error.message
    assert "DNS" in error.message
    assert "FOUNDRY_PROJECT_ENDPOINT" in error.message
    assert "privatelink" in error.message


def test_a_refused_connection_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    error = asking(port)
    assert type(error) is errors.ConnectionFailedError
    assert "localhost refuses the connection" in error.message
    assert "HTTPS_PROXY" in error.message


def test_a_handshake_that_fails_for_another_reason_is_told():
    with serving(None, b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        error = asking(server.port)
    assert type(error) is errors.ConnectionFailedError
    assert "TLS handshake with localhost failed" in error.message


def test_a_connection_that_is_closed_before_the_answer_is_told(authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    with serving(authority.issue("localhost"), b"") as server:
        error = asking(server.port)
    assert type(error) is errors.ConnectionFailedError
    assert "closed the connection before the answer" in error.message


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", errors.ProxyRefusedError, "wants credentials"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", errors.ConnectionFailedError, "does not connect to nosuch.invalid (403)"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", errors.ConnectionFailedError, "(502)"),
    ],
)
def test_a_proxy_that_refuses_is_told(monkeypatch, answer, kind, words):
    with serving(None, answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:planted@127.0.0.1:{proxy.port}")
        error = asking(443, "nosuch.invalid")
    assert type(error) is kind
    assert error.retryable
    assert words in error.message
    assert error.code == kind.code


@pytest.mark.parametrize(
    ("proxy", "kind", "words"),
    [
        (
            "http://user:planted@nosuch.invalid:3128",
            errors.ConnectionFailedError,
            "the proxy of HTTPS_PROXY is unknown",
        ),
        ("http://user:planted@127.0.0.1:1", errors.ConnectionFailedError, "the proxy of HTTPS_PROXY refuses"),
        ("socks5://user:planted@127.0.0.1:1", errors.ProxyRefusedError, "http://host:port"),
        ("ftp://user:planted@127.0.0.1:1", errors.ProxyRefusedError, "http://host:port"),
        ("planted:port", errors.ProxyRefusedError, "http://host:port"),
        ("http://[planted", errors.ProxyRefusedError, "http://host:port"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told(monkeypatch, proxy, kind, words):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    error = asking(443, HOST)
    assert type(error) is kind
    assert words in error.message


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (f"SSLError: {UNTRUSTED}self-signed certificate in certificate chain (_ssl.c:1)", Kind.CERTIFICATE, "chain"),
        ("SSLError: hostname 'a' doesn't match 'b'", Kind.CERTIFICATE, "host name mismatch"),
        (f"SSLError: {UNTRUSTED}Missing Authority Key Identifier (_ssl.c:1)", Kind.CERTIFICATE, "must issue another"),
        (f"SSLError: {UNTRUSTED}Basic Constraints of CA cert not marked critical", Kind.CERTIFICATE, "Python 3.13"),
        (f"SSLError: {UNTRUSTED}EE certificate key too weak (_ssl.c:1)", Kind.CERTIFICATE, "must issue another"),
        (f"SSLError: {UNTRUSTED}unsuitable certificate purpose (_ssl.c:1)", Kind.CERTIFICATE, "must issue another"),
        (f"SSLError: {UNTRUSTED}unable to get local issuer certificate", Kind.CERTIFICATE, "Set REQUESTS"),
        ("SSLError: (Caused by SSLError(PermissionError(13, '')))", Kind.CERTIFICATE_BUNDLE, "name a PEM file"),
        ("SSLError: (Caused by SSLError(FileNotFoundError(2, 'No')))", Kind.CERTIFICATE_BUNDLE, "must name a PEM file"),
        (f"ProxyError: Unable to connect to proxy {UNTRUSTED}x (_ssl", Kind.CERTIFICATE, "certificate of the proxy"),
        ("SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number", Kind.NETWORK, "WRONG_VERSION_NUMBER"),
        ("SSLError: SSLEOFError(8, '[SSL: UNEXPECTED_EOF_WHILE_READING] EOF", Kind.NETWORK, "UNEXPECTED_EOF"),
        ("ConnectionError: Failed to resolve 'x' ([Errno -3] Temporary failure in name)", Kind.NETWORK, "now"),
        ("ConnectionError: [Errno 101] Network is unreachable", Kind.NETWORK, "cannot be reached"),
        ("ConnectTimeout: Connection to x timed out. (connect timeout=5)", Kind.NETWORK, "attempt to connect"),
        ("ReadTimeout: Read timed out.", Kind.NETWORK, "did not answer in time"),
        (
            "ConnectionError: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
            Kind.NETWORK,
            "closed the connection",
        ),
        ("ChunkedEncodingError: IncompleteRead(1 bytes read)", Kind.NETWORK, "cut off"),
        ("ConnectionError: Bearer planted https://planted/x?planted", Kind.UNKNOWN, "ConnectionError"),
        ("?planted", Kind.UNKNOWN, "no reason given"),
    ],
)  # fmt: skip
def test_a_text_of_the_libraries_is_understood(text, kind, words):
    found = why_no_answer(text, HOST)
    assert found.kind is kind
    assert words in found.told()
    assert "planted" not in found.told()


def test_a_fault_of_ours_is_no_failure_of_the_network():
    transport, _ = transport_of(OSError("disk full"))
    assert type(raised_by(lambda: transport.get("/threads"))) is OSError
    transport, _ = transport_of(requests.exceptions.InvalidHeader("planted"))
    assert "planted" not in raised_by(lambda: transport.get("/threads")).message
