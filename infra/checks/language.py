"""Syntax, names, descriptions: what a compiler would say first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from infra.checks.bicep import module_outputs_used
from infra.checks.facts import FUNCTIONS
from infra.checks.project import Project, check

Found = Iterator[tuple[str, int, str]]


@check("syntax")
def syntax(project: Project) -> Found:
    """The syntax tree has no errors and nothing missing."""
    for file, template in project.templates.items():
        for error in template.errors:
            yield file, error.line, f"cannot be read at {error.name!r}"


@check("undeclared-name")
def undeclared_name(project: Project) -> Found:
    """Every name that is read is declared in the same file."""
    for file, template in project.templates.items():
        declared = {d.name for d in template.declarations if d.kind != "output"}
        for use in template.names:
            if use.name not in declared:
                yield file, use.line, f"{use.name} is not declared"


@check("unused-name")
def unused_name(project: Project) -> Found:
    """Every parameter, variable and existing resource is used."""
    for file, template in project.templates.items():
        used = {use.name for use in template.names}
        for declaration in template.declarations:
            needs_use = declaration.kind in {"param", "var"} or declaration.existing
            if needs_use and declaration.name not in used:
                yield file, declaration.line, f"{declaration.kind} {declaration.name} is never used"


@check("duplicate-name")
def duplicate_name(project: Project) -> Found:
    """No name is declared twice. Outputs have names of their own."""
    for file, template in project.templates.items():
        counts = Counter((d.kind == "output", d.name) for d in template.declarations)
        for declaration in template.declarations:
            if counts[declaration.kind == "output", declaration.name] > 1:
                yield file, declaration.line, f"{declaration.name} is declared more than once"


@check("unknown-function")
def unknown_function(project: Project) -> Found:
    """Only functions are called that are known to exist."""
    for file, template in project.templates.items():
        for use in template.functions:
            if use.name not in FUNCTIONS:
                yield file, use.line, f"{use.name}() is not among the functions of facts.py"


@check("description")
def description(project: Project) -> Found:
    """Every parameter and output says what it is for, and every file."""
    for file, template in project.templates.items():
        if "\nmetadata description = '" not in f"\n{template.text}":
            yield file, 1, "has no metadata description"
        for declaration in template.declarations:
            if declaration.kind in {"param", "output"} and not any(declaration.decorators.get("description", [])):
                yield file, declaration.line, f"{declaration.kind} {declaration.name} has no description"


@check("unused-output")
def unused_output(project: Project) -> Found:
    """Somebody reads every output of a module."""
    read: set[tuple[str, str]] = set()
    for template in project.templates.values():
        targets = {name: module.target.rpartition("/")[2] for name, module in template.of_kind("module").items()}
        read |= {(targets[m], output) for m, output in module_outputs_used(template.text) if m in targets}
    for file, template in project.templates.items():
        for output in template.of_kind("output").values():
            if file.startswith("infra/modules/") and (file.rpartition("/")[2], output.name) not in read:
                yield file, output.line, f"nobody reads the output {output.name}"
