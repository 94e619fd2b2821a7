"""Bicep templates as data: declarations with literal values, everything else as `Expression`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import tree_sitter
import tree_sitter_bicep


@dataclass(frozen=True)
class Expression:
    """A value that only a deployment knows; `parts` are the literal objects and lists inside it."""

    text: str
    parts: tuple[Value, ...] = ()


Value: TypeAlias = "str | int | bool | list[Value] | dict[str, Value] | Expression | None"


@dataclass(frozen=True)
class Declaration:
    """A parameter, variable, resource, module or output."""

    kind: str
    name: str
    line: int
    target: str = ""
    """Type of a parameter or output; `type@version` of a resource; path of a module."""
    value: Value = None
    """Default, value or body. None where there is none."""
    has_value: bool = False
    existing: bool = False
    condition: str = ""
    decorators: dict[str, list[Value]] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Value]:
        """The object of a resource or module; of each of them where it is a loop."""
        value = self.value[0] if isinstance(self.value, list) and self.value else self.value
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Use:
    """A name or function where it is used."""

    name: str
    line: int


@dataclass(frozen=True)
class Template:
    """One file."""

    scope: str
    declarations: tuple[Declaration, ...]
    names: tuple[Use, ...]
    functions: tuple[Use, ...]
    errors: tuple[Use, ...]
    text: str

    def of_kind(self, kind: str) -> dict[str, Declaration]:
        """Return the declarations of one kind by name."""
        return {d.name: d for d in self.declarations if d.kind == kind}


_KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
}


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Template:
    """Return the template; what the parser could not read is in `errors`."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
    root = parser.parse(text.encode()).root_node
    scope = "resourceGroup"
    declarations: list[Declaration] = []
    decorators: dict[str, list[Value]] = {}
    for node in root.named_children:
        if node.type == "target_scope_assignment":
            scope = _text(node.named_children[-1]).strip("'")
        elif node.type == "decorators":
            decorators = _decorators(node)
        elif node.type in _KINDS:
            declarations.append(_declaration(node, decorators))
            decorators = {}
    return Template(
        scope=scope,
        declarations=tuple(declarations),
        names=tuple(_names(root, frozenset())),
        functions=tuple(
            Use(_text(n.children[0]), _line(n)) for n in _walk(root) if n.type == "call_expression" and n.children
        ),
        errors=tuple(Use(_text(n)[:40], _line(n)) for n in _walk(root) if n.is_error or n.is_missing),
        text=text,
    )


def _declaration(node: tree_sitter.Node, decorators: dict[str, list[Value]]) -> Declaration:
    kind = _KINDS[node.type]
    children = node.named_children
    tokens = {c.type for c in node.children}
    target, rest = "", list(children[1:])
    if kind in {"resource", "module"} and rest and rest[0].type == "string":
        target = _text(rest.pop(0)).strip("'")
    elif rest and rest[0].type == "type":
        target = _text(rest.pop(0))
    body = rest[-1] if rest and "=" in tokens else None
    condition = ""
    if body is not None and body.type == "if_statement":
        condition = _text(body.named_children[0])
        body = body.named_children[-1]
    return Declaration(
        kind=kind,
        name=_text(children[0]),
        line=_line(node),
        target=target,
        value=None if body is None else value_of(body),
        has_value=body is not None,
        existing="existing" in tokens,
        condition=condition,
        decorators=decorators,
    )


def value_of(node: tree_sitter.Node) -> Value:
    """Return the literal value of a node, or an `Expression`."""
    match node.type:
        case "string" if not any(c.type == "interpolation" for c in node.named_children):
            return "".join(_text(c) for c in node.named_children).replace("\\'", "'")
        case "number":
            return int(_text(node))
        case "boolean":
            return _text(node) == "true"
        case "null":
            return None
        case "array":
            return [value_of(c) for c in node.named_children if c.type != "comment"]
        case "object":
            return {_key(c): value_of(c.named_children[-1]) for c in node.named_children if c.type == "object_property"}
        case "for_statement":
            return [value_of(node.named_children[-1])]
        case _:
            parts = [value_of(c) for c in _branches(node)]
            return Expression(
                " ".join(_text(node).split()), tuple(p for p in parts if isinstance(p, (dict, list, Expression)))
            )


def _branches(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    """Return what an expression may evaluate to: both sides of a ternary, the arguments of union and concat."""
    match node.type:
        case "ternary_expression":
            return list(node.named_children[1:])
        case "parenthesized_expression":
            return list(node.named_children)
        case "call_expression" if _text(node.children[0]) in {"union", "concat", "string"}:
            return list(node.named_children[-1].named_children)
        case _:
            return []


def _key(node: tree_sitter.Node) -> str:
    return _text(node.named_children[0]).strip("'")


def _decorators(node: tree_sitter.Node) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for call in (c for d in node.named_children for c in d.named_children if c.type == "call_expression"):
        name, arguments = call.named_children[0], call.named_children[-1]
        found[_text(name)] = [value_of(a) for a in arguments.named_children]
    return found


def _names(node: tree_sitter.Node, local: frozenset[str]) -> Iterator[Use]:
    """Yield every name that is read, but for loop variables."""
    children = list(node.named_children)
    match node.type:
        case "identifier":
            if _text(node) not in local:
                yield Use(_text(node), _line(node))
            return
        case "decorators" | "metadata_declaration" | "target_scope_assignment":
            return
        case "call_expression":
            children = children[1:]
        case "object_property":
            children = [c for c in children[:1] if c.type == "string"] + children[1:]
        case "for_statement":
            loop, children = children[0], children[1:]
            variables = loop.named_children or [loop]
            yield from _names(children[0], local)
            local, children = local | {_text(v) for v in variables}, children[1:]
        case kind if kind in _KINDS:
            children = [c for c in children[1:] if c.type != "type"]
    for child in children:
        yield from _names(child, local)


def module_outputs_used(text: str) -> set[tuple[str, str]]:
    """Return the pairs of module and output that a text refers to."""
    return {(m[1], m[2]) for m in re.finditer(r"\b(\w+)!?\.outputs\.(\w+)", text)}


def _walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()


def _line(node: tree_sitter.Node) -> int:
    row: int = node.start_point[0]
    return row + 1
