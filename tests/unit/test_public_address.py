"""Where callers reach the app: the settings that say it, and what gateways may say."""

import time

import pytest

from http_api.urls import BadHostError, base_url, durable_urls, own_urls, public_base
from settings import PublicAddress, SettingsError, load_settings, public_address

ENDPOINT = "https://account.services.ai.azure.com/api/projects/project"
INNER = "http://10.0.0.4/api/run_agent"
PUBLIC = "agents.contoso.com"
TRUSTING = PublicAddress(trusted_hosts=frozenset({PUBLIC}))


def problems(**environment):
    try:
        load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, **environment})
    except SettingsError as error:
        return {problem.setting: problem.message for problem in error.problems}
    return {}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("https://agents.contoso.com", "https://agents.contoso.com"),
        (" https://agents.contoso.com/foundry/ ", "https://agents.contoso.com/foundry"),
        ("HTTPS://Agents.Contoso.com:8443/Foundry/v1///", "https://agents.contoso.com:8443/Foundry/v1"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:7071/x", "http://localhost:7071/x"),
        ("http://[::1]/p", "http://[::1]/p"),
        ("https://contoso.com/.well-known/~a_b", "https://contoso.com/.well-known/~a_b"),
    ],
)
def test_a_public_base_url_is_an_origin_and_perhaps_a_prefix(given, taken):
    assert problems(PUBLIC_BASE_URL=given) == {}
    assert public_address({"PUBLIC_BASE_URL": given}).base_url == taken
    settings = load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, "PUBLIC_BASE_URL": given})
    assert settings.public_base_url == taken


@pytest.mark.parametrize(
    "given",
    [
        "agents.contoso.com",
        "/",
        "https://",
        "ftp://agents.contoso.com",
        "http://agents.contoso.com",
        "http://localhost.contoso.com",
        "http://127.0.0.1.contoso.com",
        "https://user:word@agents.contoso.com",
        "https://agents.contoso.com?x=1",
        "https://agents.contoso.com/#top",
        "https://agents.contoso.com/a//b",
        "https://agents.contoso.com//a",
        "https://agents.contoso.com/..",
        "https://agents.contoso.com/a/../b",
        "https://agents.contoso.com/./b",
        "https://agents.contoso.com/%2e%2e",
        "https://agents.contoso.com/a b",
        "https://agents.contoso.com/a\r\nX-Evil: 1",
        "https://agents..contoso.com",
        "https://-agents.contoso.com",
        "https://b\u00fccher.example",
        "https://agents.contoso.com:0",
        "https://agents.contoso.com:65536",
        "https://[:::]",
        f"https://{'a' * 254}",
        r"https://agents.contoso.com\@evil.example",
    ],
)
def test_what_is_no_address_is_named_and_breaks_nothing(given):
    assert list(problems(PUBLIC_BASE_URL=given)) == ["PUBLIC_BASE_URL"]
    assert public_address({"PUBLIC_BASE_URL": given}) == PublicAddress()


def test_http_is_told_by_its_own_reason():
    assert "must begin with https://" in problems(PUBLIC_BASE_URL="http://agents.contoso.com")["PUBLIC_BASE_URL"]


@pytest.mark.parametrize("path", ["/api", "/foundry/API/", "/foundry/api/run_agent", "/runtime/webhooks/durabletask"])
def test_a_path_of_the_app_in_it_is_told_by_its_own_reason(path):
    given = f"https://agents.contoso.com{path}"
    assert "path of the app" in problems(PUBLIC_BASE_URL=given)["PUBLIC_BASE_URL"]
    assert public_address({"PUBLIC_BASE_URL": given}) == PublicAddress()


@pytest.mark.parametrize("path", ["/api/foundry", "/my-api", "/apis"])
def test_a_prefix_may_resemble_a_path_of_the_app(path):
    assert problems(PUBLIC_BASE_URL=f"https://agents.contoso.com{path}") == {}


def test_trusted_hosts_are_names_and_nothing_else():
    assert public_address({"TRUSTED_FORWARDED_HOSTS": " A.contoso.com ,b,, "}).trusted_hosts == {"a.contoso.com", "b"}
    for bad in ("*", "*.contoso.com", "a.contoso.com:443", "https://a.contoso.com", "a b", "a/b", "."):
        assert list(problems(TRUSTED_FORWARDED_HOSTS=f"good, {bad}")) == ["TRUSTED_FORWARDED_HOSTS"]
        assert public_address({"TRUSTED_FORWARDED_HOSTS": f"good, {bad}"}).trusted_hosts == {"good"}


