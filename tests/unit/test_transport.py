"""One request to Foundry and what can come back, on a scripted network."""

import contextlib
import gzip
import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from urllib3.exceptions import ProtocolError

from foundry import errors
from foundry import transport as transport_module
from foundry.bodies import MOST_BYTES
from foundry.transport import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, Transport, path_id
from tests.contract.project import run_python
from tests.unit.scripted import ENDPOINT, PROMPT, ScriptedNetwork, Tokens, raised_by, reply, transport_of
from trace_context import Trace, in_trace

OK = reply(200, {"id": "x"})


def authorization(network):
    return [r.headers["Authorization"] for r in network.requests]


# --- the request ------------------------------------------------------------------------------------------------------


def test_a_get_carries_token_and_api_version():
    transport, network = transport_of(OK)
    assert transport.get("/assistants", limit=100, after="a&b=c") == {"id": "x"}
    [request] = network.requests
    assert request.method == "GET"
    assert request.url == f"{ENDPOINT}/assistants?limit=100&after=a%26b%3Dc&api-version=v1"
    assert request.headers["Authorization"] == "Bearer token-1"
    assert request.body is None


def test_a_post_carries_its_body_as_utf8_json():
    transport, network = transport_of(OK, OK)
    transport.post("/threads", {"text": "\u00fc\U0001f600"})
    transport.post("/threads/t/runs/r/cancel")
    assert network.requests[0].body == '{"text":"\u00fc\U0001f600"}'.encode()
    assert network.requests[0].headers["Content-Type"] == "application/json"
    assert network.requests[1].body == b"{}"
    assert network.requests[1].headers["Content-Length"] == "2"


def test_a_request_within_a_trace_hands_it_on():
    transport, network = transport_of(OK, OK)
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    with in_trace(Trace(parent, "vendor=1")):
        transport.get("/threads")
    transport.get("/threads")
    inside, outside = network.requests
    assert (inside.headers["traceparent"], inside.headers["tracestate"]) == (parent, "vendor=1")
    assert not {"traceparent", "tracestate"} & outside.headers.keys()


def test_every_request_has_both_timeouts_and_follows_no_redirect():
    transport, network = transport_of(reply(302, headers={"Location": "https://evil.example.com/"}))
    error = raised_by(lambda: transport.get("/threads"))
    assert isinstance(error, errors.InvalidInputError)
    assert "FOUNDRY_PROJECT_ENDPOINT" in error.message
    assert len(network.requests) == 1
    assert network.options[0]["timeout"] == (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
    assert 0 < CONNECT_TIMEOUT_SECONDS <= 10
    assert 0 < READ_TIMEOUT_SECONDS <= 60
    assert network.options[0]["verify"]  # True, or the bundle that the environment names


def test_the_library_retries_nothing():
    session = Transport(ENDPOINT, "v1", Tokens())._session()
    assert session.get_adapter(ENDPOINT).max_retries.total == 0
    assert session.get_adapter("http://localhost").max_retries.total == 0


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_a_refused_token_is_renewed_once():
    tokens = Tokens("old", "new", "newest")
    transport, network = transport_of(reply(401), OK, tokens=tokens)
    assert transport.post("/threads", {"a": 1}) == {"id": "x"}
    assert authorization(network) == ["Bearer old", "Bearer new"]
    assert [r.body for r in network.requests] == [b'{"a":1}'] * 2
    assert tokens.discarded == ["old"]


def test_a_token_that_is_refused_again_is_an_error():
    transport, network = transport_of(reply(401), reply(401), OK, tokens=Tokens("old", "new", "newest"))
    assert isinstance(raised_by(lambda: transport.get("/threads")), errors.AuthenticationError)
    assert len(network.requests) == 2


def test_a_token_that_cannot_be_renewed_is_not_sent_twice():
    transport, network = transport_of(reply(401), OK, tokens=Tokens("only"))
    assert isinstance(raised_by(lambda: transport.get("/threads")), errors.AuthenticationError)
    assert len(network.requests) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_nothing_but_a_401_is_sent_twice(status):
    transport, network = transport_of(reply(status), OK)
    assert isinstance(raised_by(lambda: transport.post("/threads")), errors.FoundryError)
    assert len(network.requests) == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://account.services.ai.azure.com/api/projects/p",
        "http://localhost.example.com/api/projects/p",
        "http://localhost@example.com/api/projects/p",
        "http://127.0.0.2/x",
        "http://[::2]/x",
        "ftp://example.com/x",
        "//example.com/x",
    ],
)
def test_a_token_never_goes_over_plain_http(endpoint):
    with pytest.raises(errors.InvalidInputError):
        Transport(endpoint, "v1", Tokens())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7072", "[::1]:7072", "LOCALHOST"])
