"""What templates hand each other, and what the parameters file hands to main.bicep."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from infra.checks.bicep import Declaration, Expression, Template, Value, module_outputs_used
from infra.checks.project import Project, check

Found = Iterator[tuple[str, int, str]]

_MAIN, _RESOURCES, _PARAMETERS = "infra/main.bicep", "infra/resources.bicep", "infra/main.parameters.json"
_KINDS_OF_LITERALS: dict[str, type] = {"string": str, "int": int, "bool": bool, "array": list, "object": dict}
_LIMITS = ("allowed", "minValue", "maxValue", "minLength", "maxLength")
_REQUIRED = {"foundryAccountName", "foundryProjectName", "foundryResourceGroupName"}


@check("module-path")
def module_path(project: Project) -> Found:
    """Every module exists."""
    for file, module, target in _modules(project):
        if target is None:
            yield file, module.line, f"{module.name}: there is no {module.target}"


@check("module-parameter")
def module_parameter(project: Project) -> Found:
    """A module gets the parameters it declares: all that are required, no others."""
    for file, module, target in _modules(project):
        if target is None:
            continue
        given, declared = _params(module), target.of_kind("param")
        for name in given.keys() - declared.keys():
            yield file, module.line, f"{module.name} has no parameter {name}"
        for name in declared.keys() - given.keys():
            if not declared[name].has_value:
                yield file, module.line, f"{module.name} is not given its parameter {name}"


@check("module-parameter-type")
def module_parameter_type(project: Project) -> Found:
    """A literal or parameter that is handed on has the type, and the limits, of the parameter that takes it."""
    for file, module, target in _modules(project):
        if target is None:
            continue
        declared, own = target.of_kind("param"), project.templates[file].of_kind("param")
        for name, value in _params(module).items():
            if name not in declared:
                continue
            problem = _mismatch(value, declared[name], own)
            if problem:
                yield file, module.line, f"{module.name}: {name} {problem}"


@check("module-output")
def module_output(project: Project) -> Found:
    """Every output that is read exists."""
    for file, template in project.templates.items():
        targets = {module.name: target for f, module, target in _modules(project) if f == file}
        for line, text in enumerate(template.text.splitlines(), 1):
            for name, output in sorted(module_outputs_used(text)):
                target = targets.get(name)
                if target is not None and output not in target.of_kind("output"):
                    yield file, line, f"{name} has no output {output}"


@check("module-condition")
def module_condition(project: Project) -> Found:
    """Outputs of a module that may not be deployed are read behind its condition (`!` says that somebody thought)."""
    for file, template in project.templates.items():
        conditional = {m.name for m in template.of_kind("module").values() if m.condition}
        for line, text in enumerate(template.text.splitlines(), 1):
            for name, mark in re.findall(r"\b(\w+)(!?)\.outputs\.", text):
                if (name in conditional) != bool(mark):
                    yield file, line, f"{name}{mark}.outputs: the module is {'not ' if mark else ''}conditional"


@check("pass-through")
def pass_through(project: Project) -> Found:
    """main.bicep offers every parameter of resources.bicep, with the same default, and hands it on."""
    main, resources = project.templates.get(_MAIN), project.templates.get(_RESOURCES)
    if main is None or resources is None:
        yield _MAIN, 1, "main.bicep or resources.bicep is missing"
        return
    module = main.of_kind("module").get("resources")
    handed = _params(module) if module else {}
    offered = main.of_kind("param")
    for name, parameter in resources.of_kind("param").items():
        if handed.get(name) != Expression(name):
            yield _MAIN, module.line if module else 1, f"resources is not given the parameter {name} as it is"
        if name in offered and name != "location" and offered[name].value != parameter.value:
            yield _MAIN, offered[name].line, f"the default of {name} is not that of resources.bicep"


@check("module-default")
def module_default(project: Project) -> Found:
    """Modules have no defaults: every choice is made in one place."""
    for file, template in project.templates.items():
        for parameter in template.of_kind("param").values():
            if file.startswith("infra/modules/") and parameter.has_value:
                yield file, parameter.line, f"{parameter.name} has a default here, not in resources.bicep"


@check("required-parameter")
def required_parameter(project: Project) -> Found:
    """Only what names the Foundry project is required, and the region where azd asks for it."""
    for file, wanted in ((_MAIN, _REQUIRED | {"location"}), (_RESOURCES, _REQUIRED)):
        template = project.templates.get(file)
        required = {p.name for p in template.of_kind("param").values() if not p.has_value} if template else set()
        for name in sorted(required ^ wanted):
            yield file, 1, f"{name} {'must not' if name in required else 'must'} be required"


@check("parameter-limits")
def parameter_limits(project: Project) -> Found:
    """A default is among the allowed values and within its limits."""
    for file, template in project.templates.items():
        for parameter in template.of_kind("param").values():
            if parameter.has_value and (problem := _outside_limits(parameter.value, parameter)):
                yield file, parameter.line, f"the default of {parameter.name} {problem}"


REFUSED = (
    "isTaskHubName ? ''",
    "usesEntra && contains(areClientIds, false) ? '",
    "max(alwaysReadyInstances, alwaysReadyHttpInstances) > maximumInstanceCount ? '",
    "usesScheduler && (historyRetentionDays == 0 || historyRetentionDays > schedulerKeepsDays) ? '",
    "schedulerPublicNetworkAccess == 'Disabled' && !privateNetworking ? '",
    "zoneRedundant && !contains(['Standard_ZRS', 'Standard_GZRS'], storageSku) ? '",
    "runTimeoutSeconds > runMaxTimeoutSeconds ? '",
)
"""Conditions of `problems` in resources.bicep: what a compiler cannot see, and Azure only halfway through."""

_NAMES = {"name", "namePrefix", "planName", "workspaceName", "applicationInsightsName"}

DERIVED = {
    "shortName": "empty(problems) ? take(namable, 24) : fail(problems)",
    "namable": "replace(replace(replace(replace(environmentName, '_', '-'), '.', '-'), '(', '-'), ')', '-')",
    "isTaskHubName": "contains(letters, toLower(take(taskHubName, 1))) && !contains(fitsHubName, false)",
}


@check("refused-values")
def refused_values(project: Project) -> Found:
    """Values that would fail halfway are refused with every name, before anything is created, or made to fit."""
    template = project.templates.get(_RESOURCES)
    variables = template.of_kind("var") if template else {}
    text = {name: v.value.text for name, v in variables.items() if isinstance(v.value, Expression)}
    for condition in REFUSED:
        if condition not in text.get("problems", ""):
            yield _RESOURCES, 1, f"problems does not ask for {condition.partition(' ?')[0]}"
    for name, expression in DERIVED.items():
        if text.get(name) != expression:
            yield _RESOURCES, 1, f"{name} is not {expression}"
    for module in template.of_kind("module").values() if template else ():
        for name, value in _params(module).items():
            if isinstance(value, Expression) and name in _NAMES and "${environmentName}" in value.text:
                yield _RESOURCES, module.line, f"{module.name}: {name} is made of environmentName, not of shortName"
            if name.endswith("SubnetPrefix") and "cidrSubnet(virtualNetworkAddressPrefix," not in str(value):
                yield _RESOURCES, module.line, f"{module.name}: {name} may lie outside of the network"


@check("foundry-untouched")
def foundry_untouched(project: Project) -> Found:
    """Only the role is deployed into Foundry's resource group, where it is wanted; the endpoint is read in place."""
    template = project.templates.get(_RESOURCES)
    modules = template.of_kind("module").values() if template else ()
    elsewhere = {m.name: m.condition for m in modules if "scope" in m.body}
    if elsewhere != {"foundryAccess": "(assignFoundryRole)"}:
        yield _RESOURCES, 1, f"deployed into another resource group: {elsewhere}, not the role alone where it is wanted"
    account = template.of_kind("resource").get("foundryAccount") if template else None
    scope = Expression("resourceGroup(foundrySubscription, foundryResourceGroupName)")
    if account is None or not account.existing or account.body.get("scope") != scope:
        yield _RESOURCES, account.line if account else 1, "the Foundry account is not read where it is"


