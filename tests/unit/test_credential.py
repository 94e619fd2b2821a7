"""Tokens: cached, renewed in time, dropped when refused, and the identity library imported only when needed."""

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from app_identity import authority_for
from foundry import credential, errors
from foundry.certificates import ShownCertificates
from foundry.credential import SCOPE, EntraToken, FixedToken, reason_of, scope_for
from tests.unit.scripted import raised_by
from tests.unit.tls import Authority, serving


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Issues numbered tokens that live an hour."""

    def __init__(self, clock: Clock, lifetime: float = 3600) -> None:
        self.clock, self.lifetime, self.issued = clock, lifetime, 0

    def __call__(self) -> tuple[str, float]:
        self.issued += 1
        return f"token-{self.issued}", self.clock.now + self.lifetime


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def issuer(clock):
    return Issuer(clock)


@pytest.fixture
def tokens(issuer, clock):
    return EntraToken(acquire=issuer, clock=clock)


def test_no_token_is_fetched_before_it_is_needed(tokens, issuer):
    assert issuer.issued == 0
    assert tokens.token() == "token-1"


def test_a_token_is_kept(tokens, issuer, clock):
    assert {tokens.token() for _ in range(5)} == {"token-1"}
    clock.now += 3600 - 301
    assert tokens.token() == "token-1"
    assert issuer.issued == 1


@pytest.mark.parametrize("before_expiry", [299, 60, 0, -1000])
def test_a_token_is_renewed_before_it_expires(tokens, clock, before_expiry):
    tokens.token()
    clock.now += 3600 - before_expiry
    assert tokens.token() == "token-2"


def test_a_refused_token_is_forgotten(tokens):
    tokens.discard(tokens.token())
    assert tokens.token() == "token-2"


def test_a_token_that_was_renewed_meanwhile_is_not_forgotten(tokens):
    tokens.discard(tokens.token())
    assert tokens.token() == "token-2"
    tokens.discard("token-1")
    assert tokens.token() == "token-2"


def test_discarding_before_the_first_token_does_no_harm(tokens):
    tokens.discard("x")
    assert tokens.token() == "token-1"


def test_a_failure_to_get_a_token_is_passed_on_and_not_kept(clock):
    answers = [errors.AuthenticationError("no", code="no_token"), ("token", clock.now + 3600)]

    def acquire():
        item = answers.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    tokens = EntraToken(acquire=acquire, clock=clock)
    assert isinstance(raised_by(tokens.token), errors.AuthenticationError)
    assert tokens.token() == "token"


def test_a_token_that_is_still_valid_survives_a_failed_renewal(clock):
    # "Foundry down for a while: the run waits": the token endpoint may be down as well, and `no_token` is final.
    def acquire():
        if clock.now > Clock.now:
            raise errors.AuthenticationError("the token endpoint is down", code="no_token")
        return "token", clock.now + 3600

    tokens = EntraToken(acquire=acquire, clock=clock)
    tokens.token()
    clock.now += 3600 - 200
    assert tokens.token() == "token"
    clock.now += 190
    assert isinstance(raised_by(tokens.token), errors.AuthenticationError)  # ten seconds are not enough for a request


def test_a_renewal_that_failed_is_not_repeated_at_once(clock):
    attempts = []

    def acquire():
        attempts.append(clock.now)
        if len(attempts) > 1:
            raise errors.ConnectionFailedError("down", code="token_unavailable")
        return "token", clock.now + 3600

    tokens = EntraToken(acquire=acquire, clock=clock)
    tokens.token()
    clock.now += 3600 - 200
    assert {tokens.token() for _ in range(5)} == {"token"}
    assert len(attempts) == 2
    clock.now += 31
    assert tokens.token() == "token"
    assert len(attempts) == 3


def test_while_one_thread_renews_the_others_go_on_with_what_is_valid(clock):
    entered, go_on = threading.Event(), threading.Event()
    issuer = Issuer(clock)

    def acquire():
        if issuer.issued:
            entered.set()
            assert go_on.wait(10)
        return issuer()

    tokens = EntraToken(acquire=acquire, clock=clock)
    tokens.token()
    clock.now += 3600 - 200
    renewing = threading.Thread(target=tokens.token)
    renewing.start()
    assert entered.wait(10)
    assert tokens.token() == "token-1"
    go_on.set()
    renewing.join(10)
    assert tokens.token() == "token-2"


def test_threads_that_wait_for_a_token_share_the_failure(clock):
    count, attempts = 8, []
    entered, go_on = threading.Semaphore(0), threading.Event()

    def acquire():
        attempts.append(1)
        entered.release()
        assert go_on.wait(10)
        raise errors.ConnectionFailedError("down", code="token_unavailable")

    tokens = EntraToken(acquire=acquire, clock=clock)
    got = []
    threads = [threading.Thread(target=lambda: got.append(raised_by(tokens.token))) for _ in range(count)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=10)
    time.sleep(0.3)  # the others wait for the lock by now
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert [type(error) for error in got] == [errors.ConnectionFailedError] * count
    assert len({id(error) for error in got}) == count
    assert len(attempts) == 1


def test_threads_that_ask_at_once_share_one_token(clock):
    count = 8
    together = threading.Barrier(count)
    entered = threading.Semaphore(0)
    go_on = threading.Event()
    issuer = Issuer(clock)

    def acquire():
        entered.release()
        assert go_on.wait(10)
        return issuer()

    tokens = EntraToken(acquire=acquire, clock=clock)
    got = []

    def ask():
        together.wait(10)
        got.append(tokens.token())

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=10)  # one of them is fetching, the others wait for it or will
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert got == ["token-1"] * count
    assert issuer.issued == 1


def test_threads_that_are_refused_at_once_renew_once(tokens, issuer):
    refused = tokens.token()
    threads = [threading.Thread(target=lambda: (tokens.discard(refused), tokens.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert issuer.issued == 2


def test_a_fixed_token_stays(tokens):
    fixed = FixedToken("t")
    fixed.discard("t")
    assert fixed.token() == "t"


# --- Entra ------------------------------------------------------------------------------------------------------------


class FakeCredential:
    """Stands in for `DefaultAzureCredential`."""

    made: ClassVar[list[dict]] = []
    scopes: ClassVar[list[str]] = []
    outcome: ClassVar[object] = None

    def __init__(self, **options):
        FakeCredential.made.append(options)

    def get_token(self, scope):
        FakeCredential.scopes.append(scope)
        if isinstance(FakeCredential.outcome, Exception):
            raise FakeCredential.outcome
        return FakeCredential.outcome


@pytest.fixture
def entra(monkeypatch):
    import azure.identity

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", FakeCredential)
    monkeypatch.setattr(FakeCredential, "made", [])
    monkeypatch.setattr(FakeCredential, "scopes", [])
    return FakeCredential


def test_entra_is_asked_for_the_agents_scope_with_the_apps_identity(entra, monkeypatch):
    from azure.core.credentials import AccessToken

    monkeypatch.setattr(entra, "outcome", AccessToken("secret", 2**40))
    tokens = EntraToken("client-1")
    assert tokens.token() == "secret"
    tokens.discard("secret")
    assert tokens.token() == "secret"
    assert entra.scopes == [SCOPE] * 2 == ["https://ai.azure.com/.default"] * 2
    assert len(entra.made) == 2  # one credential per worker, and a fresh one after a token was refused
    for options in entra.made:
        assert options["managed_identity_client_id"] == "client-1"
        assert options["exclude_interactive_browser_credential"]


def test_without_an_identity_the_message_says_what_to_do(entra, monkeypatch):
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import CredentialUnavailableError

    for problem in (
        ClientAuthenticationError("first line\n\tEnvironmentCredential: no\n\tManagedIdentityCredential: no"),
        CredentialUnavailableError("first line"),
        ValueError("first line"),
    ):
        monkeypatch.setattr(entra, "outcome", problem)
        error = raised_by(EntraToken().token)
        assert isinstance(error, errors.AuthenticationError)
        assert error.code == "no_token"
        assert "first line" in error.message
        assert "EnvironmentCredential" not in error.message
        for remedy in ("AZURE_CLIENT_ID", "az login", "FOUNDRY_ACCESS_TOKEN"):
            assert remedy in error.message


def test_a_token_endpoint_that_cannot_be_reached_may_be_tried_again(entra, monkeypatch):
    # design.md, section 3: connection errors and timeouts are retryable.
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    for problem in (ServiceRequestError("no connection"), ServiceResponseError("cut off")):
        monkeypatch.setattr(entra, "outcome", problem)
        error = raised_by(EntraToken().token)
        assert isinstance(error, errors.FoundryError)
        assert error.retryable


class IdentityEndpoint(BaseHTTPRequestHandler):
    """The platform's endpoint, which refuses tokens with a status of choice; None breaks the connection."""

    status: ClassVar[int | None] = None

    def do_GET(self):
        if self.status is None:
            self.connection.close()
            return
        said = self.headers.get("X-IDENTITY-HEADER", "").encode()
        body = b'{"statusCode": %d, "message": "No User Assigned Identity for %s"}' % (self.status, said)
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "no_token"), (429, "token_unavailable"), (500, "token_unavailable"), (None, "token_unavailable")],
)
def test_on_azure_only_a_refusal_is_final(monkeypatch, status, code):
    """With the real library: its errors hold a text and no status."""
    monkeypatch.setattr(IdentityEndpoint, "status", status)
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_"))]:
        monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), IdentityEndpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "planted-header")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        error = raised_by(EntraToken("11111111-1111-1111-1111-111111111111").token)
        server.shutdown()
    assert (error.code, error.retryable) == (code, code == "token_unavailable"), error.message
    assert "ManagedIdentityCredential" in error.message
    assert "planted-header" not in error.message


