"""Settings of the app, read from the environment when they are needed, never while modules load.

`HTTP_AUTH_LEVEL` and `ORPHAN_SCAN_SCHEDULE` are the exceptions, because decorators need them. Settings that are missing
or malformed raise `SettingsError`, which names every one of them with its remedy; values are never shown, they may be
secret.

Source: design.md, section 5.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from contracts.agents import allows
from contracts.formats import AGENT_ID_PATTERN, HOST_NAME_PATTERN, LOOPBACK_HOSTS, PATH_PREFIX_PATTERN
from contracts.generations import CAPABILITIES, Generation
from contracts.ids import AGENT_REFERENCE_PATTERN
from contracts.request import LONGEST_TIMEOUT_SECONDS, DeleteThreadWhen
from validation.endpoint import what_is_given
from validation.given_ids import of_another_kind

DEFAULTS: dict[str, str] = {
    "FOUNDRY_PROJECT_ENDPOINT": "",
    "FOUNDRY_API_VERSION": "v1",
    "FOUNDRY_GENERATIONS": "classic,responses",
    "FOUNDRY_DEFAULT_AGENT_ID": "",
    "FOUNDRY_ALLOWED_AGENT_IDS": "",
    "FOUNDRY_RESOURCE_ID": "",
    "FOUNDRY_ACCESS_TOKEN": "",
    "FOUNDRY_TOKEN_SCOPE": "",
    "AZURE_CLIENT_ID": "",
    "RUN_TIMEOUT_SECONDS": "1800",
    "RUN_MAX_TIMEOUT_SECONDS": "86400",
    "RUN_RATE_LIMIT_RETRIES": "50",
    "FOUNDRY_MAX_LOOKS_PER_SECOND": "20",
    "DELETE_THREAD": "never",
    "ORPHAN_SCAN_SCHEDULE": "0 */5 * * * *",
    "HISTORY_RETENTION_DAYS": "30",
    "IDEMPOTENCY_DAYS": "30",
    "PUBLIC_BASE_URL": "",
    "TRUSTED_FORWARDED_HOSTS": "",
    "CONSOLE_ENABLED": "true",
    "HTTP_AUTH_LEVEL": "FUNCTION",
}
"""Every setting with its default; an empty setting counts as not set."""

_ENDPOINT_EXAMPLE = "https://<account>.services.ai.azure.com/api/projects/<project>"
_ENDPOINT = (
    r"https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[::1\])(:[0-9]{1,5})?"
    r"/api/projects/[A-Za-z0-9_][A-Za-z0-9._~-]*"
)
_SCOPE = r"((https|api)://[A-Za-z0-9][A-Za-z0-9._/-]{0,200}|[0-9A-Fa-f-]{36})/\.default"
_NCRONTAB = r"(\S{1,100} ){5}\S{1,100}"
_PUBLIC_EXAMPLE = "what callers put before /api, such as https://agents.contoso.com or https://contoso.com/agents"


@dataclass(frozen=True)
class SettingProblem:
    """One setting that is missing or malformed, and what to do about it."""

    setting: str
    message: str


class SettingsError(RuntimeError):
    """The app's settings do not allow what was asked for."""

    def __init__(self, problems: list[SettingProblem]) -> None:
        super().__init__("; ".join(f"{p.setting} {p.message}" for p in problems))
        self.problems = problems