@check("azd-location")
def azd_location(project: Project) -> Found:
    """azd asks for a region where Flex Consumption is offered."""
    main = project.templates.get(_MAIN)
    location = main.of_kind("param").get("location") if main else None
    decorators = location.decorators if location else {}
    if decorators.get("metadata") != [{"azd": {"type": "location"}}] or not decorators.get("allowed"):
        yield _MAIN, location.line if location else 1, "location has no list of regions, or no metadata for azd"


@check("parameters-file")
def parameters_file(project: Project) -> Found:
    """The parameters file sets parameters that exist, all the required ones, with values that they take."""
    main = project.templates.get(_MAIN)
    declared = main.of_kind("param") if main else {}
    given = project.json(_PARAMETERS).get("parameters", {})
    for name in sorted(_REQUIRED - given.keys()):
        yield _PARAMETERS, 1, f"{name} is missing"
    for name, entry in given.items():
        if name not in declared:
            yield _PARAMETERS, 1, f"main.bicep has no parameter {name}"
            continue
        value = str(entry.get("value", ""))
        variable = re.fullmatch(r"\$\{([A-Z][A-Z0-9_]*)(?:=(.*))?\}", value)
        if variable is None:
            yield _PARAMETERS, 1, f"{name} is {value!r}, not a variable of the azd environment"
            continue
        default = declared[name].value
        if variable[2] is not None and not isinstance(default, Expression) and variable[2] != _as_text(default):
            yield _PARAMETERS, 1, f"{name} falls back on {variable[2]!r}, main.bicep on {_as_text(default)!r}"
        if (variable[2] is None) != (name in _REQUIRED or name in {"environmentName", "location"}):
            yield _PARAMETERS, 1, f"{name}: only what azd asks for has no fallback"