def test_an_identity_that_has_given_tokens_is_right(entra, monkeypatch):
    """So whatever keeps it from giving another one passes."""
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import ClientAuthenticationError

    monkeypatch.setattr(entra, "outcome", AccessToken("secret", 2**40))
    tokens = EntraToken()
    tokens.discard(tokens.token())
    monkeypatch.setattr(entra, "outcome", ClientAuthenticationError("no"))
    error = raised_by(tokens.token)
    assert (error.code, error.retryable) == ("token_unavailable", True)


@pytest.mark.parametrize(
    ("name", "value"), [("AZURE_TOKEN_CREDENTIALS", "nonsense"), ("AZURE_AUTHORITY_HOST", "http://login.example.com")]
)
def test_a_malformed_environment_of_the_library_is_a_failure_as_any_other(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    error = raised_by(EntraToken("client-1")._acquire_from_entra)
    assert isinstance(error, errors.AuthenticationError)
    assert error.code == "no_token"


# --- what keeps the library from getting a token ---


def test_an_untrusted_certificate_before_what_gives_out_tokens_is_told(monkeypatch, tmp_path):
    """With the real library."""
    monkeypatch.setattr(credential, "shown_certificates", ShownCertificates())
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_HEADER", "planted-header")
    with serving(Authority(tmp_path).issue("localhost")) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"https://localhost:{server.port}/msi")
        error = raised_by(EntraToken().token)
    assert type(error) is errors.CertificateError
    assert (error.code, error.before_token) == ("certificate", True)
    for words in ("no Entra token", "localhost", "Contoso Proxy CA", "REQUESTS_CA_BUNDLE"):
        assert words in error.message


