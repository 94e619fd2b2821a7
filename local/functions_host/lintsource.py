"""Reads the code of an orchestrator, without running it, for what replay does not survive."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from local.functions_host.lint import Finding

_CALLS = {"call_activity", "call_activity_with_retry", "call_sub_orchestrator", "call_sub_orchestrator_with_retry"}
# Last parts of dotted names whose value differs from replay to replay, and what to use instead.
_UNSTABLE = {
    ("datetime", "now"): "context.current_utc_datetime",
    ("datetime", "utcnow"): "context.current_utc_datetime",
    ("datetime", "today"): "context.current_utc_datetime",
    ("time", "time"): "context.current_utc_datetime",
    ("time", "sleep"): "context.create_timer",
    ("uuid", "uuid1"): "context.new_uuid",
    ("uuid", "uuid4"): "context.new_uuid",
    ("os", "getenv"): "the input or an activity",
}
_MODULES = {"random": "an activity", "secrets": "an activity", "requests": "an activity"}


def lint_source(function: Callable[..., Any], activities: set[str], orchestrators: set[str]) -> list[Finding]:
    """Check an orchestrator's own code; the generator function, not what the decorator made of it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return []  # no source at hand: made at run time
    calls = [
        finding
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for finding in _call(node, activities, orchestrators)
    ]
    return [*calls, *_after_continuing(tree), *_results(tree)]


def _after_continuing(tree: ast.Module) -> Iterator[Finding]:
    """What follows `continue_as_new` may raise, and the instance then ends as non-deterministic."""
    for node in ast.walk(tree):
        for block in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            statements = block if isinstance(block, list) else []
            number = next((n for n, s in enumerate(statements) if _continues(s)), len(statements))
            risky = next((s for s in statements[number + 1 :] if _may_raise(s)), None)
            if risky is not None:
                text = f"line {risky.lineno} goes on after continue_as_new: return right behind it"
                yield Finding("after-continue", f"{text}, what raises there ends the instance as non-deterministic")


def _continues(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "continue_as_new"


def _may_raise(statement: ast.stmt) -> bool:
    risky = (ast.Raise, ast.Assert, ast.Call, ast.Yield, ast.YieldFrom, ast.Subscript)
    return any(isinstance(node, risky) for node in ast.walk(statement))


def _results(tree: ast.Module) -> Iterator[Finding]:
    for node in _own_nodes(tree.body[0]):
        if isinstance(node, ast.Return) and node.value is not None and (what := _no_json(node.value)):
            text = f"line {node.lineno} returns {what}, which is no JSON"
            yield Finding("no-json", f"{text}: the instance ends as non-deterministic")


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _own_nodes(child)


def _no_json(value: ast.expr) -> str | None:
    """Name the part of a result that is certainly no JSON."""
    match value:
        case ast.Set() | ast.SetComp():
            return "a set"
        case ast.GeneratorExp():
            return "a generator"
        case ast.Lambda():
            return "a function"
        case ast.Constant(value=bytes() | complex()):
            return f"a {type(value.value).__name__}"
        case ast.Call(func=ast.Name(id="set" | "frozenset" | "bytes" | "object" as name)):
            return f"a {name}"
        case ast.Attribute(attr="current_utc_datetime"):
            return "a datetime"
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return next(filter(None, map(_no_json, parts)), None)
        case ast.Dict(values=parts):
            return next(filter(None, map(_no_json, parts)), None)
        case _:
            return None


def _call(node: ast.Call, activities: set[str], orchestrators: set[str]) -> Iterator[Finding]:
    if not isinstance(node.func, ast.Attribute):
        return
    name = node.func.attr
    owner = node.func.value
    last = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    if name in _CALLS and node.args and isinstance(node.args[0], ast.Constant):
        called = node.args[0].value
        known = activities if "activity" in name else orchestrators
        if isinstance(called, str) and called not in known:
            text = f"line {node.lineno} calls '{called}', which is not registered: the instance stays Running for ever"
            yield Finding("unregistered", text)
    instead = _UNSTABLE.get((last, name)) or _MODULES.get(last)
    if instead:
        text = f"line {node.lineno} calls {last}.{name}, which differs from replay to replay; use {instead}"
        yield Finding("non-deterministic", text)
