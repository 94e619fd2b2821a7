"""host.json and local.settings.json, read and checked as `func` does."""

from __future__ import annotations

import json
import os
import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.functions_host.cors import ANY, Cors
from local.functions_host.errors import HostError

DEFAULT_HUB = "LocalTaskHub"
_HOST_KEYS = {
    "$schema", "version", "aggregator", "applicationInsights", "concurrency", "customHandler", "extensionBundle",
    "extensions", "functions", "functionTimeout", "healthMonitor", "http", "logging", "managedDependency", "queues",
    "retry", "singleton", "telemetryMode", "watchDirectories", "watchFiles", "configurationProfile",
}  # fmt: skip
_DURABLE_KEYS = {
    "hubName", "storageProvider", "tracing", "notifications", "maxConcurrentActivityFunctions",
    "maxConcurrentOrchestratorFunctions", "maxConcurrentEntityFunctions", "extendedSessionsEnabled",
    "extendedSessionIdleTimeoutInSeconds", "maxEntityOperationBatchSize", "useGracefulShutdown", "useAppLease",
    "httpSettings", "overridableExistingInstanceStates", "maxOrchestrationActions", "storeInputsInOrchestrationHistory",
    "defaultVersion", "versionMatchStrategy", "versionFailureStrategy", "entityMessageReorderWindowInMinutes",
    "localRpcEndpointEnabled", "appLeaseOptions", "grpcListenAddress", "localGrpcListener", "maxGrpcMessageSizeInBytes",
    "rollbackEntityOperationsOnExceptions", "throwStatusExceptionsOnRaiseEvent", "traceInputsAndOutputs",
}  # fmt: skip
_HTTP_KEYS = {
    "routePrefix", "maxOutstandingRequests", "maxConcurrentRequests", "dynamicThrottlesEnabled", "hsts",
    "customHeaders",
}  # fmt: skip
_START_KEYS = {"localhttpport", "cors", "corscredentials"}
HIGHEST_PORT = 65_535
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SETTINGS_KEYS = {"IsEncrypted", "Values", "Host", "ConnectionStrings"}


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What of host.json this host acts on. `warnings` are lines for the user."""

    route_prefix: str = "api"
    hub: str = DEFAULT_HUB
    connection: str = "Storage"
    max_activities: int = 20
    max_orchestrators: int = 20
    default_version: str | None = None
    version_match: str = "None"
    version_failure: str = "Reject"
    traces: bool = False
    max_concurrent_requests: int = -1
    max_outstanding_requests: int = -1
    function_timeout: float | None = 1800.0
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class StartSettings:
    """What local.settings.json says of the host itself, in `Host`. `warnings` are lines for the user."""

    port: int | None = None
    cors: Cors = field(default_factory=Cors)
    warnings: tuple[str, ...] = field(default=())


def load_start_settings(app_root: Path) -> StartSettings:
    """Read `Host` of local.settings.json, names regardless of case; raises HostError for what cannot be honoured."""
    path = app_root / "local.settings.json"
    if not path.is_file():
        return StartSettings()
    host = _section(_read(path), "Host", path)
    given = {name.lower(): value for name, value in host.items() if value is not None}
    warnings = [f"local.settings.json: unknown key 'Host.{k}'" for k in host if k.lower() not in _START_KEYS]
    port, credentials = str(given.get("localhttpport", "0")), str(given.get("corscredentials", "false")).lower()
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > HIGHEST_PORT:
        raise HostError(f"{path}: 'Host.LocalHttpPort' must be a port from 1 to {HIGHEST_PORT}, not {port}")
    if credentials not in ("true", "false"):
        raise HostError(f"{path}: 'Host.CORSCredentials' must be true or false, not {credentials}")
    named = given.get("cors", "")
    if not isinstance(named, str):
        raise HostError(f"{path}: 'Host.CORS' must be a string, origins separated by commas, not {json.dumps(named)}")
    origins = frozenset(_origin(part.strip(), path) for part in named.split(",") if part.strip())
    if ANY in origins and credentials == "true":
        raise HostError(f"{path}: 'Host.CORSCredentials' needs the origins by name in 'Host.CORS': browsers refuse '*'")
    if ANY in origins:
        warnings.append("local.settings.json: 'Host.CORS' is '*': any web page that you open can start runs here")
    return StartSettings(int(port) or None, Cors(origins, credentials == "true"), tuple(warnings))


def _origin(text: str, path: Path) -> str:
    """Return an origin as browsers send it; raises HostError for a text that no browser sends."""
    if text == ANY:
        return text
    origin = text.lower()
    found = re.fullmatch(r"([a-z][a-z0-9+.-]*)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?", origin)
    if found and found[3] and (int(found[3]) > HIGHEST_PORT or _DEFAULT_PORTS.get(found[1]) == found[3]):
        raise HostError(f"{path}: '{text}' in 'Host.CORS' names a port that no browser sends: leave it out")
    if found is None:
        raise HostError(
            f"{path}: '{text}' in 'Host.CORS' is no origin: write it like http://localhost:3000, without a path or a "
            "slash at its end"
        )
    return origin


def load_local_settings(app_root: Path, environ: MutableMapping[str, str]) -> list[str]:
    """Read local.settings.json into `environ`, where real variables win; returns warnings."""
    path = app_root / "local.settings.json"
    if not path.is_file():
        return []
    document = _read(path)
    warnings = [f"local.settings.json: unknown key '{k}'" for k in document if k not in _SETTINGS_KEYS]
    if document.get("IsEncrypted"):
        raise HostError(f"{path} is encrypted: run `func settings decrypt`, or write its values in plain text")
    values = document.get("Values", {})
    if not isinstance(values, dict):
        raise HostError(f"{path}: 'Values' must be an object of strings")
    for name, value in values.items():
        if isinstance(value, dict | list):
            warnings.append(f"local.settings.json: the value of '{name}' is not a string and is left out")
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            environ.setdefault(name, text)
    return warnings


def load_host_config(app_root: Path) -> HostConfig:
    """Read host.json; raises HostError where it is missing or not usable."""
    path = app_root / "host.json"
    if not path.is_file():
        raise HostError(f"there is no host.json in {app_root}: not the root of a function app")
    document = _read(path)
    if document.get("version") != "2.0":
        raise HostError(f'{path}: "version" must be "2.0"')
    warnings = [f"host.json: unknown key '{k}'" for k in document if k not in _HOST_KEYS]
    extensions = _section(document, "extensions", path)
    durable = _section(extensions, "durableTask", path)
    http = _section(extensions, "http", path)
    warnings += [f"host.json: unknown key 'extensions.durableTask.{k}'" for k in durable if k not in _DURABLE_KEYS]
    warnings += [f"host.json: unknown key 'extensions.http.{k}'" for k in http if k not in _HTTP_KEYS]
    cores = os.cpu_count() or 1
    storage = _section(durable, "storageProvider", path)
    tracing = _section(durable, "tracing", path)
    return HostConfig(
        route_prefix=_text(http, "routePrefix", "api").strip("/"),
        hub=resolve(_text(durable, "hubName", DEFAULT_HUB), DEFAULT_HUB),
        connection=_text(storage, "connectionName", _text(storage, "connectionStringName", "Storage")),
        max_activities=_number(durable, "maxConcurrentActivityFunctions", 10 * cores),
        max_orchestrators=_number(durable, "maxConcurrentOrchestratorFunctions", 10 * cores),
        default_version=durable.get("defaultVersion"),
        version_match=_text(durable, "versionMatchStrategy", "None"),
        version_failure=_text(durable, "versionFailureStrategy", "Reject"),
        traces=tracing.get("distributedTracingEnabled") is True and tracing.get("version") == "V2",
        max_concurrent_requests=_number(http, "maxConcurrentRequests", -1),
        max_outstanding_requests=_number(http, "maxOutstandingRequests", -1),
        function_timeout=_timespan(document.get("functionTimeout"), path),
        warnings=tuple(warnings),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise HostError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise HostError(f"{path} must hold a JSON object")
    return document


def _section(document: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        raise HostError(f"{path}: '{key}' must be an object")
    return value


def _text(section: dict[str, Any], key: str, default: str) -> str:
    value = section.get(key, default)
    if not isinstance(value, str):
        raise HostError(f"host.json: '{key}' must be a string, not {json.dumps(value)}")
    return value


def _number(section: dict[str, Any], key: str, default: int) -> int:
    value = section.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise HostError(f"host.json: '{key}' must be a whole number, not {json.dumps(value)}")
    return value


def resolve(text: str, default: str | None = None) -> str:
    """Replace `%SETTING%` by its value; raises ValueError for one that is not set and has no default."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1]) or default
        if found is None:
            raise ValueError(f"the setting {match[0]} is not set")
        return found

    return re.sub(r"%([^%]+)%", value, text)


def _timespan(value: Any, path: Path) -> float | None:
    """Seconds of a .NET time span like `00:05:00` or `1.00:00:00`; `-1` is without limit."""
    if value is None:
        return 1800.0
    if value in ("-1", -1):
        return None
    match = re.fullmatch(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})", str(value))
    if match is None:
        raise HostError(f"{path}: 'functionTimeout' must be like 00:05:00, not {json.dumps(value)}")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