REFUSED = (
    "HTTPSConnection(host='login.example.com', port=443): Failed to establish a new connection: [Errno 111] Connection"
)


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)",
            "certificate",
            "login.microsoftonline.com is not trusted (self-signed certificate); shown by https://login.microsoftonline.com",
        ),
        (
            "HTTPSConnection(host='login.example.com', port=443): Failed to resolve 'x' ([Errno -2] Name",
            "token_unavailable",
            "the name of login.example.com is unknown to DNS. Look at the host name in AZURE_AUTHORITY_HOST",
        ),
        (f"{REFUSED} refused", "token_unavailable", "login.example.com refuses the connection"),
        ("Tunnel connection failed: 407 Proxy Authentication Required", "proxy_refused", "wants credentials"),
        (
            "Could not find a suitable TLS CA certificate bundle, invalid path: /planted",
            "certificate",
            "PEM file that is",
        ),
        ("AADSTS7000215: Invalid client secret provided.", "no_token", "AADSTS7000215: Invalid client secret provided"),
        ("AADSTS90002: Tenant timed out of existence", "no_token", "AADSTS90002"),
    ],
)
def test_what_keeps_the_library_from_a_token_is_told(entra, monkeypatch, said, code, words):
    from azure.core.exceptions import ClientAuthenticationError

    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    monkeypatch.setattr(credential, "shown_certificates", ShownCertificates(lambda url, _: f"shown by {url}"))
    chain = f"Failed.\nAttempted credentials:\n\tEnvironmentCredential: Authentication failed: {said}"
    monkeypatch.setattr(entra, "outcome", ClientAuthenticationError(chain))
    error = raised_by(EntraToken().token)
    assert error.code == code
    assert error.retryable is (code != "no_token")
    assert error.before_token
    assert words in error.message
    assert "EnvironmentCredential: " in error.message
    assert "planted" not in error.message