@dataclass(frozen=True)
class Settings:
    """All settings, validated. Times in seconds."""

    project_endpoint: str
    api_version: str
    default_agent_id: str | None
    allowed_agent_ids: frozenset[str] | None
    """None: any agent may be run. A second-generation agent's bare name stands for all of its versions."""
    resource_id: str | None
    access_token: str | None
    client_id: str | None
    timeout_seconds: int
    max_timeout_seconds: int
    rate_limit_retries: int
    history_retention_days: int
    idempotency_days: int
    most_looks_per_second: int = int(DEFAULTS["FOUNDRY_MAX_LOOKS_PER_SECOND"])
    """Of one worker. 0: an activity looks at a run once, and durable timers alone pace the looks."""
    delete_thread: DeleteThreadWhen = "never"
    token_scope: str = ""
    """Empty: that of the endpoint's cloud."""
    generations: tuple[Generation, ...] = tuple(CAPABILITIES)
    """Of agents that this app speaks to, in the order of `CAPABILITIES`."""
    public_base_url: str | None = None
    """Under which callers reach the app: origin and prefix. None: under the request's own host."""
    trusted_forwarded_hosts: frozenset[str] = frozenset()
    """Host names that a gateway in front of the app may say it was called by."""
    site_name: str = ""
    """The Function app's name, which Azure sets; empty on a developer's machine."""

    def __repr__(self) -> str:
        return f"Settings(project_endpoint={self.project_endpoint!r}, ...)"

    @property
    def monitor_url(self) -> str | None:
        """Where an operator watches the Foundry account in the portal, if `FOUNDRY_RESOURCE_ID` is set."""
        return f"https://portal.azure.com/#@/resource{self.resource_id}/overview" if self.resource_id else None

    def allows(self, agent_id: str, version: str | None = None) -> bool:
        """Say whether callers of this app may run the agent."""
        return allows(self.allowed_agent_ids, agent_id, version)


@dataclass(frozen=True)
class PublicAddress:
    """Where callers reach the app: as it is told, or as gateways of these names tell it."""

    base_url: str | None = None
    trusted_hosts: frozenset[str] = frozenset()