def _modules(project: Project) -> Iterator[tuple[str, Declaration, Template | None]]:
    for file, template in project.templates.items():
        for module in template.of_kind("module").values():
            path = posixpath.normpath(posixpath.join(posixpath.dirname(file), module.target))
            yield file, module, project.templates.get(path)


def _params(module: Declaration) -> dict[str, Value]:
    params = module.body.get("params")
    return params if isinstance(params, dict) else {}


def _mismatch(value: Value, taker: Declaration, own: dict[str, Declaration]) -> str:
    if isinstance(value, Expression):
        giver = own.get(value.text)
        if giver is None:
            return ""
        if giver.target != taker.target:
            return f"is {giver.target} here and {taker.target} there"
        for limit in _LIMITS:
            # A module may be stricter about lengths: that of an optional parameter only counts where it is deployed.
            stricter = limit in {"minLength", "maxLength"} and limit not in giver.decorators
            if limit in taker.decorators and giver.decorators.get(limit) != taker.decorators[limit] and not stricter:
                return f"has another @{limit} here than there"
        return ""
    kind = _KINDS_OF_LITERALS.get(taker.target, object)
    if not isinstance(value, kind) or isinstance(value, bool) != (taker.target == "bool"):
        return f"is {value!r}, no {taker.target}"
    return _outside_limits(value, taker)


def _outside_limits(value: Value, parameter: Declaration) -> str:
    if isinstance(value, Expression) or value is None:
        return ""
    limits = {name: arguments[0] for name, arguments in parameter.decorators.items() if name in _LIMITS and arguments}
    size = len(value) if isinstance(value, (str, list)) else None
    low, high = limits.get("minValue"), limits.get("maxValue")
    shortest, longest = limits.get("minLength"), limits.get("maxLength")
    allowed = limits.get("allowed")
    if isinstance(allowed, list) and value not in allowed:
        return f"is {value!r}, not allowed"
    if isinstance(value, int) and isinstance(low, int) and value < low:
        return f"is {value}, below {low}"
    if isinstance(value, int) and isinstance(high, int) and value > high:
        return f"is {value}, above {high}"
    if size is not None and isinstance(shortest, int) and size < shortest:
        return f"is shorter than {shortest}"
    if size is not None and isinstance(longest, int) and size > longest:
        return f"is longer than {longest}"
    return ""


def _as_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
