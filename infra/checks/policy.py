"""What must be closed, encrypted and kept, and what Flex Consumption refuses. Each assert is a check with a name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.checks.bicep import Declaration, Expression, Value
from infra.checks.facts import FLEX_FORBIDDEN_SETTINGS, FLEX_FORBIDDEN_SITE_CONFIG
from infra.checks.project import Project, check

Found = Iterator[tuple[str, int, str]]

_STORAGE = "Microsoft.Storage/storageAccounts"
_SITE = "Microsoft.Web/sites"
_BLOBS = f"{_STORAGE}/blobServices"
_CREDENTIALS = f"{_SITE}/basicPublishingCredentialsPolicies"
_INSIGHTS = "Microsoft.Insights/components"
_WORKSPACE = "Microsoft.OperationalInsights/workspaces"
_SCHEDULER = "Microsoft.DurableTask/schedulers"
_NETWORK = "Microsoft.Network/virtualNetworks"


_WHEN_PRIVATE = "privateNetworking ? {} : {}"
RULES: tuple[tuple[str, str, str, Value, str], ...] = (
    ("storage-shared-keys", _STORAGE, "allowSharedKeyAccess", False, "keys are a second way in"),
    ("storage-public-blobs", _STORAGE, "allowBlobPublicAccess", False, "nothing in it is for everyone"),
    ("storage-cross-tenant", _STORAGE, "allowCrossTenantReplication", False, "data stay in the tenant"),
    ("storage-https", _STORAGE, "supportsHttpsTrafficOnly", True, "tokens travel with each request"),
    ("storage-tls", _STORAGE, "minimumTlsVersion", "TLS1_2", "older versions are broken"),
    ("storage-entra-default", _STORAGE, "defaultToOAuthAuthentication", True, "the portal must not try keys"),
    (
        "storage-public-access",
        _STORAGE,
        "publicNetworkAccess",
        Expression(_WHEN_PRIVATE.format("'Disabled'", "'Enabled'")),
        "private networking means private",
    ),
    (
        "storage-firewall",
        _STORAGE,
        "networkAcls.defaultAction",
        Expression(_WHEN_PRIVATE.format("'Deny'", "'Allow'")),
        "private networking means private",
    ),
    ("storage-firewall-bypass", _STORAGE, "networkAcls.bypass", "None", "no service of Azure needs to get past it"),
    ("blob-soft-delete", _BLOBS, "deleteRetentionPolicy.enabled", True, "a deleted package can be had back"),
    ("container-soft-delete", _BLOBS, "containerDeleteRetentionPolicy.enabled", True, "so can a deleted container"),
    ("container-private", f"{_BLOBS}/containers", "publicAccess", "None", "code is not for everyone"),
    ("insights-local-auth", _INSIGHTS, "DisableLocalAuth", True, "keys are a second way in"),
    ("insights-workspace", _INSIGHTS, "WorkspaceResourceId", Expression("workspace.id"), "logs are in one place"),
    ("workspace-local-auth", _WORKSPACE, "features.disableLocalAuth", True, "keys are a second way in"),
    ("app-https", _SITE, "httpsOnly", True, "keys and tokens travel with each request"),
    ("app-tls", _SITE, "siteConfig.minTlsVersion", "1.2", "older versions are broken"),
    ("app-deployment-tls", _SITE, "siteConfig.scmMinTlsVersion", "1.2", "older versions are broken"),
    ("app-http2", _SITE, "siteConfig.http20Enabled", True, "callers poll: one connection will do"),
    ("app-affinity", _SITE, "clientAffinityEnabled", False, "the app keeps nothing in an instance"),
    ("app-runtime", _SITE, "functionAppConfig.runtime.name", "python", "the app is Python"),
    (
        "app-package-identity",
        _SITE,
        "functionAppConfig.deployment.storage.authentication.type",
        "UserAssignedIdentity",
        "a connection string is a key",
    ),
    ("ftp-credentials", f"{_CREDENTIALS}#ftpCredentials", "allow", False, "passwords are a second way in"),
    ("scm-credentials", f"{_CREDENTIALS}#scmCredentials", "allow", False, "passwords are a second way in"),
    ("scheduler-firewall", _SCHEDULER, "ipAllowlist", Expression("allowedIpRanges"), "an empty list blocks everyone"),
    (
        "scheduler-public-access",
        _SCHEDULER,
        "publicNetworkAccess",
        Expression("publicNetworkAccess"),
        "private networking may be meant for it too",
    ),
)
"""Name of the check; type of a resource, after `#` the symbolic name of one; path under `properties`; value; reason."""


def _register(name: str, target: str, path: str, expected: Value, why: str) -> None:
    kind, _, only = target.partition("#")

    @check(name)
    def run(project: Project) -> Found:
        found = [(f, r) for f, r in _of_type(project, kind) if only in {"", r.name}]
        if not found:
            yield "infra", 1, f"there is no {only or kind}"
        for file, resource in found:
            value = at(resource, f"properties.{path}")
            if value != expected or type(value) is not type(expected):
                yield file, resource.line, f"{resource.name}: {path} is not {_shown(expected)}: {why}"


for _rule in RULES:
    _register(*_rule)


@check("app-identity")
def app_identity(project: Project) -> Found:
    """The app has the one user-assigned identity: roles outlive it, and there is no second principal."""
    for file, site in _of_type(project, _SITE):
        if at(site, "identity.type") != "UserAssigned":
            yield file, site.line, f"{site.name}: identity.type is not UserAssigned"


@check("auth-required")
def auth_required(project: Project) -> Found:
    """With Entra, every request without a token is answered 401, but for the console's page and files, which hold no
    data; and only clients of the list get in.
    """
    expected: dict[str, Value] = {
        "platform.enabled": True,
        "globalValidation.requireAuthentication": True,
        "globalValidation.unauthenticatedClientAction": "Return401",
        "globalValidation.excludedPaths": _console_paths(project),
        "httpSettings.requireHttps": True,
        "identityProviders.azureActiveDirectory.enabled": True,
        "identityProviders.azureActiveDirectory.validation.allowedAudiences": [
            Expression("'api://${clientId}'"),
            Expression("clientId"),
        ],
        "identityProviders.azureActiveDirectory.validation.defaultAuthorizationPolicy.allowedApplications": Expression(
            "allowedClientIds"
        ),
        "login.tokenStore.enabled": False,
    }
    file = "infra/modules/app-auth.bicep"
    template = project.templates.get(file)
    settings = template.of_kind("resource").get("authSettings") if template else None
    if settings is None:
        yield file, 1, "there is no authSettings"
        return
    for path, value in expected.items():
        if at(settings, f"properties.{path}") != value:
            yield file, settings.line, f"authSettings: {path} is not {_shown(value)}"


def _console_paths(project: Project) -> Value:
    files = sorted(path.name for path in (project.root / "console").iterdir() if path.suffix in {".mjs", ".css"})
    return ["/api/console", "/api/console/", *(f"/api/console/{name}" for name in files)]


@check("cors")
def cors(project: Project) -> Found:
    """No browser application is served, so no origin is allowed."""
    for file, resource in project.resources:
        if any(key == "cors" for key, _ in _entries(resource.value)):
            yield file, resource.line, f"{resource.name} allows origins: no browser calls this API"


@check("flex-site-config")
def flex_site_config(project: Project) -> Found:
    """Flex Consumption refuses these properties."""
    for file, resource in project.resources:
        for key, _ in _entries(resource.value):
            if key in FLEX_FORBIDDEN_SITE_CONFIG:
                yield file, resource.line, f"{resource.name}: {key} is not for Flex Consumption"


@check("flex-app-setting")
def flex_app_setting(project: Project) -> Found:
    """Flex Consumption refuses these settings, or ignores them."""
    for file, template in project.templates.items():
        for declaration in template.declarations:
            for key, _ in _entries(declaration.value):
                if key.startswith(FLEX_FORBIDDEN_SETTINGS):
                    yield file, declaration.line, f"the setting {key} is not for Flex Consumption"


@check("flex-scale")
def flex_scale(project: Project) -> Found:
    """The plan is FC1, and the always-ready instances are those of the groups `durable` and `http`."""
    for file, plan in _of_type(project, "Microsoft.Web/serverfarms"):
        if (at(plan, "sku.name"), at(plan, "sku.tier"), at(plan, "properties.reserved")) != (
            "FC1",
            "FlexConsumption",
            True,
        ):
            yield file, plan.line, f"{plan.name} is no Flex Consumption plan on Linux"
        limits = project.templates[file].of_kind("param")["maximumInstanceCount"].decorators
        if (limits.get("minValue"), limits.get("maxValue")) != ([1], [1000]):
            yield file, plan.line, "maximumInstanceCount does not go from 1 to 1000"
    for file, site in _of_type(project, _SITE):
        variables = project.templates[file].of_kind("var")
        groups = {name: variables[name].value for name in ("readyForRuns", "readyForRequests") if name in variables}
        names = [value for group in groups.values() for key, value in _entries(group) if key == "name"]
        if names != ["durable", "http"]:
            yield file, site.line, f"{site.name}: alwaysReady names the groups {names}, not 'durable' and 'http'"
        ready = at(site, "properties.functionAppConfig.scaleAndConcurrency.alwaysReady")
        if ready != Expression(f"concat({', '.join(groups)})", tuple(Expression(name) for name in groups)):
            yield file, site.line, f"{site.name}: alwaysReady is not made of {', '.join(groups)}"


@check("subnet-nsg")
def subnet_nsg(project: Project) -> Found:
    """Every subnet has a network security group."""
    for file, network, subnet in _subnets(project):
        if not at_path(subnet, "properties.networkSecurityGroup.id"):
            yield file, network.line, f"subnet {subnet.get('name')} has no network security group"


@check("nsg-inbound")
def nsg_inbound(project: Project) -> Found:
    """No network security group lets in the internet; that of the endpoints denies what no rule allows."""
    for file, group in _of_type(project, "Microsoft.Network/networkSecurityGroups"):
        rules = at(group, "properties.securityRules")
        properties = [at_path(rule, "properties") for rule in (rules if isinstance(rules, list) else [])]
        inbound = [p for p in properties if isinstance(p, dict) and p.get("direction") == "Inbound"]
        shut = {"access": "Deny", "protocol": "*", "sourceAddressPrefix": "*", "destinationPortRange": "*"}
        shuts = any(all(rule.get(k) == v for k, v in shut.items()) for rule in inbound)
        if group.name == "endpointNsg" and not shuts:
            yield file, group.line, f"{group.name} does not deny inbound traffic that no rule allows"
        for rule in inbound:
            if rule.get("access") == "Allow" and rule.get("sourceAddressPrefix") in {"*", "Internet", "0.0.0.0/0"}:
                yield file, group.line, f"{group.name} lets everybody in"


@check("subnet-delegation")
def subnet_delegation(project: Project) -> Found:
    """Flex Consumption takes a subnet delegated to Microsoft.App/environments whose name has no underscore."""
    delegated = [
        (file, network, subnet)
        for file, network, subnet in _subnets(project)
        if any(value == "Microsoft.App/environments" for _, value in _entries(subnet))
    ]
    if not delegated:
        yield "infra/modules/network.bicep", 1, "no subnet is delegated to Microsoft.App/environments"
    for file, network, subnet in delegated:
        if "_" in str(subnet.get("name")):
            yield file, network.line, f"subnet {subnet.get('name')}: Flex Consumption takes no underscore in the name"


@check("private-endpoint-services")
def private_endpoint_services(project: Project) -> Found:
    """With private networking every service is reachable that the provider uses."""
    file = "infra/resources.bicep"
    template = project.templates.get(file)
    module = template.of_kind("module").get("privateEndpoints") if template else None
    services = template.of_kind("var").get("storageServices") if template else None
    if (services.value if services else None) != Expression(
        "usesScheduler ? ['blob'] : ['blob', 'queue', 'table']", (["blob"], ["blob", "queue", "table"])
    ) or at_path(module.body if module else None, "params.services") != Expression("storageServices"):
        yield file, module.line if module else 1, "azureStorage needs blob, queue and table, the scheduler blob"
    zones = template.of_kind("var").get("storageZones") if template else None
    if (zones.value if zones else None) != [
        Expression("'privatelink.${service}.${environment().suffixes.storage}'")
    ] or at_path(module.body if module else None, "params.zoneNames") != Expression("storageZones"):
        yield file, zones.line if zones else 1, "the DNS zones are not those of Private Link for storage"
    scheduler = template.of_kind("module").get("schedulerEndpoint") if template else None
    params = at_path(scheduler.body if scheduler else None, "params")
    if [at_path(params, name) for name in ("services", "zoneNames")] != [["scheduler"], ["privatelink.durabletask.io"]]:
        yield file, scheduler.line if scheduler else 1, "the scheduler is reached by another service or DNS zone"


@check("diagnostics")
def diagnostics(project: Project) -> Found:
    """App and storage send what they can tell to the workspace."""
    scopes: set[str] = set()
    for file, resource in _of_type(project, "Microsoft.Insights/diagnosticSettings"):
        scope = resource.body.get("scope")
        scopes.add(f"{file}:{scope.text if isinstance(scope, Expression) else ''}")
        if at(resource, "properties.workspaceId") != Expression("workspaceId"):
            yield file, resource.line, f"{resource.name} does not send to the workspace"
    for wanted in (
        "function-app.bicep:site",
        "storage.bicep:account",
        "storage.bicep:blobService",
        "storage.bicep:queueService",
        "storage.bicep:tableService",
    ):
        if f"infra/modules/{wanted}" not in scopes:
            yield f"infra/modules/{wanted.partition(':')[0]}", 1, f"{wanted.partition(':')[2]} has no diagnostics"


@check("location-and-tags")
def location_and_tags(project: Project) -> Found:
    """What has a location or tags takes them from the parameters."""
    for file, resource in project.resources:
        body = resource.body
        location, tags = body.get("location"), body.get("tags")
        if location not in {None, Expression("location"), "global"}:
            yield file, resource.line, f"{resource.name} is not where the parameter location says"
        if location is not None and "tags" not in (tags.text if isinstance(tags, Expression) else ""):
            yield file, resource.line, f"{resource.name} does not have the tags of the parameter"


@check("secret-output")
def secret_output(project: Project) -> Found:
    """No output holds a key: outputs are kept in the history of deployments, for every reader."""
    telling = re.compile(
        r"\blist[A-Z]\w*\(|connectionstring|instrumentationkey|accountkey|sharedkey|primarykey|secret|password|\.keys\b",
        re.IGNORECASE,
    )
    for file, template in project.templates.items():
        secure = {p.name for p in template.of_kind("param").values() if "secure" in p.decorators}
        for output in template.of_kind("output").values():
            text = output.value.text if isinstance(output.value, Expression) else str(output.value)
            if telling.search(text) or set(re.findall(r"\w+", text)) & secure:
                yield file, output.line, f"the output {output.name} gives a secret away"


@check("secret-use")
def secret_use(project: Project) -> Found:
    """No template asks for a key, and no parameter takes one."""
    for file, template in project.templates.items():
        for use in template.functions:
            if re.match(r"list[A-Z]", use.name):
                yield file, use.line, f"{use.name}() asks for a key"
        for parameter in template.of_kind("param").values():
            if re.search(
                r"password|secret|token(?!Scope$)|(access|shared|account|function)key", parameter.name, re.IGNORECASE
            ):
                yield file, parameter.line, f"the parameter {parameter.name} takes a secret"


@check("role-scope")
def role_scope(project: Project) -> Found:
    """The role on Foundry is on the project unless an operator asks for more, and is the app's alone."""
    resources = project.templates.get("infra/resources.bicep")
    parameter = resources.of_kind("param").get("foundryRoleScope") if resources else None
    if parameter is None or parameter.value != "project":
        yield "infra/resources.bicep", parameter.line if parameter else 1, "foundryRoleScope is not project by default"


def at(resource: Declaration, path: str) -> Value:
    """Return the value at a dotted path of a resource, or None."""
    return at_path(resource.body, path)


def at_path(value: Value, path: str) -> Value:
    """Return the value at a dotted path, or None."""
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def _of_type(project: Project, kind: str) -> Iterator[tuple[str, Declaration]]:
    for file, resource in project.resources:
        if resource.target.startswith(f"{kind}@") and not resource.existing:
            yield file, resource


def _subnets(project: Project) -> Iterator[tuple[str, Declaration, dict[str, Value]]]:
    for file, network in _of_type(project, _NETWORK):
        subnets = at(network, "properties.subnets")
        for subnet in subnets if isinstance(subnets, list) else []:
            if isinstance(subnet, dict):
                yield file, network, subnet


def _entries(value: Value) -> Iterator[tuple[str, Value]]:
    """Yield every key with its value, however deep."""
    match value:
        case dict():
            for key, item in value.items():
                yield key, item
                yield from _entries(item)
        case list():
            for item in value:
                yield from _entries(item)
        case Expression():
            for part in value.parts:
                yield from _entries(part)


def _shown(value: Value) -> str:
    return value.text if isinstance(value, Expression) else "absent" if value is None else repr(value)
