"""Resources: types and API versions, properties against the models of the SDKs, role assignments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.checks.bicep import Declaration, Expression, Value
from infra.checks.facts import (
    API_VERSIONS,
    DIAGNOSTIC_SETTINGS_PROPERTIES,
    EXISTING_ONLY,
    ROLES,
    SDK_MODELS,
    UNMODELLED,
)
from infra.checks.project import Project, check
from infra.checks.sdk_models import Property, Shape, model_shape, shape_of

Found = Iterator[tuple[str, int, str]]

_BICEP_KEYS = {"name", "parent", "scope", "dependsOn"}
_GUID = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")


@check("api-version")
def api_version(project: Project) -> Found:
    """Every resource has a type and an API version of the table."""
    for file, resource in project.resources:
        kind, _, version = resource.target.partition("@")
        if kind not in API_VERSIONS:
            yield file, resource.line, f"{resource.name} has the unknown type {kind!r}"
        elif version != API_VERSIONS[kind]:
            yield file, resource.line, f"{resource.name} uses {kind}@{version}, not {API_VERSIONS[kind]}"


@check("created-type")
def created_type(project: Project) -> Found:
    """The Foundry account and project belong to somebody else: they are read, never created."""
    for file, resource in project.resources:
        if _kind(resource) in EXISTING_ONLY and not resource.existing:
            yield file, resource.line, f"{resource.name} would be created; declare it as existing"


@check("parent-type")
def parent_type(project: Project) -> Found:
    """A child names its parent, of the type that its own type says."""
    for file, resource in project.resources:
        kind = _kind(resource)
        parent_kind = kind.rpartition("/")[0]
        if parent_kind.count("/") < 1:
            continue
        parent = resource.body.get("parent")
        name = re.sub(r"\[.*", "", parent.text) if isinstance(parent, Expression) else ""
        declared = project.templates[file].of_kind("resource").get(name)
        if declared is None:
            yield file, resource.line, f"{resource.name} names no parent"
        elif _kind(declared) != parent_kind:
            yield file, resource.line, f"{resource.name} has the parent {name}, which is no {parent_kind}"


@check("property-name")
def property_name(project: Project) -> Found:
    """Every property exists in the model of the SDK."""
    yield from _compare(project, "property-name")


@check("property-value")
def property_value(project: Project) -> Found:
    """A literal has the kind of its property, or is a value of its enumeration."""
    yield from _compare(project, "property-value")


@check("property-read-only")
def property_read_only(project: Project) -> Found:
    """No property is set that only the service sets."""
    yield from _compare(project, "property-read-only")


@check("property-missing")
def property_missing(project: Project) -> Found:
    """Every property is there that the model requires."""
    yield from _compare(project, "property-missing")


@check("model-missing")
def model_missing(project: Project) -> Found:
    """Every type that is created has a model, or a reason why not."""
    for file, resource in project.resources:
        kind = _kind(resource)
        if not resource.existing and kind in API_VERSIONS and kind not in SDK_MODELS and kind not in UNMODELLED:
            yield file, resource.line, f"no model is known for {kind}: add it to facts.py"


@check("role-id")
def role_id(project: Project) -> Found:
    """Every role is one of the table, under its own name: a wrong id is a wrong right."""
    for file, template in project.templates.items():
        for line, text in enumerate(template.text.splitlines(), 1):
            for guid in _GUID.findall(text):
                name = re.match(r"\s*var (\w+) =", text)
                if name is None or ROLES.get(name[1]) != guid.lower():
                    yield file, line, f"{guid} is not the id of a role of the table under its own name"


@check("role-assignment")
def role_assignment(project: Project) -> Found:
    """Roles go to the app's service principal, on one resource, under a name that repeats itself."""
    for file, resource in project.resources:
        if _kind(resource) != "Microsoft.Authorization/roleAssignments":
            continue
        properties = resource.body.get("properties")
        given = properties if isinstance(properties, dict) else {}
        name, scope = resource.body.get("name"), resource.body.get("scope")
        if given.get("principalType") != "ServicePrincipal":
            yield file, resource.line, f"{resource.name} does not say principalType: 'ServicePrincipal'"
        if given.get("principalId") != Expression("principalId"):
            yield file, resource.line, f"{resource.name} is for somebody else than the parameter principalId"
        if not (isinstance(name, Expression) and name.text.startswith("guid(")):
            yield file, resource.line, f"{resource.name} is not named by guid()"
        declared = project.templates[file].of_kind("resource")
        if not (isinstance(scope, Expression) and scope.text in declared):
            yield file, resource.line, f"{resource.name} has no resource as its scope, so it is wider than needed"
        elif isinstance(name, Expression) and not name.text.startswith(f"guid({scope.text}.id,"):
            yield file, resource.line, f"the name of {resource.name} does not contain its scope, {scope.text}.id"


def _kind(resource: Declaration) -> str:
    return resource.target.partition("@")[0]


def _compare(project: Project, wanted: str) -> Found:
    for file, resource in project.resources:
        for problem, message in _problems_of(resource):
            if problem == wanted:
                yield file, resource.line, f"{resource.name}: {message}"


def _problems_of(resource: Declaration) -> Iterator[tuple[str, str]]:
    kind = _kind(resource)
    if resource.existing:
        return
    if kind == "Microsoft.Insights/diagnosticSettings":
        properties = resource.body.get("properties")
        for key in (properties if isinstance(properties, dict) else {}).keys() - DIAGNOSTIC_SETTINGS_PROPERTIES:
            yield "property-name", f"properties.{key} does not exist"
        return
    if kind not in SDK_MODELS or resource.body.get("name") == "appsettings":
        return
    body = {k: v for k, v in resource.body.items() if k not in _BICEP_KEYS}
    yield from _problems(body, model_shape(*SDK_MODELS[kind]), "")


def _problems(value: dict[str, Value], shape: Shape, path: str) -> Iterator[tuple[str, str]]:
    by_lower_case = {name.lower(): name for name in shape}
    for key, item in value.items():
        where = f"{path}{key}"
        if key not in shape:
            hint = by_lower_case.get(key.lower())
            yield "property-name", f"{where} does not exist" + (f", {hint} does" if hint else "")
            continue
        if shape[key].read_only:
            yield "property-read-only", f"{where} is set by the service"
        yield from _problems_of_value(item, shape[key], where)
    for name, prop in shape.items():
        if prop.required and not prop.read_only and name not in value and name not in _BICEP_KEYS:
            yield "property-missing", f"{path}{name} is required"


def _problems_of_value(value: Value, prop: Property, where: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            shape = shape_of(prop)
            if shape is not None:
                yield from _problems(value, shape, f"{where}.")
        case list():
            for item in value:
                yield from _problems_of_value(item, prop, where)
        case Expression():
            for part in value.parts:
                yield from _problems_of_value(part, prop, where)
        case str() if prop.values is not None and value not in prop.values:
            yield "property-value", f"{where} is {value!r}, none of {', '.join(sorted(prop.values))}"
        case bool() | int() | str() if prop.kind and type(value).__name__ != prop.kind:
            yield "property-value", f"{where} is {value!r}, no {prop.kind}"
