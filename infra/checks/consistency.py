"""What different files say about the same thing: host.json, app settings, azure.yaml, queries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import yaml

from infra.checks.bicep import Expression, Value
from infra.checks.facts import CODES_OF_CALLERS, LOCAL_ONLY_SETTINGS, LOG_EVENTS
from infra.checks.policy import at_path
from infra.checks.project import Project, check

Found = Iterator[tuple[str, int, str]]

_HOST, _SCHEDULER_HOST = "host.json", "infra/host.durable-task.json"
_SETTINGS_MODULE, _RESOURCES = "infra/modules/app-settings.bicep", "infra/resources.bicep"
_LOCAL = "local.settings.example.json"

STORAGE_PROVIDER = {
    "type": "azureStorage",
    "connectionName": "AzureWebJobsStorage",
    "controlQueueVisibilityTimeout": "00:01:00",
    "workItemQueueVisibilityTimeout": "00:01:00",
}
SCHEDULER_PROVIDER = {
    "type": "azureManaged",
    "connectionStringName": "DURABLE_TASK_SCHEDULER_CONNECTION_STRING",
}
DURABLE = {
    "hubName": "%TASKHUB_NAME%",
    "extendedSessionsEnabled": False,
    "defaultVersion": "1.1",
    "versionMatchStrategy": "CurrentOrOlder",
    "versionFailureStrategy": "Reject",
}

ALERTS = (
    "failed-runs",
    "timed-out-runs",
    "foundry-access",
    "orphaned-runs",
    "server-errors",
    "purge-failures",
    "log-cap",
    "heartbeat",
)
SILENCE: dict[str, Value] = {
    "operator": "LessThan",
    "windowSize": "PT10M",
    "frequency": "PT10M",
    "periods": 2,
}
"""Twenty minutes without a line that comes every five."""

AZD = ">= 1.24.1"
"""`azd down` of an older one deletes every resource group of a deployment (azure-dev #2916, mended by #7698)."""


@check("host-durable")
def host_durable(project: Project) -> Found:
    """The task hub is that of the app setting; versions let runs in flight keep their code."""
    for key, value in DURABLE.items():
        if _durable(project, _HOST).get(key) != value:
            yield _HOST, 1, f"extensions.durableTask.{key} is not {value!r}"


@check("host-provider")
def host_provider(project: Project) -> Found:
    """host.json is for Azure Storage; an interrupted activity runs again after one minute, not five."""
    provider = _durable(project, _HOST).get("storageProvider", {})
    for key, value in STORAGE_PROVIDER.items():
        if provider.get(key) != value:
            yield _HOST, 1, f"storageProvider.{key} is not {value!r}"
    polling = str(provider.get("maxQueuePollingInterval", ""))
    if not re.fullmatch(r"00:00:(0[1-9]|10)", polling):
        yield _HOST, 1, f"storageProvider.maxQueuePollingInterval is {polling!r}: Flex asks for at most ten seconds"


@check("host-scheduler")
def host_scheduler(project: Project) -> Found:
    """The file for the Durable Task Scheduler differs from host.json in the provider alone."""
    scheduler, storage = project.json(_SCHEDULER_HOST), project.json(_HOST)
    provider = _durable(project, _SCHEDULER_HOST).get("storageProvider")
    if provider != SCHEDULER_PROVIDER:
        yield _SCHEDULER_HOST, 1, f"storageProvider is not {SCHEDULER_PROVIDER}"
    for host in (scheduler, storage):
        host.get("extensions", {}).get("durableTask", {}).pop("storageProvider", None)
    if scheduler != storage:
        yield _SCHEDULER_HOST, 1, "differs from host.json in more than the storage provider"


@check("host-logging")
def host_logging(project: Project) -> Found:
    """Neither messages nor answers are traced, and no line that alerts look for is sampled away."""
    if _durable(project, _HOST).get("tracing", {}).get("traceInputsAndOutputs") is not False:
        yield _HOST, 1, "tracing.traceInputsAndOutputs is not false: it would log prompts"
    logging = project.json(_HOST).get("logging", {})
    sampling = logging.get("applicationInsights", {}).get("samplingSettings", {})
    if "Trace" not in str(sampling.get("excludedTypes", "")).split(";"):
        yield _HOST, 1, "samplingSettings.excludedTypes lacks Trace: failed runs would be lost to the alerts"
    if logging.get("logLevel", {}).get("Function", "Information") != "Information":
        yield _HOST, 1, "logLevel.Function is not Information: the app's own lines would be dropped"
    if logging.get("logLevel", {}).get("Azure.Core") != "Warning":
        yield _HOST, 1, "logLevel.Azure.Core is not Warning: the host would log every request to storage"


@check("host-threads")
def host_threads(project: Project) -> Found:
    """There is a thread for every activity and orchestrator that may run at once."""
    durable = _durable(project, _HOST)
    wanted = durable.get("maxConcurrentActivityFunctions", 0) + durable.get("maxConcurrentOrchestratorFunctions", 0)
    resources = project.templates.get(_RESOURCES)
    parameter = resources.of_kind("param").get("workerThreads") if resources else None
    threads = parameter.value if parameter else None
    if not isinstance(threads, int) or threads < wanted:
        yield _RESOURCES, parameter.line if parameter else 1, f"workerThreads is {threads}, host.json asks for {wanted}"
    local = project.json(_LOCAL).get("Values", {}).get("PYTHON_THREADPOOL_THREAD_COUNT")
    if local != str(threads):
        yield _LOCAL, 1, f"PYTHON_THREADPOOL_THREAD_COUNT is {local!r}, not {str(threads)!r}"


@check("host-bundle")
def host_bundle(project: Project) -> Found:
    """The extension bundle is the one that the app was tested with."""
    if project.json(_HOST).get("extensionBundle", {}).get("version") != "[4.32.0, 5.0.0)":
        yield _HOST, 1, "extensionBundle.version is not [4.32.0, 5.0.0)"


@check("task-hub-name")
def task_hub_name(project: Project) -> Found:
    """The task hub has a name that Azure Storage takes, the same one locally."""
    resources = project.templates.get(_RESOURCES)
    parameter = resources.of_kind("param").get("taskHubName") if resources else None
    name = parameter.value if parameter else None
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", name):
        yield (
            _RESOURCES,
            parameter.line if parameter else 1,
            f"taskHubName is {name!r}: letters and digits only",
        )
    if project.json(_LOCAL).get("Values", {}).get("TASKHUB_NAME") != name:
        yield _LOCAL, 1, f"TASKHUB_NAME is not {name!r}"


@check("app-setting-names")
def app_setting_names(project: Project) -> Found:
    """The deployment sets every setting of the app, but those that are for local work only."""
    wanted = default_settings(project).keys() - LOCAL_ONLY_SETTINGS.keys()
    given = deployed_settings(project)
    for name in sorted(wanted - given.keys()):
        yield _SETTINGS_MODULE, 1, f"ownSettings lacks {name}"
    for name in sorted(given.keys() - wanted):
        yield _SETTINGS_MODULE, 1, f"ownSettings has {name}, which settings.py does not know or is for local work only"


@check("app-setting-defaults")
def app_setting_defaults(project: Project) -> Found:
    """A setting that is a parameter has the default of settings.py."""
    for name, default in default_settings(project).items():
        deployed = deployed_settings(project).get(name)
        if deployed is not None and deployed != default:
            yield _RESOURCES, 1, f"{name} is {deployed!r} by default, {default!r} in settings.py"


@check("local-settings")
def local_settings(project: Project) -> Found:
    """The example of local settings has every setting of the app, with the same default."""
    values = project.json(_LOCAL).get("Values", {})
    for name, default in default_settings(project).items():
        if name not in values:
            yield _LOCAL, 1, f"lacks {name}"
        elif name not in _EXAMPLES and values[name] != default:
            yield _LOCAL, 1, f"{name} is {values[name]!r}, {default!r} in settings.py"
    for name in values.keys() - default_settings(project).keys() - _HOST_SETTINGS:
        yield _LOCAL, 1, f"has {name}, which settings.py does not know"


@check("identity-settings")
def identity_settings(project: Project) -> Found:
    """Storage, scheduler and Application Insights are reached with the identity: there is no key in a setting."""
    template = project.templates.get(_SETTINGS_MODULE)
    variables = template.of_kind("var") if template else {}
    expected: dict[str, dict[str, Value]] = {
        "storageConnection": {
            "AzureWebJobsStorage__credential": "managedidentity",
            "AzureWebJobsStorage__clientId": Expression("identityClientId"),
            "AzureWebJobsStorage__blobServiceUri": Expression("blobEndpoint"),
        },
        "azureStorageConnection": {
            "AzureWebJobsStorage__queueServiceUri": Expression("queueEndpoint"),
            "AzureWebJobsStorage__tableServiceUri": Expression("tableEndpoint"),
        },
        "schedulerConnection": {
            "DURABLE_TASK_SCHEDULER_CONNECTION_STRING": Expression(
                "'Endpoint=${schedulerEndpoint};Authentication=ManagedIdentity;ClientID=${identityClientId}'"
            ),
        },
        "platformSettings": {
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": Expression("'ClientId=${identityClientId};Authorization=AAD'"),
            "TASKHUB_NAME": Expression("taskHubName"),
            "PYTHON_THREADPOOL_THREAD_COUNT": Expression("string(workerThreads)", (Expression("workerThreads"),)),
        },
    }
    for variable, settings in expected.items():
        value = variables[variable].value if variable in variables else None
        for name, setting in settings.items():
            if at_path(value, name) != setting:
                yield _SETTINGS_MODULE, 1, f"{variable}: {name} is not as it must be"
        if isinstance(value, dict) and any(re.search("AccountKey|SharedAccess", str(v)) for v in value.values()):
            yield _SETTINGS_MODULE, 1, f"{variable} holds a key"


@check("auth-level")
def auth_level(project: Project) -> Found:
    """Routes are anonymous only while the platform authenticates, and the order of deployment keeps it so."""
    resources = project.templates.get(_RESOURCES)
    modules = resources.of_kind("module") if resources else {}
    variables = resources.of_kind("var") if resources else {}
    if "usesEntra" not in variables or variables["usesEntra"].value != Expression("authMode == 'entra'"):
        yield _RESOURCES, 1, "usesEntra is not authMode == 'entra'"
    wanted: dict[str, tuple[str, str, Value]] = {
        "requireEntra": ("(usesEntra)", "dependsOn", None),
        "appSettings": ("", "dependsOn", [Expression("requireEntra")]),
        "disableEntra": ("(!usesEntra)", "dependsOn", [Expression("appSettings")]),
    }
    for name, (condition, path, value) in wanted.items():
        if name not in modules or modules[name].condition != condition:
            yield _RESOURCES, 1, f"the condition of {name} is not {condition or 'absent'}"
        elif at_path(modules[name].body, path) != value:
            yield _RESOURCES, modules[name].line, f"{name} is deployed too early: {path} is not as it must be"
    level = at_path(modules["appSettings"].body, "params.httpAuthLevel") if "appSettings" in modules else None
    if level != Expression("usesEntra ? 'ANONYMOUS' : 'FUNCTION'"):
        yield _RESOURCES, 1, "httpAuthLevel is not usesEntra ? 'ANONYMOUS' : 'FUNCTION'"


@check("azure-yaml")
def azure_yaml(project: Project) -> Found:
    """azd deploys the service to the app with its tag, from the folder that infra/package.py fills; one that would
    delete Foundry's resource group is refused.
    """
    config: dict[str, Any] = yaml.safe_load(project.text("azure.yaml") or "{}")
    services = config.get("services", {})
    resources = project.templates.get(_RESOURCES)
    module = resources.of_kind("module").get("functionApp") if resources else None
    tag = at_path(module.body, "params.azdServiceName") if module else None
    if list(services) != [tag]:
        yield "azure.yaml", 1, f"the services are {list(services)}, the tag is {tag!r}"
        return
    service = services[tag]
    for key, value in {"project": ".", "dist": ".local/package", "language": "py", "host": "function"}.items():
        if service.get(key) != value:
            yield "azure.yaml", 1, f"{key} of the service is {service.get(key)!r}, not {value!r}"
    for system in ("posix", "windows"):
        if "infra/package.py" not in str(service.get("hooks", {}).get("prepackage", {}).get(system, {}).get("run")):
            yield "azure.yaml", 1, f"prepackage on {system} does not run infra/package.py"
    for hook, program in {"preprovision": "-m infra.preflight", "postdeploy": "-m infra.postdeploy"}.items():
        for system in ("posix", "windows"):
            run = (config.get("hooks") or {}).get(hook, {}).get(system, {}).get("run", "")
            if program not in run:
                yield "azure.yaml", 1, f"{hook} on {system} does not run {program}"
    if config.get("infra") != {"provider": "bicep", "path": "infra", "module": "main"}:
        yield "azure.yaml", 1, "infra is not main.bicep of the folder infra"
    if (config.get("requiredVersions") or {}).get("azd") != AZD:
        yield "azure.yaml", 1, f"requiredVersions does not ask for azd {AZD}"


@check("query")
def query(project: Project) -> Found:
    """Queries read events and fields that the app logs."""
    for path in sorted((project.root / "infra" / "queries").glob("*.kql")):
        file, text = path.relative_to(project.root).as_posix(), path.read_text()
        events = [e for e in re.findall(r'"(agent_run\.\w*) ?"', text) if e != "agent_run."]
        for event in events:
            if event not in LOG_EVENTS:
                yield file, 1, f"the app logs no event {event}"
        fields = {"trace_id", *(f for e in events for f in LOG_EVENTS.get(e, "").split())}
        for field in sorted(set(re.findall(r"\bevent\.(\w+)", text)) - fields):
            yield file, 1, f"the event has no field {field}"
        bare = re.sub(r'"[^"\n]*"', "", text)
        if any(bare.count(a) != bare.count(b) for a, b in ("()", "[]", "{}")) or '"' in bare:
            yield file, 1, "brackets or quotes do not match"


@check("query-used")
def query_used(project: Project) -> Found:
    """Every query is loaded by a template or named in the documentation, and every one loaded exists."""
    loaded = {
        name: file
        for file, template in project.templates.items()
        for name in re.findall(r"loadTextContent\('\.\./queries/([^']+)'\)", template.text)
    }
    present = {p.name for p in (project.root / "infra" / "queries").glob("*.kql")}
    for name in sorted(loaded.keys() - present):
        yield loaded[name], 1, f"there is no infra/queries/{name}"
    for name in sorted(present - loaded.keys()):
        if name not in project.text("docs/operations.md"):
            yield f"infra/queries/{name}", 1, "is neither loaded nor documented"


@check("alert")
def alert(project: Project) -> Found:
    """Every alert exists; the one on silence fires where there is too little, not too much."""
    file = "infra/modules/alerts.bicep"
    template = project.templates.get(file)
    rules = template.of_kind("var").get("rules") if template else None
    found = rules.value if rules and isinstance(rules.value, list) else []
    by_query = {q.text: rule for rule in found if isinstance(q := at_path(rule, "query"), Expression)}
    for name in ALERTS:
        if f"loadTextContent('../queries/{name}.kql')" not in by_query:
            yield file, 1, f"there is no alert on {name}.kql"
    heartbeat = by_query.get("loadTextContent('../queries/heartbeat.kql')")
    silence = template.of_kind("var").get("twentyMinutesOfSilence") if template else None
    if (at_path(heartbeat, "when"), at_path(heartbeat, "threshold")) != (Expression("twentyMinutesOfSilence"), 1):
        yield file, 1, "the alert on heartbeat.kql does not fire on silence"
    if (silence.value if silence else None) != SILENCE:
        yield file, silence.line if silence else 1, f"twentyMinutesOfSilence is not {SILENCE}"


@check("alert-codes")
def alert_codes(project: Project) -> Found:
    """The alert on failed runs leaves out the codes that callers mend, and no others; all of them are documented."""
    file, errors = "infra/queries/failed-runs.kql", project.text("docs/errors.md")
    listed = re.search(r"let of_callers = dynamic\(\[(.*?)\]\)", project.text(file), re.DOTALL)
    codes = set(re.findall(r'"(\w+)"', listed[1])) if listed else set()
    for code in sorted(codes ^ CODES_OF_CALLERS):
        yield file, 1, f"{code} {'wakes nobody' if code in codes else 'is left to its caller'} in one place only"
    for code in sorted(codes):
        if f"`{code}`" not in errors:
            yield file, 1, f"docs/errors.md does not know {code}"


@check("workbook-time")
def workbook_time(project: Project) -> Found:
    """The time picker of the workbook offers values, its own default among them."""
    file = "infra/modules/workbook.bicep"
    template = project.templates.get(file)
    declared = template.of_kind("var").get("timeRange") if template else None
    parameters = at_path(declared.value if declared else None, "content.parameters")
    picker = parameters[0] if isinstance(parameters, list) and parameters else None
    offered = at_path(picker, "typeSettings.selectableValues")
    if not isinstance(offered, list) or at_path(picker, "value") not in offered:
        yield file, declared.line if declared else 1, "the time picker offers nothing, or not its default"


@check("checkov-skip")
def checkov_skip(project: Project) -> Found:
    """Every check of checkov that is skipped has its reason beside it."""
    for line, text in enumerate(project.text(".checkov.yaml").splitlines(), 1):
        if "CKV" in text and not re.search(r"CKV\w+ +# \S.{15,}", text):
            yield ".checkov.yaml", line, "is skipped without a reason"
    for file, template in project.templates.items():
        for line, text in enumerate(template.text.splitlines(), 1):
            if "checkov:skip" in text and not re.search(r"// checkov:skip=CKV2?_\w+:\S.{15,}", text):
                yield file, line, "is skipped without a reason"


def default_settings(project: Project) -> dict[str, str]:
    """Return `DEFAULTS` of settings.py."""
    for node in ast.parse(project.text("settings.py")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "DEFAULTS":
            assert node.value is not None
            defaults: dict[str, str] = ast.literal_eval(node.value)
            return defaults
    return {}


def deployed_settings(project: Project) -> dict[str, str | None]:
    """Return the app's own settings with the default of each; None where it depends on the deployment."""
    template, resources = project.templates.get(_SETTINGS_MODULE), project.templates.get(_RESOURCES)
    own = template.of_kind("var").get("ownSettings") if template else None
    module = resources.of_kind("module").get("appSettings") if resources else None
    if own is None or not isinstance(own.value, dict) or module is None or resources is None:
        return {}
    handed = module.body.get("params")
    parameters = resources.of_kind("param")
    defaults: dict[str, str | None] = {}
    for name, value in own.value.items():
        inner = re.sub(r"^string\((\w+)\)$", r"\1", value.text) if isinstance(value, Expression) else ""
        given = handed.get(inner) if isinstance(handed, dict) else None
        parameter = parameters.get(given.text) if isinstance(given, Expression) else None
        default = parameter.value if parameter else None
        defaults[name] = None if default is None or isinstance(default, Expression) else str(default)
        if not isinstance(value, Expression):
            defaults[name] = str(value)
    return defaults


_EXAMPLES = {"FOUNDRY_PROJECT_ENDPOINT"}
"""Settings whose local value is an example, since they have no default."""

_HOST_SETTINGS = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "TASKHUB_NAME", "PYTHON_THREADPOOL_THREAD_COUNT"}
"""Settings of the host, not of the app."""


def _durable(project: Project, path: str) -> dict[str, Any]:
    durable: dict[str, Any] = project.json(path).get("extensions", {}).get("durableTask", {})
    return durable
