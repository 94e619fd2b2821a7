"""The error codes that the app gives out, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.contract.project import deployed_modules

_OF_FIELDS = "FieldError"


def codes_of_fields() -> set[str]:
    """Codes of single fields, as `details` of a refused request have them."""
    return {c for tree in _trees() for call in _calls(tree) if _name(call.func) == _OF_FIELDS for c in _of(call, tree)}


def codes_of_failures() -> set[str]:
    """All others: those of answers, of failures, of exceptions, and of documents that are put together by hand."""
    found: set[str] = set()
    for tree in _trees():
        for call in _calls(tree):
            if _name(call.func) != _OF_FIELDS:
                found |= set(_of(call, tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                stated = [s.value for s in node.body if isinstance(s, ast.Assign) and _assigns(s, "code")]
                found |= {code for value in stated for code in _texts(value, tree)}
            elif isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                found |= {c for key, value in pairs if _is(key, "code") for c in _texts(value, tree)}
    return found


def _trees() -> Iterator[ast.Module]:
    for name, path in deployed_modules().items():
        if not name.startswith("http_api.openapi"):  # it describes codes, and gives none
            yield ast.parse(path.read_text("utf-8"))


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _of(call: ast.Call, tree: ast.Module) -> Iterator[str]:
    """Yield the codes that a call is given: by name, or as the second argument of an `ApiError`."""
    given = [k.value for k in call.keywords if k.arg == "code"]
    if _name(call.func) == "ApiError" and len(call.args) > 1:
        given.append(call.args[1])
    for value in given:
        yield from _texts(value, tree)


def _texts(value: ast.expr | None, tree: ast.Module) -> Iterator[str]:
    """Yield the texts that an expression may have: a literal, a constant's, either side of `or` and `if`."""
    match value:
        case ast.Constant(str(text)):
            yield text
        case ast.Name(name):
            for module in _trees() if name.isupper() else [tree]:
                yield from _assigned(module).get(name, ())
        case ast.BoolOp(values=values):
            for one in values:
                yield from _texts(one, tree)
        case ast.IfExp(body=body, orelse=otherwise):
            yield from _texts(body, tree)
            yield from _texts(otherwise, tree)


def _assigned(tree: ast.Module) -> dict[str, set[str]]:
    """Return the texts that names have in a module: assigned, alone or in a row, or as the keys of a dictionary that a
    loop goes through.
    """
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name, value in _pairs(target, node.value):
                    found.setdefault(name, set()).update(_literals(value))
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
            first = node.target.elts[0]
            if isinstance(first, ast.Name) and isinstance(node.iter, ast.Call):
                found.setdefault(first.id, set()).update(_keys(tree, node.iter))
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=False):
            yield from _pairs(one, its)


def _literals(value: ast.expr) -> set[str]:
    return {value.value} if isinstance(value, ast.Constant) and isinstance(value.value, str) else set()


def _keys(tree: ast.Module, call: ast.Call) -> set[str]:
    """Return the keys of the dictionary whose `items()` are called for."""
    if not (
        isinstance(call.func, ast.Attribute) and call.func.attr == "items" and isinstance(call.func.value, ast.Name)
    ):
        return set()
    name = call.func.value.id
    made = [n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) and _assigns(n, name)]
    keys = [key for value in made if isinstance(value, ast.Dict) for key in value.keys if key is not None]
    return {text for key in keys for text in _literals(key)}


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _is(key: ast.expr | None, text: str) -> bool:
    return isinstance(key, ast.Constant) and key.value == text


def _name(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""