CHAIN = """DefaultAzureCredential failed to retrieve a token from the included credentials.
Attempted credentials:
\tEnvironmentCredential: EnvironmentCredential authentication unavailable. Variables are not fully configured.
Visit https://aka.ms/x to troubleshoot this issue.
\tManagedIdentityCredential: ManagedIdentityCredential authentication unavailable, no response from the IMDS endpoint.
\tAzureCliCredential: AADSTS50076: Due to a configuration change you must use multi-factor authentication.
Trace ID: 1
To mitigate this issue, please refer to the troubleshooting guidelines here."""


def test_the_reason_of_the_credential_that_was_tried_survives():
    reason = reason_of(CHAIN)
    assert reason.startswith("AzureCliCredential: AADSTS50076: Due to")
    assert "EnvironmentCredential" not in reason
    assert "mitigate" not in reason
    assert reason_of(CHAIN.partition("\tAzureCli")[0]).startswith("DefaultAzureCredential failed")


def test_a_reason_has_an_end_and_no_credentials():
    assert len(reason_of("x" * 10_000)) == 500
    assert "planted" not in reason_of("failed: https://planted:planted@proxy/?client_secret=plantedplanted")


# --- clouds ---


@pytest.mark.parametrize(
    ("host", "cloud"),
    [
        ("a.services.ai.azure.com", "com"),
        ("A.Services.AI.Azure.US", "us"),
        ("a.services.ai.azure.us:443", "us"),
        ("a.services.ai.azure.cn", "cn"),
        ("a.services.ai.azure.us.example.com", "com"),
        ("services.ai.azure.us", "com"),
        ("gateway.example.us", "com"),
        ("localhost:7072", "com"),
        ("[::1]:7072", "com"),
    ],
)
def test_the_scope_is_that_of_the_endpoints_cloud(host, cloud):
    endpoint = f"https://{host}/api/projects/p"
    assert scope_for(endpoint) == f"https://ai.azure.{cloud}/.default"
    assert scope_for(endpoint, "api://own/.default") == "api://own/.default"


@pytest.mark.parametrize(
    ("scope", "authority"),
    [
        ("https://ai.azure.com/.default", None),
        ("https://ai.azure.us/.default", "login.microsoftonline.us"),
        ("https://cognitiveservices.azure.us/.default", "login.microsoftonline.us"),
        ("https://ai.azure.cn/.default", "login.chinacloudapi.cn"),
        ("api://own.azure.us/.default", None),
    ],
)
def test_a_sovereign_cloud_is_asked_for_its_tokens(entra, monkeypatch, scope, authority):
    from azure.core.credentials import AccessToken

    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    monkeypatch.setattr(entra, "outcome", AccessToken("secret", 2**40))
    EntraToken("client-1", scope).token()
    assert entra.scopes == [scope]
    assert entra.made[0].get("authority") == authority
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "login.example.com")
    assert authority_for(scope) == {}


def test_the_identity_library_is_imported_at_the_first_token_only():
    program = """
import sys
def loaded():
    return sorted({m.split(".")[0] for m in sys.modules if m.split(".")[0] in ("msal", "cryptography")}
                  | {m for m in sys.modules if m == "azure.identity"})
import foundry.connection
from foundry.credential import EntraToken, FixedToken
tokens = EntraToken("x")
FixedToken("x").token()
EntraToken(acquire=lambda: ("t", 2**40)).token()
print(loaded())
import os
os.environ["AZURE_TOKEN_CREDENTIALS"] = "EnvironmentCredential"
for name in list(os.environ):
    if name.startswith("AZURE_") and name != "AZURE_TOKEN_CREDENTIALS":
        del os.environ[name]
try:
    tokens.token()
except PermissionError as error:
    print(error.code)
print("azure.identity" in loaded())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["[]", "no_token", "True"]