def public_address(environment: Mapping[str, str] | None = None) -> PublicAddress:
    """Return what of `PUBLIC_BASE_URL` and `TRUSTED_FORWARDED_HOSTS` is well formed, and never fail: a look at a run
    that exists is answered whatever the settings are.
    """
    reader = _Reader(os.environ if environment is None else environment)
    return PublicAddress(reader.public_base_url("PUBLIC_BASE_URL"), reader.host_names("TRUSTED_FORWARDED_HOSTS"))


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the environment; raise `SettingsError` that names every one that is wrong."""
    reader = _Reader(os.environ if environment is None else environment)
    longest = reader.whole_number("RUN_MAX_TIMEOUT_SECONDS", 1, LONGEST_TIMEOUT_SECONDS)
    timeout = reader.whole_number("RUN_TIMEOUT_SECONDS", 1, LONGEST_TIMEOUT_SECONDS)
    if timeout > longest and not reader.problems:
        if reader.is_set("RUN_TIMEOUT_SECONDS"):
            reader.problem(
                "RUN_TIMEOUT_SECONDS", f"is {timeout}, more than RUN_MAX_TIMEOUT_SECONDS ({longest}): lower it"
            )
        timeout = longest
    reader.matching("ORPHAN_SCAN_SCHEDULE", _NCRONTAB, f"six fields such as {DEFAULTS['ORPHAN_SCAN_SCHEDULE']}")
    settings = Settings(
        project_endpoint=reader.endpoint("FOUNDRY_PROJECT_ENDPOINT"),
        api_version=reader.matching("FOUNDRY_API_VERSION", r"[A-Za-z0-9.-]{1,40}", "v1 or a date such as 2025-05-01")
        or "v1",
        generations=reader.generations("FOUNDRY_GENERATIONS"),
        default_agent_id=reader.agent_id("FOUNDRY_DEFAULT_AGENT_ID"),
        allowed_agent_ids=reader.agent_ids("FOUNDRY_ALLOWED_AGENT_IDS"),
        resource_id=reader.matching(
            "FOUNDRY_RESOURCE_ID",
            r"/subscriptions/[^/?#\s]+/resourceGroups/[^/?#\s]+/providers/[^?#\s]+",
            "the ARM id of the Foundry account: /subscriptions/.../resourceGroups/.../providers/...",
        ),
        access_token=reader.matching(
            "FOUNDRY_ACCESS_TOKEN",
            r"[\x21-\x7e]{20,}",  # what is shorter is no token, and would be masked in the middle of words
            "a bearer token of at least 20 characters, without blanks or line ends",
        ),
        token_scope=reader.matching(
            "FOUNDRY_TOKEN_SCOPE", _SCOPE, "a scope such as https://ai.azure.us/.default, which ends in /.default"
        )
        or "",
        client_id=reader.matching("AZURE_CLIENT_ID", r"[0-9A-Za-z-]{1,64}", "the client id of the managed identity"),
        timeout_seconds=timeout,
        max_timeout_seconds=longest,
        rate_limit_retries=reader.whole_number("RUN_RATE_LIMIT_RETRIES", 0, 100),
        most_looks_per_second=reader.whole_number("FOUNDRY_MAX_LOOKS_PER_SECOND", 0, 1000),
        delete_thread=reader.delete_thread("DELETE_THREAD"),
        history_retention_days=reader.whole_number("HISTORY_RETENTION_DAYS", 0, 3650),
        idempotency_days=reader.whole_number("IDEMPOTENCY_DAYS", 1, 3650),
        public_base_url=reader.public_base_url("PUBLIC_BASE_URL"),
        trusted_forwarded_hosts=reader.host_names("TRUSTED_FORWARDED_HOSTS"),
        site_name=reader.given("WEBSITE_SITE_NAME"),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


MCP_HEADERS = "MCP_HEADERS_"
"""How the settings begin that hold headers for servers of tools."""

_MCP_EXAMPLE = 'JSON such as {"server_label": "github", "headers": {"Authorization": "Bearer ..."}}'
_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}"
_HEADER_VALUE = r"[\x21-\x7e]([\x20-\x7e\t]{0,8190}[\x21-\x7e])?"
_MOST_HEADERS = 16
_SHORTEST_SECRET = 8


@dataclass(frozen=True)
class McpHeaders:
    """Headers for the MCP server of this label. Their values are secrets."""

    server_label: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"McpHeaders(server_label={self.server_label!r}, ...)"


def mcp_headers(name: str, environment: Mapping[str, str] | None = None) -> McpHeaders:
    """Return the headers of this name, which is all that callers know; raise `SettingsError` where there are none."""
    setting = MCP_HEADERS + name.upper()
    value = (os.environ if environment is None else environment).get(setting, "").strip()
    if not value:
        raise SettingsError([SettingProblem(setting, f"is not set: set it to {_MCP_EXAMPLE}, or name another one")])
    if value.startswith("@Microsoft.KeyVault("):
        told = "is a Key Vault reference that the platform could not resolve: the app's identity needs the role 'Key "
        told += "Vault Secrets User' on the vault, and the secret must be there"
        raise SettingsError([SettingProblem(setting, told)])
    found = _read_mcp_headers(value)
    if found is None:
        told = f"is malformed: set it to {_MCP_EXAMPLE}, at most {_MOST_HEADERS} headers of visible ASCII characters"
        raise SettingsError([SettingProblem(setting, told)])
    return found


def _read_mcp_headers(value: str) -> McpHeaders | None:
    try:
        given = json.loads(value)
    except (ValueError, RecursionError):
        return None
    match given:
        case {"server_label": str(label), "headers": dict(headers), **rest} if not rest and label:
            names = {name.lower() for name in headers}
            fine = len(label) <= 256 and 0 < len(headers) <= _MOST_HEADERS and len(names) == len(headers)
            for name, text in headers.items():
                fine = fine and re.fullmatch(_HEADER_NAME, name) is not None
                fine = fine and isinstance(text, str) and re.fullmatch(_HEADER_VALUE, text) is not None
            return McpHeaders(label, headers) if fine else None
        case _:
            return None


def mcp_secrets(environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """Return the values of all headers for MCP servers, and what stands behind `Bearer` and its like in them: nobody
    may quote these.
    """
    given = os.environ if environment is None else environment
    found = (_read_mcp_headers(value) for name, value in given.items() if name.startswith(MCP_HEADERS))
    values = {text for held in found if held for text in held.headers.values()}
    return frozenset(s for text in values for s in (text, text.split()[-1]) if len(s) >= _SHORTEST_SECRET)


def http_auth_level(environment: Mapping[str, str] | None = None) -> str:
    """Return `ANONYMOUS` only if `HTTP_AUTH_LEVEL` says just that; `FUNCTION` for anything else, so that a typo opens
    nothing.
    """
    value = (os.environ if environment is None else environment).get("HTTP_AUTH_LEVEL", "")
    return "ANONYMOUS" if value.strip().upper() == "ANONYMOUS" else "FUNCTION"


def console_enabled(environment: Mapping[str, str] | None = None) -> bool:
    """Say whether the app has its console: not where `CONSOLE_ENABLED` says anything but `true`, so that a typo opens
    nothing.
    """
    value = (os.environ if environment is None else environment).get("CONSOLE_ENABLED", "").strip()
    return (value or DEFAULTS["CONSOLE_ENABLED"]).lower() == "true"


def ignored_settings(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return what is to be said about settings that have a meaning whatever they say, and were not understood."""
    given = os.environ if environment is None else environment
    level, schedule = (given.get(name, "").strip() for name in ("HTTP_AUTH_LEVEL", "ORPHAN_SCAN_SCHEDULE"))
    told = []
    if level and level.upper() not in ("ANONYMOUS", "FUNCTION"):
        told.append("HTTP_AUTH_LEVEL is not understood and counts as FUNCTION: set it to FUNCTION or ANONYMOUS")
    if schedule and schedule != orphan_scan_schedule(given):
        told.append(f"ORPHAN_SCAN_SCHEDULE is not understood and counts as {DEFAULTS['ORPHAN_SCAN_SCHEDULE']}")
    if given.get("CONSOLE_ENABLED", "").strip().lower() not in ("", "true", "false"):
        told.append("CONSOLE_ENABLED is not understood and counts as false: set it to true or false")
    return told


