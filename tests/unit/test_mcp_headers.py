"""Settings that hold headers for MCP servers: read at use, told by name, never by value."""

import json

import pytest

from foundry.connection import _services, agent_service
from settings import McpHeaders, Settings, SettingsError, load_settings, mcp_headers, mcp_secrets
from tests.unit.scripted import ENDPOINT, ScriptedNetwork, reply

SECRET = "Bearer s3cr3t-of-github-0123456789"
GOOD = {"server_label": "github", "headers": {"Authorization": SECRET, "X-Tenant": "contoso"}}


def held(value, name="github"):
    return mcp_headers(name, {"MCP_HEADERS_GITHUB": value if isinstance(value, str) else json.dumps(value)})


@pytest.mark.parametrize("name", ["github", "GITHUB", "GitHub"])
def test_headers_are_found_by_name(name):
    assert held(GOOD, name) == McpHeaders("github", GOOD["headers"])


def test_a_name_without_a_setting_is_told_with_the_remedy():
    with pytest.raises(SettingsError, match=r"MCP_HEADERS_GITHUB is not set: set it to JSON such as"):
        mcp_headers("GitHub", {"MCP_HEADERS_OTHER": json.dumps(GOOD), "MCP_HEADERS_": json.dumps(GOOD)})


def test_a_reference_that_was_not_resolved_is_told():
    with pytest.raises(
        SettingsError, match="could not resolve: the app's identity needs the role 'Key Vault Secrets User'"
    ):
        held("@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/s3cr3t)")


@pytest.mark.parametrize(
    "value",
    [
        "s3cr3t",
        "[]",
        "{}",
        '"s3cr3t"',
        "[" * 100_000,
        {"server_label": "github"},
        {"headers": GOOD["headers"]},
        {**GOOD, "server_label": ""},
        {**GOOD, "server_label": None},
        {**GOOD, "server_label": "x" * 257},
        {**GOOD, "more": "s3cr3t"},
        {**GOOD, "headers": {}},
        {**GOOD, "headers": ["s3cr3t"]},
        {**GOOD, "headers": {"A": 5}},
        {**GOOD, "headers": {"A": ""}},
        {**GOOD, "headers": {"A": " s3cr3t"}},
        {**GOOD, "headers": {"A": "s3cr3t\r\nHost: x"}},
        {**GOOD, "headers": {"A": "s3cr3t\u00e9"}},
        {**GOOD, "headers": {"A": "x" * 8193}},
        {**GOOD, "headers": {"A B": "s3cr3t"}},
        {**GOOD, "headers": {"": "s3cr3t"}},
        {**GOOD, "headers": {"a": "s3cr3t", "A": "s3cr3t"}},
        {**GOOD, "headers": {f"h{n}": "s3cr3t" for n in range(17)}},
    ],
)
def test_what_is_malformed_is_told_without_its_value(value):
    with pytest.raises(SettingsError, match="MCP_HEADERS_GITHUB is malformed: set it to JSON such as") as raised:
        held(value)
    assert "s3cr3t" not in str(raised.value)


def test_values_are_not_shown():
    assert "s3cr3t" not in repr(held(GOOD))


def test_values_and_what_stands_behind_their_scheme_are_secrets():
    environment = {
        "MCP_HEADERS_GITHUB": json.dumps(GOOD),
        "MCP_HEADERS_BROKEN": "s3cr3t",
        "OTHER": json.dumps({**GOOD, "headers": {"A": "no-secret-of-mcp"}}),
    }
    # What is as short as `contoso` is part of too many texts.
    assert mcp_secrets(environment) == {SECRET, SECRET.split()[1]}
    assert mcp_secrets({}) == frozenset()


def test_what_foundry_quotes_of_them_is_masked(monkeypatch):
    monkeypatch.setenv("MCP_HEADERS_GITHUB", json.dumps(GOOD))
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("FOUNDRY_ACCESS_TOKEN", "a-token-of-the-developer")
    _services.cache_clear()
    settings: Settings = load_settings()
    service = agent_service(settings, "classic")
    last_error = {"code": "tool_user_error", "message": f"401 for {SECRET.split()[1]}"}
    failed = {"id": "run_1", "thread_id": "thread_1", "status": "failed", "last_error": last_error}
    network = ScriptedNetwork(reply(200, failed), reply(400, {"error": {"message": f"bad header {SECRET}"}}))
    service._transport._adapter = network
    try:
        assert service.get_run("thread_1", "run_1").error_message == "401 for <token>"
        with pytest.raises(Exception, match="bad header <token>"):
            service.get_run("thread_1", "run_1")
    finally:
        _services.cache_clear()
