"""Where keys go, and where they do not."""

import pytest

from client import UsageError
from client.address import LOCAL_URL, address_in, address_of
from tests.client.app import KEY, RUN_ID, URL, App, ended
from tests.unit.scripted import reply

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        f"https://app.example/?code={SECRET}",
        f"https://app.example/api#{SECRET}",
        f"https://user:{SECRET}@app.example",
        f"app.example/{SECRET}",
        f"ftp://{SECRET}.example",
        "https://",
    ],
)
def test_an_address_is_an_address_and_no_message_shows_what_else_was_in_it(url):
    with pytest.raises(UsageError) as raised:
        address_of(url)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://app.example", "https://app.example"),
        (" https://app.example/ ", "https://app.example"),
        ("https://app.example/api", "https://app.example"),
        ("https://app.example/api/", "https://app.example"),
        ("https://gateway.example/agents", "https://gateway.example/agents"),
    ],
)
def test_an_address_may_be_that_of_the_api_or_of_a_gateway(url, base):
    assert address_of(url).url == base


@pytest.mark.parametrize("secret", ["a b", "a\nb", "schl\u00fcssel", "a\x7f"])
@pytest.mark.parametrize("name", ["key", "token"])
def test_a_key_of_strange_characters_is_refused_without_being_shown(name, secret):
    with pytest.raises(UsageError) as raised:
        address_of(URL, **{name: secret})
    assert secret not in str(raised.value)


def test_blanks_around_a_key_are_none_of_it():
    assert address_of(URL, f" {KEY}\n").credentials() == {"x-functions-key": KEY}
    assert address_of(URL, " \n").credentials() == {}


@pytest.mark.parametrize("host", ["app.example", "10.0.0.1", "localhost.example"])
def test_a_key_is_not_sent_in_the_clear(host):
    with pytest.raises(UsageError, match="https"):
        address_of(f"http://{host}", KEY)
    assert address_of(f"http://{host}").url  # there is nothing to hide


@pytest.mark.parametrize("host", ["localhost:7071", "127.0.0.1", "[::1]:7071"])
def test_on_this_machine_it_may_be(host):
    assert address_of(f"http://{host}", KEY).credentials() == {"x-functions-key": KEY}


def test_the_environment_names_the_app():
    environment = {"AGENT_RUNS_URL": URL, "AGENT_RUNS_KEY": KEY, "AGENT_RUNS_TOKEN": "t0ken"}
    address = address_in(environment)
    assert address.url == URL
    assert address.credentials() == {"x-functions-key": KEY, "Authorization": "Bearer t0ken"}
    assert address_in({}).url == LOCAL_URL
    assert address_in({"AGENT_RUNS_URL": " "}).url == LOCAL_URL


def test_a_key_without_an_address_goes_to_nobody():
    with pytest.raises(UsageError, match="AGENT_RUNS_URL is not set"):
        address_in({"AGENT_RUNS_KEY": KEY})


def test_nothing_shows_a_key_by_itself():
    assert KEY not in repr(address_of(URL, KEY, "t0ken"))
    assert "t0ken" not in repr(address_of(URL, KEY, "t0ken"))


def test_a_key_is_in_a_header_of_every_request_and_nowhere_else():
    app = App(ended())
    app.runs.get(RUN_ID)
    [request] = app.requests
    assert request.headers["x-functions-key"] == KEY
    assert KEY not in request.url


def test_a_token_may_be_made_for_every_request():
    tokens = iter(["first", "second"])
    app = App(ended(), ended(), address=address_of(URL, token=lambda: next(tokens)))
    app.runs.get(RUN_ID)
    app.runs.get(RUN_ID)
    assert [r.headers["Authorization"] for r in app.requests] == ["Bearer first", "Bearer second"]


def test_a_password_of_netrc_is_not_sent(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine app.example login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    app = App(ended())
    app.runs.get(RUN_ID)
    assert "Authorization" not in app.requests[0].headers


def test_a_redirect_is_not_followed_with_the_key():
    from client import RefusedError

    app = App(reply(302, b"", {"Location": "https://elsewhere.example/"}))
    with pytest.raises(RefusedError, match="sends elsewhere"):
        app.runs.get(RUN_ID)
    assert len(app.requests) == 1