# --- what gateways say ---


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        # Front Door, and API Management with a policy
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Proto": "https"}, "https://agents.contoso.com"),
        # Application Gateway
        (
            {"X-Original-Host": PUBLIC, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"},
            "https://agents.contoso.com",
        ),
        # nginx ingress
        (
            {
                "X-Forwarded-Host": PUBLIC,
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Port": "8443",
                "X-Forwarded-Prefix": "/foundry/",
            },
            "https://agents.contoso.com:8443/foundry",
        ),
        # RFC 7239
        ({"Forwarded": f"for=192.0.2.60;proto=https;host={PUBLIC}"}, "https://agents.contoso.com"),
        (
            {"Forwarded": f'For="[2001:db8::1]:47011" ; Host="{PUBLIC}:8443"; Proto=HTTPS'},
            "https://agents.contoso.com:8443",
        ),
        ({"Forwarded": f"for=1.2.3.4, host={PUBLIC};proto=https, host=inner"}, "https://agents.contoso.com"),
        # chains
        (
            {"X-Forwarded-Host": f"{PUBLIC}, inner.local", "X-Forwarded-Proto": "https,http"},
            "https://agents.contoso.com",
        ),
        (
            {"X-Forwarded-Host": "inner.local", "X-Original-Host": PUBLIC, "X-Forwarded-Proto": "https"},
            "https://agents.contoso.com",
        ),
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Prefix": "/outer, /inner"}, "http://agents.contoso.com/outer/inner"),
        # the port that says what the scheme says
        ({"X-Forwarded-Host": f"{PUBLIC}:443", "X-Forwarded-Proto": "https"}, "https://agents.contoso.com"),
        (
            {"X-Forwarded-Host": PUBLIC, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "80"},
            "https://agents.contoso.com",
        ),
        ({"X-Forwarded-Host": f"{PUBLIC}:8080", "X-Forwarded-Port": "9"}, "http://agents.contoso.com:8080"),
        ({"x-forwarded-host": "AGENTS.contoso.com"}, "http://agents.contoso.com"),
        # what is not understood is left out
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Proto": "javascript"}, "http://agents.contoso.com"),
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Port": "x"}, "http://agents.contoso.com"),
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Prefix": "foundry"}, "http://agents.contoso.com"),
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Prefix": "//evil.example"}, "http://agents.contoso.com"),
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Prefix": "/a/../b"}, "http://agents.contoso.com"),
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Prefix": "/a\r\nX: y"}, "http://agents.contoso.com"),
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Prefix": "/a?b"}, "http://agents.contoso.com"),
        ({"X-Forwarded-Host": PUBLIC, "X-Forwarded-Prefix": f"/{'a' * 3000}"}, "http://agents.contoso.com"),
    ],
)
def test_a_gateway_under_a_trusted_name_is_believed(headers, base):
    assert public_base(INNER, headers, TRUSTING) == base
    assert public_base(INNER, headers, PublicAddress()) is None, "nobody is trusted"
    told = PublicAddress(base_url="https://told.example/x", trusted_hosts=TRUSTING.trusted_hosts)
    assert public_base(INNER, headers, told) == "https://told.example/x"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"{PUBLIC}.evil.example",
        f"evil.example/{PUBLIC}",
        f"evil@{PUBLIC}",
        f"{PUBLIC}:0",
        f"{PUBLIC}:99999",
        f"{PUBLIC}:80:80",
        f"{PUBLIC}/x",
        f"{PUBLIC}\r\nX-Evil: 1",
        f"https://{PUBLIC}",
        "",
        ",",
    ],
)
def test_any_other_host_is_ignored(host):
    for headers in ({"X-Forwarded-Host": host}, {"X-Original-Host": host}, {"Forwarded": f'host="{host}"'}):
        said = {**headers, "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil"}
        assert base_url(INNER, said, TRUSTING) == "http://10.0.0.4"


@pytest.mark.parametrize("part", ['"', 'host="', ";", "=", "host=a;", ",", '\\"', "a=b ", "/a", "a.", "-a"])
def test_a_long_header_takes_no_time(part):
    for length in (1_900, 32_000):
        text = part * (length // len(part))
        names = ("Forwarded", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Forwarded-Proto")
        began = time.perf_counter()
        public_base(INNER, dict.fromkeys(names, text), TRUSTING)
        assert time.perf_counter() - began < 1


# --- the URLs ---


@pytest.mark.parametrize("host", ["http://[::1", "http://\u00e9.com", "http://a b", "http://"])
def test_where_the_address_is_told_the_host_header_does_not_matter(host):
    told = PublicAddress(base_url="https://agents.contoso.com/foundry")
    url = f"{host}/api/agents/a/runs?code=x"
    base = base_url(url, {}, told)
    assert own_urls(url, "i1", base=base)["runUri"] == "https://agents.contoso.com/foundry/api/runs/i1"
    with pytest.raises(BadHostError):
        base_url(url, {}, PublicAddress())


def test_the_platforms_urls_are_below_it_too():
    root = "https://inner.azurewebsites.net/runtime/webhooks/durabletask/instances/i1"
    payload = {
        "id": "i1",
        "statusQueryGetUri": f"{root}?taskHub=h&code=k",
        "terminatePostUri": f"{root}/terminate?reason={{text}}&code=k",
    }
    public = "https://agents.contoso.com/foundry/runtime/webhooks/durabletask/instances/i1"
    assert durable_urls(payload, "https://agents.contoso.com/foundry", query="x=true") == {
        "id": "i1",
        "statusQueryGetUri": f"{public}?taskHub=h&code=k&x=true",
        "terminatePostUri": f"{public}/terminate?reason={{text}}&code=k",
    }


def test_a_query_goes_to_the_look_at_the_run_and_to_nothing_else():
    urls = own_urls("https://h/api/run_agent", "i1", query="x=true")
    assert urls["runUri"] == "https://h/api/runs/i1?x=true"
    assert urls["cancelPostUri"] == "https://h/api/runs/i1/cancel"