def orphan_scan_schedule(environment: Mapping[str, str] | None = None) -> str:
    """Return the schedule of `cancel_orphaned_runs`, or its default where the setting is malformed.

    Read while modules load, since the decorator needs it: a schedule that is none would cost the app the function.
    """
    name = "ORPHAN_SCAN_SCHEDULE"
    value = (os.environ if environment is None else environment).get(name, "").strip()
    return value if re.fullmatch(_NCRONTAB, value) else DEFAULTS[name]


class _Reader:
    """Reads settings one by one and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[SettingProblem] = []

    def problem(self, name: str, message: str) -> None:
        self.problems.append(SettingProblem(name, message))

    def is_set(self, name: str) -> bool:
        return bool(self.given(name))

    def given(self, name: str) -> str:
        return self._environment.get(name, "").strip()

    def text(self, name: str) -> str:
        return self.given(name) or DEFAULTS[name]

    def matching(self, name: str, pattern: str, expected: str) -> str | None:
        value = self.text(name)
        if not value:
            return None
        if not re.fullmatch(pattern, value):
            self.problem(name, f"is malformed: set it to {expected}")
        return value

    def agent_id(self, name: str) -> str | None:
        value = self.matching(
            name,
            AGENT_ID_PATTERN,
            "an agent's id such as asst_abc123, or a second-generation agent's name or name:version",
        )
        self._refuse_ids_of_others(name, [value] if value else [])
        return value

    def _refuse_ids_of_others(self, name: str, ids: Iterable[str]) -> None:
        """Name the problem where one of these is an id of something else beyond doubt."""
        others = (of_another_kind(i, "an agent") for i in ids if not re.search(AGENT_REFERENCE_PATTERN, i))
        if other := next(filter(None, others), None):
            self.problem(name, f"needs the id of an agent: {other}")

    def agent_ids(self, name: str) -> frozenset[str] | None:
        text = self.text(name)
        ids = [part.strip() for part in text.split(",") if part.strip()]
        if (text and not ids) or not all(re.fullmatch(AGENT_ID_PATTERN, i) for i in ids):
            self.problem(
                name,
                "is malformed: set it to classic agents' ids and second-generation agents' names or name:version, "
                "separated by commas",
            )
        else:
            self._refuse_ids_of_others(name, ids)
        return frozenset(ids) or None

    def generations(self, name: str) -> tuple[Generation, ...]:
        """Return the generations in one order, whatever the setting's is."""
        given = {part.strip().lower() for part in self.text(name).split(",")} - {""}
        if not given or given - set(CAPABILITIES):
            self.problem(name, "is malformed: set it to classic, responses, or both, separated by a comma")
        return tuple(generation for generation in CAPABILITIES if generation in given)

    def whole_number(self, name: str, least: int, most: int) -> int:
        value = self.text(name)
        if not re.fullmatch(r"\d{1,9}", value) or not least <= int(value) <= most:
            self.problem(name, f"is malformed: set it to a whole number from {least} to {most}")
            return int(DEFAULTS[name])
        return int(value)

    def delete_thread(self, name: str) -> DeleteThreadWhen:
        match self.text(name).lower():
            case "never" | "on_success" | "with_history" as when:
                return when
            case _:
                self.problem(name, "is malformed: set it to never, on_success or with_history")
                return "never"

    def host_names(self, name: str) -> frozenset[str]:
        """Return the host names, those that are none left out."""
        given = {part.strip().lower() for part in self.text(name).split(",")} - {""}
        names = frozenset(n for n in given if re.fullmatch(HOST_NAME_PATTERN, n))
        if given - names:
            self.problem(name, "is malformed: set it to host names without a port, separated by commas")
        return names

    def public_base_url(self, name: str) -> str | None:
        """Return origin and prefix without a slash at the end; None where they are not given, or are none."""
        value = self.text(name)
        if not value:
            return None
        origin = re.match(r"[A-Za-z]+://[^/]*", value)
        prefix = value[origin.end() :].rstrip("/") if origin else ""
        parts = _origin_parts(origin[0]) if origin else None
        if origin is None or parts is None or not re.fullmatch(PATH_PREFIX_PATTERN, prefix):
            self.problem(name, f"is malformed: set it to {_PUBLIC_EXAMPLE}")
            return None
        if parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
            self.problem(name, f"must begin with https:// (http:// only for this machine): set it to {_PUBLIC_EXAMPLE}")
            return None
        if re.search(r"/(api(/run_agent)?|runtime/webhooks(/durabletask)?)\Z", prefix, re.IGNORECASE):
            self.problem(name, f"has a path of the app in it, which is put behind it: set it to {_PUBLIC_EXAMPLE}")
            return None
        return origin[0].lower() + prefix

    def endpoint(self, name: str) -> str:
        value = self.text(name).rstrip("/")
        if not value:
            self.problem(name, f"is not set: set it to the project's endpoint, {_ENDPOINT_EXAMPLE}")
        elif not (parts := _endpoint_parts(value)):
            self.problem(name, f"{what_is_given(self.given(name))}: set it to {_ENDPOINT_EXAMPLE}")
        elif parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
            self.problem(
                name, f"must begin with https:// (http:// only for this machine): set it to {_ENDPOINT_EXAMPLE}"
            )
        return value


def _origin_parts(origin: str) -> SplitResult | None:
    """Return the parts of an origin of http or https; None where it is none."""
    if not re.fullmatch(r"(?i:https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?", origin):
        return None
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:  # brackets without an address, a port above 65535
        return None
    is_named = ":" in (parts.hostname or "") or re.fullmatch(HOST_NAME_PATTERN, parts.hostname or "")
    return parts if is_named and port != 0 else None


def _endpoint_parts(value: str) -> SplitResult | None:
    """Return the parts of a project's endpoint; None where it is none."""
    if not re.fullmatch(_ENDPOINT, value):  # urlsplit takes user names, and drops tabs and line ends
        return None
    parts = urlsplit(value)
    try:
        return parts if parts.port != 0 else None
    except ValueError:  # a port above 65535
        return None