def test_plain_http_is_for_this_machine(host):
    transport, network = transport_of(OK, endpoint=f"http://{host}/api/projects/p")
    transport.get("/threads")
    assert authorization(network) == ["Bearer token-1"]


@pytest.mark.parametrize("endpoint", [ENDPOINT, "http://localhost:7072/api/projects/p"])
def test_a_netrc_cannot_replace_the_token(endpoint, tmp_path, monkeypatch):
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login evil password evil\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth(endpoint) == ("evil", "evil")
    transport, network = transport_of(OK, reply(401), OK, endpoint=endpoint, tokens=Tokens("old", "new"))
    transport.get("/threads")
    transport.get("/threads")
    assert authorization(network) == ["Bearer old", "Bearer old", "Bearer new"]


def test_a_proxy_of_the_environment_never_sees_plain_text(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    local, network = transport_of(OK, endpoint="http://localhost:7072/api/projects/p")
    local.get("/threads")
    assert not network.options[0]["proxies"]
    remote, network = transport_of(OK)
    remote.get("/threads")
    assert network.options[0]["proxies"]["https"] == "http://proxy.example.com:3128"


def test_no_error_shows_token_or_body():
    for item in (
        reply(400),
        reply(401),
        reply(500, b"x"),
        reply(200, b"no json"),
        requests.ConnectionError(f"{ENDPOINT} Bearer token-1 {PROMPT}"),
        requests.Timeout(f"Bearer token-1 {PROMPT}"),
    ):
        transport, _ = transport_of(item)
        error = raised_by(lambda transport=transport: transport.post("/threads", {"content": PROMPT}))
        assert isinstance(error, errors.FoundryError)
        for shown in (str(error), repr(error), error.message, error.summary):
            assert "token-1" not in shown
            assert PROMPT not in shown
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None


# --- the answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "exception",
    [
        requests.ConnectTimeout("x"),
        requests.ReadTimeout("x"),
        requests.ConnectionError("x"),
        requests.exceptions.SSLError("x"),
        requests.exceptions.ProxyError("x"),
        requests.exceptions.ChunkedEncodingError("x"),
        requests.exceptions.ContentDecodingError("x"),
        requests.exceptions.InvalidURL("x"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_no_answer_is_a_connection_failure_that_may_be_tried_again(exception):
    transport, _ = transport_of(exception)
    error = raised_by(lambda: transport.get("/threads"))
    assert isinstance(error, errors.ConnectionFailedError)
    assert isinstance(error, ConnectionError)
    assert error.retryable
    assert "GET /threads" in error.message


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b'{"id": "x"', b"<html>ok</html>", b"[]", b'"x"', b"null", b"1", b"\xff\xfe", b'{"a": NaN}'],
    ids=str,
)
@pytest.mark.parametrize("status", [200, 201])
def test_a_success_without_a_json_object_is_a_bad_answer(status, body):
    transport, _ = transport_of(reply(status, body))
    error = raised_by(lambda: transport.get("/threads"))
    assert isinstance(error, errors.BadResponseError)
    assert error.retryable
    assert f"GET /threads answered {status}" in error.message


def test_a_success_without_content_is_a_bad_answer():
    transport, _ = transport_of(reply(204))
    assert isinstance(raised_by(lambda: transport.get("/threads")), errors.BadResponseError)


def test_a_success_nested_too_deeply_is_a_bad_answer():
    transport, _ = transport_of(reply(200, b'{"a":' * 100_000))
    assert isinstance(raised_by(lambda: transport.get("/threads")), errors.BadResponseError)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_success_with_a_json_object_is_one(status):
    transport, _ = transport_of(reply(status, {"a": 1}))
    assert transport.get("/threads") == {"a": 1}


@contextlib.contextmanager
def server_that_says(answer: bytes):
    """Answer one connection with these bytes, whatever is asked, and close it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/projects/p"
        thread.join(timeout=10)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n" + b'{"id": "x"}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + b'{"id": "x"}' + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\n" + b'{"id": "x"}',
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
    ids=["closed", "cut", "chunks-cut", "chunks-bad", "not-gzip", "no-http", "long-header"],
)
def test_an_answer_that_is_cut_off_or_garbled_is_a_connection_failure(answer):
    with server_that_says(answer) as endpoint:
        transport = Transport(endpoint, "v1", Tokens(), timeouts=(5, 5))
        error = raised_by(lambda: transport.get("/threads"))
        transport._session().close()
    assert isinstance(error, errors.ConnectionFailedError)


def test_a_whole_answer_over_a_real_connection_is_read():
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n" + b'{"id": "x"}'
    with server_that_says(body) as endpoint:
        transport = Transport(endpoint, "v1", Tokens(), timeouts=(5, 5))
        assert transport.get("/threads") == {"id": "x"}
        transport._session().close()


def test_nobody_at_the_port_is_a_connection_failure():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    transport = Transport(f"http://127.0.0.1:{port}/api/projects/p", "v1", Tokens(), timeouts=(5, 5))
    assert isinstance(raised_by(lambda: transport.get("/threads")), errors.ConnectionFailedError)
    transport._session().close()


def test_a_broken_library_is_no_expected_failure():
    # What is no failure of the network is a bug, and must not be taken for one that passes.
    transport, _ = transport_of(ProtocolError("not wrapped by requests"))
    assert isinstance(raised_by(lambda: transport.get("/threads")), ProtocolError)


# --- ids and threads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a?b", "a#b", "a b", "a\n", "%2e", "-a", "x" * 129, "\u0661"])
def test_an_id_that_could_change_a_path_is_refused(value):
    error = raised_by(lambda: path_id(value, "run"))
    assert isinstance(error, errors.InvalidInputError)
    assert "run id" in error.message
    assert not value or value not in error.message


@pytest.mark.parametrize("value", ["run_1", "a", "x" * 128, "A-b_C"])
def test_an_id_is_used_as_it_is(value):
    assert path_id(value, "run") == value


def test_every_thread_has_a_session_of_its_own_and_keeps_it():
    transport, network = transport_of(*[OK] * 6)
    sessions = []

    def work():
        transport.get("/threads")
        first = transport._session()
        transport.get("/threads")
        sessions.append((first, transport._session()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(first is second for first, second in sessions)
    assert len({id(first) for first, _ in sessions}) == 3
    assert len(network.requests) == 6


def test_one_thread_takes_over_the_connection_that_another_one_has_left():
    accepted = []

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            accepted.append(self.client_address)
            super().setup()

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        transport = Transport(f"http://127.0.0.1:{server.server_port}/api/projects/p", "v1", Tokens())
        for _ in range(3):
            thread = threading.Thread(target=lambda: transport.get("/threads"))
            thread.start()
            thread.join()
        transport._session().close()
        server.shutdown()
    assert len(accepted) == 1


def test_cookies_of_one_answer_do_not_reach_another_thread():
    network = ScriptedNetwork(reply(200, {}, {"Set-Cookie": "a=b"}), reply(200, {}))
    transport = Transport(ENDPOINT, "v1", Tokens(), adapter=network)
    for _ in range(2):
        thread = threading.Thread(target=lambda: transport.get("/threads"))
        thread.start()
        thread.join()
    assert "Cookie" not in network.requests[1].headers


@pytest.mark.parametrize("tokens", [Tokens("planted-1"), Tokens("planted-1", "planted-1b")])
def test_a_token_that_the_service_quotes_is_left_out_of_the_error(tokens):
    quoted = b'{"error": {"code": "x", "message": "the token planted-1, or planted-1b, is bad"}}'
    transport, _ = transport_of(reply(401, quoted), reply(401, quoted), tokens=tokens)
    error = raised_by(lambda: transport.get("/assistants"))
    assert "is bad" in error.message
    assert "planted" not in error.message


def test_a_token_is_left_out_of_what_is_written_and_not_of_what_is_understood():
    busy = b'{"error": {"message": "Can\'t add messages to thread_A1 while a run run_A2 is active."}}'
    transport, _ = transport_of(reply(400, busy), tokens=Tokens("A"))
    error = raised_by(lambda: transport.post("/threads/thread_A1/messages"))
    assert isinstance(error, errors.ThreadBusyError)
    assert error.active_run_id == "run_A2"
    assert "run_A2" not in error.message
    coded = b'{"error": {"code": "A_code", "message": "no"}}'
    transport, _ = transport_of(reply(422, coded), tokens=Tokens("A"))
    assert raised_by(lambda: transport.get("/threads")).code == "A_code"


def test_a_token_that_stands_where_the_excerpt_is_cut_is_left_out_whole():
    token = "planted-" + 2000 * "t"
    quoted = b'{"error": {"code": "x", "message": "' + 480 * b"." + token.encode() + b'"}}'
    transport, _ = transport_of(reply(400, quoted), tokens=Tokens(token))
    assert "planted" not in raised_by(lambda: transport.get("/assistants")).message


# --- time and size have ends ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def dripping(head: bytes, drop: bytes):
    """Answer each connection with the head, and then with a drop every few milliseconds, for ever."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            while not ended.is_set():
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.recv(65_536)
                    connection.sendall(head)
                    while not ended.wait(0.01):
                        connection.sendall(drop)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/projects/p"
        finally:
            ended.set()
            listening.close()
            thread.join(timeout=10)


BODY_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (BODY_HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
        (BODY_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (BODY_HEAD + b"Connection: close\r\n\r\n", b" "),
    ],
    ids=["status", "header", "headers", "body", "chunks", "until-closed"],
)
def test_an_answer_that_drips_has_an_end(head, drop, monkeypatch):
    """The read timeout is per read, and each read here succeeds at once."""
    monkeypatch.setattr(transport_module, "REQUEST_SECONDS", 0.5)
    with dripping(head, drop) as endpoint:
        transport = Transport(endpoint, "v1", Tokens(), timeouts=(5, 5))
        error = raised_by(lambda: transport.get("/threads"))
        transport._session().close()
    assert isinstance(error, errors.ConnectionFailedError)


def test_all_requests_of_a_limited_transport_share_its_time():
    transport, network = transport_of(OK, OK)
    limited = transport.within(1000)
    limited.get("/threads")
    assert network.options[-1]["timeout"] == (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
    limited = transport.within(3)
    limited.get("/threads")
    assert max(network.options[-1]["timeout"]) <= 3
    error = raised_by(lambda: transport.within(0).get("/threads"))
    assert isinstance(error, errors.ConnectionFailedError)
    assert "no time left" in error.message
    assert len(network.requests) == 2


def gzipped(size: int, wrapped: int = 1) -> bytes:
    body = gzip.compress(b'{"a": "' + b"x" * size + b'"}')
    for _ in range(wrapped - 1):
        body = gzip.compress(body)
    return body


def test_a_compressed_answer_is_read():
    transport, _ = transport_of(reply(200, gzipped(1000), {"Content-Encoding": "gzip"}))
    assert transport.get("/threads") == {"a": "x" * 1000}


@pytest.mark.parametrize(
    ("body", "encoding", "kind"),
    [
        (gzipped(MOST_BYTES), "gzip", errors.OversizedAnswerError),
        (b'{"a": "' + b"x" * MOST_BYTES + b'"}', "identity", errors.OversizedAnswerError),
        (gzipped(1000, wrapped=2), "gzip, gzip", errors.ConnectionFailedError),
        (gzipped(1000)[:-20], "gzip", errors.ConnectionFailedError),
        (gzipped(1000), "br", errors.ConnectionFailedError),
    ],
    ids=["bomb", "plain", "twice", "cut", "unknown"],
)
def test_a_body_without_end_or_sense_is_no_answer(body, encoding, kind):
    transport, _ = transport_of(reply(200, body, {"Content-Encoding": encoding}))
    assert type(raised_by(lambda: transport.get("/threads"))) is kind


BOMB = """
import gzip, io, json, resource, zlib
from foundry.bodies import BodyTooLargeError, read_body
inflated = zlib.compressobj(9, zlib.DEFLATED, 31)
bomb = b"".join(inflated.compress(bytes(1_000_000)) for _ in range(1_500)) + inflated.flush()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_body([bomb[n : n + 65_536] for n in range(0, len(bomb), 65_536)], "gzip")
except BodyTooLargeError:
    print(json.dumps([len(bomb), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is the kilobyte on Linux")
def test_what_inflates_to_gigabytes_takes_no_memory():
    size, grown_kilobytes = run_python(BOMB)
    assert size < 2_000_000
    assert grown_kilobytes < 60_000


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("The message 'PROMPT-7f3a' is bad", "The message '\u2026' is bad"),
        ("invalid: a long prompt of many words, cut h", "invalid: \u2026"),
        ("No assistant found with id 'asst_1'", "No assistant found with id 'asst_1'"),
        ("the output SECRET-OUT does not fit", "the output \u2026 does not fit"),
    ],
)
def test_what_the_service_quotes_of_the_request_is_left_out(said, left):
    body = {
        "assistant_id": "asst_1",
        "content": ["PROMPT-7f3a", "a long prompt\n of  many words, cut here and there"],
        "tool_outputs": [{"output": "SECRET-OUT"}],
    }
    refusal = json.dumps({"error": {"code": "x", "message": said}}).encode()
    transport, _ = transport_of(reply(400, refusal))
    error = raised_by(lambda: transport.post("/threads/t/messages", body))
    assert f" answered 400: {left}" in error.message
    assert error.code == "x"
