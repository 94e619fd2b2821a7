"""Tokens: cached, renewed in time, dropped when refused, and the identity library imported only when needed."""

import subprocess
import sys
import threading
from typing import ClassVar

import pytest

from foundry import errors
from foundry.credential import SCOPE, EntraToken, FixedToken
from tests.unit.scripted import raised_by


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


@pytest.mark.parametrize(
    ("name", "value"), [("AZURE_TOKEN_CREDENTIALS", "nonsense"), ("AZURE_AUTHORITY_HOST", "http://login.example.com")]
)
def test_a_malformed_environment_of_the_library_is_a_failure_as_any_other(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    error = raised_by(EntraToken("client-1")._acquire_from_entra)
    assert isinstance(error, errors.AuthenticationError)
    assert error.code == "no_token"


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
